//! Certificates from an ACME server (RFC 8555).
//!
//! A thread of its own obtains and renews them ([`Acme`]). Instances share a [state folder](state): the one that has
//! its lock places an order, and the others take the certificate, and answer the challenges of the order, from the
//! folder.

mod challenges;
mod error;
mod http_client;
mod issued;
mod layer;
mod name_state;
mod options;
mod order;
mod renewer;
mod state;

use std::{
    fmt, io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{runtime, sync::watch};

use crate::Certificates;
pub use challenges::HttpChallenges;
pub use error::AcmeError;
pub use layer::{ChallengeLayer, ChallengeService};
pub use options::{AcmeChallenge, AcmeOptions, TermsOfService};
use renewer::Renewer;

/// A thread that obtains certificates and renews them. It ends when the value is dropped.
///
/// A certificate is renewed at the time that the authority suggests (ARI, RFC 9773), or else at two thirds of its
/// lifetime. Until a name has one, TLS handshakes for it fail. The log names each order, its result, and after a
/// failure the reason and the time of the next attempt.
///
/// # Examples
///
/// ```no_run
/// use std::{num::NonZeroUsize, sync::Arc};
///
/// use gabion_proxy::{
///     Acme, AcmeOptions, Certificates, ChallengeLayer, Listener, Proxy, ProxyOptions, ServeOptions,
///     TermsOfService, Tls, Upstream, workers_on,
/// };
/// use tower_layer::Layer as _;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let certificates = Arc::new(Certificates::load([])?);
/// let options = AcmeOptions::new("/var/lib/guard", ["shop.example"], TermsOfService::Agreed)?;
/// let acme = Acme::start(&options, &certificates)?;
/// let listeners = vec![
///     Listener::bind("0.0.0.0:80".parse()?, ServeOptions::default())?,
///     Listener::bind(
///         "0.0.0.0:443".parse()?,
///         ServeOptions::default().with_tls(Tls::new(certificates)?),
///     )?,
/// ];
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// let challenges = ChallengeLayer::new(acme.challenges());
/// let workers = workers_on(NonZeroUsize::MIN, listeners, move |tunnels| {
///     challenges.layer(Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone()))
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Acme {
    challenges: HttpChallenges,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

// === impl Acme ===

impl Acme {
    /// Starts the thread, which uses the certificates in the state folder first.
    ///
    /// # Errors
    ///
    /// Fails if the state folder cannot be used, or if no authority is known that the ACME server could be trusted
    /// by. An ACME server that cannot be reached is no error: it is tried again.
    pub fn start(
        options: &AcmeOptions,
        certificates: &Arc<Certificates>,
    ) -> Result<Self, AcmeError> {
        let challenges = HttpChallenges::default();
        let mut renewer = Renewer::new(
            options.clone(),
            Arc::clone(certificates),
            challenges.clone(),
        )?;
        renewer.read_state();
        let (stop, stopped) = watch::channel(false);
        let start = || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let run = move || {
                runtime.block_on(renewer.run(stopped));
                // A name resolution that is still running must not delay the end.
                runtime.shutdown_background();
            };
            thread::Builder::new()
                .name("gabion-acme".to_owned())
                .spawn(run)
        };
        let thread = start().map_err(|error: io::Error| AcmeError::State {
            file: options.state.clone(),
            error,
        })?;
        Ok(Self {
            challenges,
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the answers to `http-01` challenges, for a [`ChallengeLayer`].
    pub fn challenges(&self) -> HttpChallenges {
        self.challenges.clone()
    }
}

impl Drop for Acme {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by itself.
            let _ = thread.join();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates have wall-clock times"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// A time in UTC, to the second.
fn civil_time(time: SystemTime) -> impl fmt::Display {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let time = x509_parser::time::ASN1Time::from_timestamp(seconds);
    let time = time.map(|time| time.to_datetime());
    time.map_or_else(
        |_| "the end of time".to_owned(),
        |time| {
            let (date, clock) = (time.date(), time.time());
            let (hour, minute, second) = clock.as_hms();
            format!("{date} {hour:02}:{minute:02}:{second:02} UTC")
        },
    )
}
