//! The admin API of the running proxy: its listeners, and what it shows.

mod args;
mod token;

use std::{
    error::Error,
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gabion::Guard;
use gabion_admin::{Admin, AdminServer, Existing, TcpListener, TlsFuture, UnixListener};
use gabion_proxy::{CertificateFiles, Certificates, Tls};
use tokio::net::TcpStream;
use tracing::warn;

use crate::{cli::RunArgs, own_addresses::own_addresses, sockets::Sockets};
pub(crate) use args::AdminArgs;
pub(crate) use token::read_token;

/// The name of the Unix socket in the state folder.
pub(crate) const SOCKET: &str = "admin.sock";

/// The listeners of the admin API, open and not yet served.
#[derive(Debug)]
pub(crate) struct AdminListeners {
    unix: Option<UnixListener>,
    tcp: Option<TcpListener>,
}

/// The admin API, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct AdminApi {
    server: Option<AdminServer>,
    is_ready: Arc<AtomicBool>,
}

/// The certificates of the TCP address.
struct AdminTls(Tls);

/// The time between two looks at the certificate files.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

// === impl AdminListeners ===

impl AdminListeners {
    /// Opens the listeners, and registers their addresses as those of the process.
    ///
    /// Without the Unix socket the proxy runs all the same: a full disk must not stop it.
    pub(crate) fn open(args: &RunArgs, sockets: &mut Sockets) -> Result<Self, Box<dyn Error>> {
        let existing = if sockets.has_predecessor() {
            Existing::Replace
        } else {
            Existing::Refuse
        };
        let unix = args.https.state.as_deref();
        let unix = unix.and_then(|state| match open_unix(state, existing) {
            Ok(unix) => Some(unix),
            Err(error) => {
                warn!("`guard ban` and the other commands cannot reach this guard: {error}");
                None
            }
        });
        let tcp = open_tcp(&args.admin, sockets)?;
        let own = own_addresses();
        if let Some(unix) = &unix {
            own.add_unix(unix.path());
            own.add_unix(unix.bound_at());
        }
        if let Some(tcp) = &tcp {
            own.add(tcp.local_addr());
        }
        Ok(Self { unix, tcp })
    }

    /// Serves the API, ready from now on. `with_state` adds what outlives the process to what it shows.
    pub(crate) fn serve(
        self,
        guard: &Guard,
        with_state: impl FnOnce(Admin) -> Admin,
    ) -> Result<AdminApi, Box<dyn Error>> {
        if self.unix.is_none() && self.tcp.is_none() {
            return Ok(AdminApi::default());
        }
        let is_ready = Arc::new(AtomicBool::new(true));
        let shown = Arc::clone(&is_ready);
        let admin = Admin::new(guard.clone())
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_readiness(move || shown.load(Ordering::Relaxed));
        let server = AdminServer::start(with_state(admin), self.unix, self.tcp)?;
        Ok(AdminApi {
            server: Some(server),
            is_ready,
        })
    }
}

fn open_unix(state: &Path, existing: Existing) -> Result<UnixListener, Box<dyn Error>> {
    let mut folder = fs::DirBuilder::new();
    folder
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(|error| {
            let state = state.display();
            format!("cannot create the state folder {state}: {error}")
        })?;
    Ok(UnixListener::bind(&state.join(SOCKET), existing)?)
}

fn open_tcp(
    args: &AdminArgs,
    sockets: &mut Sockets,
) -> Result<Option<TcpListener>, Box<dyn Error>> {
    let Some(addr) = args.admin else {
        return Ok(None);
    };
    let token = read_token(args.admin_token_file.as_deref())?.ok_or(
        "--admin needs a token of 256 bits: make one with `(umask 077; guard token > FILE)`, and add \
         --admin-token-file FILE or set GUARD_ADMIN_TOKEN",
    )?;
    let token = token.parse()?;
    let tls = match (&args.admin_cert, &args.admin_key) {
        (Some(chain), Some(key)) => Some(admin_tls(chain, key)?),
        _ => None,
    };
    let listener = match sockets.passed(addr) {
        Some(socket) => TcpListener::from_socket(socket, token, tls)?,
        None => TcpListener::bind(addr, token, tls)?,
    };
    sockets.keep(listener.socket())?;
    let hosts = args.admin_hosts.iter();
    Ok(Some(hosts.fold(listener, TcpListener::add_host)))
}

fn admin_tls(chain: &Path, key: &Path) -> Result<Arc<dyn gabion_admin::Tls>, Box<dyn Error>> {
    let certificates = Arc::new(Certificates::load([CertificateFiles::new(chain, key)])?);
    certificates.watch(WATCH_INTERVAL)?;
    let tls = Tls::new(certificates)?.with_http1_only();
    Ok(Arc::new(AdminTls(tls)))
}

// === impl AdminTls ===

impl gabion_admin::Tls for AdminTls {
    fn accept(&self, socket: TcpStream) -> TlsFuture {
        let tls = self.0.clone();
        Box::pin(async move {
            let stream = tls.accept_stream(socket).await?;
            Ok(Box::new(stream) as Box<dyn gabion_admin::Stream>)
        })
    }
}

// === impl AdminApi ===

impl AdminApi {
    /// Lets `/readyz` answer 503.
    pub(crate) fn set_draining(&self) {
        self.is_ready.store(false, Ordering::Relaxed);
    }

    /// Where the API is served, for the start text.
    pub(crate) fn addresses(&self) -> Option<String> {
        let server = self.server.as_ref()?;
        let socket = server.socket().map(|socket| socket.display().to_string());
        let addr = server
            .local_addr()
            .map(|addr| format!("{addr} with a token"));
        let all: Vec<_> = socket.into_iter().chain(addr).collect();
        Some(all.join(", "))
    }
}
