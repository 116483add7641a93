//! The passing of listening sockets from a running process to its successor.
//!
//! 1. The successor connects to the Unix socket of its predecessor, and receives the listening sockets
//!    ([`take_over`]).
//! 2. It accepts connections on them. Both processes now take connections from the same queue.
//! 3. It offers the sockets to a successor of its own ([`Handover::offer`]), and tells the predecessor to stop
//!    accepting and to drain ([`Predecessor::replace`]).
//!
//! No connection is refused: at each time somebody accepts, and the queue belongs to the sockets, not to a
//! process. If the successor fails before the third step, the predecessor goes on.

use std::{
    fs, io,
    io::{IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    net::{SocketAddr, TcpListener},
    os::{
        fd::AsFd as _,
        unix::{
            fs::PermissionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tracing::warn;

/// The message that carries the sockets. A later version has another.
const MESSAGE: &[u8] = b"gabion listening sockets 1\n";

/// The answer of a successor that accepts connections.
const READY: u8 = b'R';

/// The most sockets in one message (`SCM_MAX_FD` of Linux).
const MAX_SOCKETS: usize = 253;

/// The time in which a successor must accept connections, or a predecessor send its sockets.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Listening sockets, offered to a successor. Dropping the value withdraws the offer, and closes these handles
/// of the sockets.
///
/// # Examples
///
/// ```
/// use std::{net::TcpListener, sync::mpsc};
///
/// use gabion_proxy::{Handover, take_over};
///
/// # fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("gabion-handover-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("guard.sock");
/// assert!(take_over(&path)?.is_none(), "nobody offers sockets");
///
/// let socket = TcpListener::bind("127.0.0.1:0")?;
/// let addr = socket.local_addr()?;
/// let (sender, replaced) = mpsc::channel();
/// let handover = Handover::offer(&path, vec![socket], move || sender.send(()).unwrap())?;
///
/// // In the successor:
/// let mut predecessor = take_over(&path)?.expect("a predecessor");
/// let sockets = predecessor.sockets(addr);
/// assert_eq!(sockets[0].local_addr()?, addr);
/// predecessor.replace()?;
///
/// replaced.recv().expect("the predecessor is told");
/// # drop(handover);
/// # std::fs::remove_dir_all(folder)
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the sockets are offered until this value is dropped"]
pub struct Handover(Arc<Mutex<Offer>>);

#[derive(Debug)]
struct Offer {
    sockets: Vec<TcpListener>,
    /// `None` once a successor has a socket of its own there.
    path: Option<PathBuf>,
}

/// A running process from which listening sockets were taken. It goes on accepting connections until
/// [`Self::replace`], or for good if this value is dropped.
#[derive(Debug)]
pub struct Predecessor {
    stream: UnixStream,
    sockets: Vec<TcpListener>,
}

/// Takes the listening sockets of the process that offers them at `path`; `None` if there is no such process.
/// Blocks for a minute at most.
///
/// # Errors
///
/// If the process at `path` offers no sockets, or the limit of open files is reached.
pub fn take_over(path: &Path) -> io::Result<Option<Predecessor>> {
    let mut stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        // No process, or the socket of one that has ended.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(TIMEOUT))?;
    let sockets = receive(&mut stream)?;
    Ok(Some(Predecessor { stream, sockets }))
}

fn receive(stream: &mut UnixStream) -> io::Result<Vec<TcpListener>> {
    let mut message = [0; MESSAGE.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        &*stream,
        &mut [IoSliceMut::new(&mut message)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut sockets = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            sockets.extend(descriptors.map(TcpListener::from));
        }
    }
    // The sockets come with the first byte.
    if let Some(rest) = message.get_mut(received.bytes..) {
        stream.read_exact(rest)?;
    }
    if message != MESSAGE {
        let found = message.escape_ascii();
        return Err(invalid(format!("not an offer of sockets: `{found}`")));
    }
    Ok(sockets)
}

fn send(stream: &UnixStream, sockets: &[TcpListener]) -> io::Result<()> {
    let descriptors: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let message = [IoSlice::new(MESSAGE)];
    sendmsg(stream, &message, &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

// === impl Predecessor ===

impl Predecessor {
    /// Takes the sockets that listen on `addr`; none if it listens on other addresses only.
    pub fn sockets(&mut self, addr: SocketAddr) -> Vec<TcpListener> {
        let listens_on =
            |socket: &mut TcpListener| socket.local_addr().is_ok_and(|found| found == addr);
        self.sockets.extract_if(.., listens_on).collect()
    }

    /// Tells the process to stop accepting connections and to drain.
    ///
    /// # Errors
    ///
    /// If it has ended meanwhile.
    pub fn replace(mut self) -> io::Result<()> {
        self.stream.write_all(&[READY])
    }
}

// === impl Handover ===

impl Handover {
    /// Offers `sockets` at `path`, in place of a predecessor, to processes of the same user. `replaced` runs when a
    /// successor accepts connections on them: stop accepting then.
    ///
    /// # Errors
    ///
    /// If there are more than 253 sockets, or nothing can be created at `path`.
    pub fn offer(
        path: &Path,
        sockets: Vec<TcpListener>,
        replaced: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        if sockets.len() > MAX_SOCKETS {
            let count = sockets.len();
            return Err(invalid(format!(
                "{count} listening sockets: at most {MAX_SOCKETS} can be handed over; use fewer workers"
            )));
        }
        let listener = listen_in_place_of(path)?;
        let offer = Arc::new(Mutex::new(Offer {
            sockets,
            path: Some(path.to_owned()),
        }));
        let offered = Arc::clone(&offer);
        thread::Builder::new()
            .name("gabion-handover".into())
            .spawn(move || {
                if wait_for_successor(&listener, &offered) {
                    replaced();
                }
            })?;
        Ok(Self(offer))
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let mut offer = lock(&self.0);
        offer.sockets.clear();
        if let Some(path) = offer.path.take() {
            // It may be gone already.
            let _ = fs::remove_file(path);
        }
    }
}

/// Listens at `path`. A socket of another process that is there is replaced in one step.
fn listen_in_place_of(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let listener = UnixListener::bind(&new)?;
    // Only the same user may take the sockets.
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&new, path))
        .inspect_err(|_| drop(fs::remove_file(&new)))?;
    Ok(listener)
}

/// Returns `true` when a successor accepts connections, and `false` if none can come.
fn wait_for_successor(listener: &UnixListener, offer: &Mutex<Offer>) -> bool {
    for stream in listener.incoming() {
        let handed_over = stream.and_then(|stream| hand_over(stream, offer));
        match handed_over {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => {
                warn!(target: "gabion::proxy", "a successor did not take over: {error}");
            }
        }
        if lock(offer).path.is_none() {
            return false;
        }
    }
    false
}

/// Sends the sockets, and returns `true` when the successor accepts connections.
fn hand_over(mut stream: UnixStream, offer: &Mutex<Offer>) -> io::Result<bool> {
    send(&stream, &lock(offer).sockets)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer != [READY] {
        return Ok(false);
    }
    // The successor has a socket of its own there.
    lock(offer).path = None;
    Ok(true)
}

/// No code can panic under this lock.
fn lock(offer: &Mutex<Offer>) -> std::sync::MutexGuard<'_, Offer> {
    offer.lock().unwrap_or_else(PoisonError::into_inner)
}
