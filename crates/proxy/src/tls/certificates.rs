//! The certificates that a server presents.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
    thread,
    time::Duration,
};

use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tracing::{error, info};

use super::{CHALLENGE, CertificateError, CertificateFiles, table::Table};

/// The certificates that a server presents, selected by the name that a client asks for (SNI, RFC 6066, 3).
///
/// A certificate serves the DNS names in it. A wildcard such as `*.example.org` serves each name with one more label.
/// A client that asks for another name, or for none, gets the first certificate.
///
/// Files that change are read again by [`Self::watch`] and [`Self::reload`]. A new version is used for handshakes
/// from then on, unless it is broken, or its key is that of another certificate: then the previous one stays. The list of
/// files itself is replaced by [`Self::prepare`] and [`Self::install`].
///
/// # Examples
///
/// ```
/// use std::{num::NonZeroUsize, sync::Arc, time::Duration};
///
/// use gabion_proxy::{
///     CertificateFiles, Certificates, Proxy, ProxyOptions, ServeOptions, Tls, Upstream, workers,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = gabion_testkit::TempFolder::new("certificates");
/// # let own = rcgen::generate_simple_self_signed(["a.example".to_owned()])?;
/// # let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
/// # std::fs::write(&chain, own.cert.pem())?;
/// # std::fs::write(&key, own.signing_key.serialize_pem())?;
/// let certificates = Arc::new(Certificates::load([CertificateFiles::new(&chain, &key)])?);
/// certificates.watch(Duration::from_secs(10))?;
///
/// let options = ServeOptions::default().with_tls(Tls::new(Arc::clone(&certificates))?);
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// let workers = workers(NonZeroUsize::MIN, "127.0.0.1:0".parse()?, &options, move |tunnels| {
///     Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone())
/// })?;
///
/// // A broken file keeps the certificate in use; the error names the file.
/// std::fs::write(&chain, "-----BEGIN CERTIFICATE-----")?;
/// let reloaded = certificates.reload();
/// assert!(reloaded.errors[0].to_string().contains("chain.pem"));
/// assert!(Certificates::load([CertificateFiles::new(chain, key)]).is_err());
/// # workers.shutdown(Duration::ZERO);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Certificates {
    /// The lock is held while files are read, so that no older content replaces a newer one.
    sources: Mutex<Sources>,
    table: RwLock<Arc<Table>>,
    /// By name, the certificates that answer ACME challenges (RFC 8737, 3).
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

/// The result of [`Certificates::reload`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reloaded {
    /// The files whose new content is in use.
    pub changed: Vec<CertificateFiles>,
    /// The errors of those that changed and were not taken.
    pub errors: Vec<CertificateError>,
}

/// A new list of certificates, read and checked ([`Certificates::prepare`]).
#[derive(Debug)]
#[must_use = "it has no effect until it is installed"]
pub struct PreparedCertificates(Vec<LoadedFiles>);

/// The certificates in use.
#[derive(Debug, Default)]
struct Sources {
    /// In the order of the files.
    loaded: Vec<LoadedFiles>,
    /// By name, those that an ACME server issues; `None` until it has.
    issued: BTreeMap<String, Option<Arc<CertifiedKey>>>,
}

/// The state of one certificate.
#[derive(Clone, Debug)]
struct LoadedFiles {
    files: CertificateFiles,
    certified: Arc<CertifiedKey>,
    /// The hash of the latest content, which may be that of broken files; `None` if they could not be read.
    seen: Option<u64>,
}

/// Which changes of files are reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    /// Errors of content that was not seen before.
    New,
    /// All errors.
    All,
}

// === impl Certificates ===

impl Certificates {
    /// Loads certificates, the default one first.
    ///
    /// # Errors
    ///
    /// Returns the first error: a server starts with all of its certificates or not at all.
    pub fn load(
        files: impl IntoIterator<Item = CertificateFiles>,
    ) -> Result<Self, CertificateError> {
        let loaded = files.into_iter().map(LoadedFiles::load);
        let sources = Sources {
            loaded: loaded.collect::<Result<_, _>>()?,
            issued: BTreeMap::new(),
        };
        Ok(Self {
            table: RwLock::new(Arc::new(sources.table())),
            sources: Mutex::new(sources),
            challenges: RwLock::default(),
        })
    }

    /// Reads the certificates of another list of files, without using them yet. Those of files that are in use are
    /// not read. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// Returns the first error: a list is installed with all of its certificates or not at all.
    pub fn prepare(
        &self,
        files: impl IntoIterator<Item = CertificateFiles>,
    ) -> Result<PreparedCertificates, CertificateError> {
        let known = self.sources().loaded.clone();
        let prepare = |files: CertificateFiles| {
            let known = known.iter().find(|known| known.files == files);
            known.map_or_else(|| LoadedFiles::load(files), |known| Ok(known.clone()))
        };
        let prepared = files.into_iter().map(prepare);
        Ok(PreparedCertificates(prepared.collect::<Result<_, _>>()?))
    }

    /// Replaces the list of files, for handshakes from now on. Open connections stay, and so do the certificates that
    /// an ACME server issued.
    ///
    /// ```
    /// use gabion_proxy::{CertificateFiles, Certificates};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = gabion_testkit::TempFolder::new("installed-certificates");
    /// # let own = rcgen::generate_simple_self_signed(["a.example".to_owned()])?;
    /// # let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    /// # std::fs::write(&chain, own.cert.pem())?;
    /// # std::fs::write(&key, own.signing_key.serialize_pem())?;
    /// let certificates = Certificates::load([])?;
    /// let prepared = certificates.prepare([CertificateFiles::new(chain, key)])?;
    /// certificates.install(prepared);
    /// assert_eq!(certificates.files().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn install(&self, prepared: PreparedCertificates) {
        let mut sources = self.sources();
        let PreparedCertificates(mut loaded) = prepared;
        for loaded in &mut loaded {
            // It may have been read again meanwhile.
            let mut current = sources.loaded.iter();
            if let Some(current) = current.find(|current| current.files == loaded.files) {
                loaded.clone_from(current);
            }
        }
        sources.loaded = loaded;
        self.replace_table(&sources);
    }

    /// Returns the files in use, those of the default certificate first.
    pub fn files(&self) -> Vec<CertificateFiles> {
        let sources = self.sources();
        let loaded = sources.loaded.iter();
        loaded.map(|loaded| loaded.files.clone()).collect()
    }

    /// Reads all files again. Each certificate whose files are valid and changed replaces its previous version; the
    /// others stay as they are. Blocks while it reads.
    pub fn reload(&self) -> Reloaded {
        self.read_again(Report::All)
    }

    /// Starts a thread that reads the files `every` so often, and logs what changed. It ends when the certificates
    /// are dropped.
    ///
    /// # Errors
    ///
    /// Returns the system's error if a thread is not available.
    pub fn watch(self: &Arc<Self>, every: Duration) -> io::Result<()> {
        let certificates = Arc::downgrade(self);
        let watch = move || Self::watch_files(&certificates, every);
        let thread = thread::Builder::new().name("gabion-tls".to_owned());
        thread.spawn(watch).map(|_| ())
    }

    fn watch_files(certificates: &Weak<Self>, every: Duration) {
        loop {
            thread::park_timeout(every);
            let Some(certificates) = certificates.upgrade() else {
                return;
            };
            certificates.read_again(Report::New).log();
        }
    }

    fn read_again(&self, report: Report) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let mut sources = self.sources();
        for loaded in &mut sources.loaded {
            match loaded.update(report) {
                Ok(true) => reloaded.changed.push(loaded.files.clone()),
                Err(Some(error)) => reloaded.errors.push(error),
                Ok(false) | Err(None) => {}
            }
        }
        if !reloaded.changed.is_empty() {
            self.replace_table(&sources);
        }
        reloaded
    }

    /// Lets handshakes for names without a certificate fail until [`Self::set_issued`].
    #[cfg(feature = "acme")]
    pub(crate) fn reserve_names(&self, names: &[String]) {
        let mut sources = self.sources();
        for name in names {
            sources.issued.entry(name.clone()).or_default();
        }
        self.replace_table(&sources);
    }

    /// Serves a certificate that was issued for `name`.
    #[cfg(feature = "acme")]
    pub(crate) fn set_issued(&self, name: &str, certified: &Arc<CertifiedKey>) {
        let mut sources = self.sources();
        let certified = Some(Arc::clone(certified));
        sources.issued.insert(name.to_owned(), certified);
        self.replace_table(&sources);
    }

    /// Answers the challenges for these names, and no others.
    #[cfg(feature = "acme")]
    pub(crate) fn set_challenges(&self, challenges: HashMap<String, Arc<CertifiedKey>>) {
        let mut current = self
            .challenges
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = challenges;
    }

    fn replace_table(&self, sources: &Sources) {
        let table = Arc::new(sources.table());
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// A panic under this lock could only come from an allocation, which leaves the lists consistent.
    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The server of an ACME challenge offers no other protocol (RFC 8737, 3).
        let is_challenge = hello.alpn().is_some_and(|offered| offered.eq([CHALLENGE]));
        if is_challenge {
            let challenges = self
                .challenges
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            return challenges.get(hello.server_name()?).cloned();
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.select(hello.server_name()).cloned()
    }
}

// === impl Reloaded ===

impl Reloaded {
    /// Logs each change and each error.
    pub fn log(&self) {
        for files in &self.changed {
            info!(
                target: "gabion::proxy",
                "the certificate in `{}` has changed, and is used from now on", files.chain().display()
            );
        }
        for error in &self.errors {
            error!(
                target: "gabion::proxy",
                "the previous certificate stays in use: {error}"
            );
        }
    }
}

// === impl Sources ===

impl Sources {
    fn table(&self) -> Table {
        let loaded = self.loaded.iter().map(|loaded| &loaded.certified);
        Table::new(loaded, &self.issued)
    }
}

// === impl LoadedFiles ===

impl LoadedFiles {
    fn load(files: CertificateFiles) -> Result<Self, CertificateError> {
        let content = files.read()?;
        Ok(Self {
            certified: files.parse(&content)?,
            seen: Some(content.hash()),
            files,
        })
    }

    /// Takes the content of the files if it changed and is valid; returns `true` then. An error that is not to be
    /// reported is `None`.
    fn update(&mut self, report: Report) -> Result<bool, Option<CertificateError>> {
        let content = self.files.read();
        let hash = content.as_ref().ok().map(super::files::PemContent::hash);
        let is_new = hash != self.seen;
        self.seen = hash;
        let is_reported = is_new || report == Report::All;
        let parsed = content.and_then(|content| self.files.parse(&content));
        let certified = parsed.map_err(|error| is_reported.then_some(error))?;
        if !is_new {
            return Ok(false);
        }
        self.certified = certified;
        Ok(true)
    }
}
