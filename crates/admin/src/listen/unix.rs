//! The Unix socket.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use axum::Router;
use tokio::time::sleep;
use tracing::warn;

use super::{
    ListenError,
    connection::{self, Connections},
};
use crate::caller::Peer;

/// A Unix socket with the mode 0600. Dropping it removes the file, unless another process has replaced it.
#[derive(Debug)]
pub struct UnixListener {
    socket: net::UnixListener,
    path: PathBuf,
    bound_at: PathBuf,
    /// The device and inode of the file.
    identity: (u64, u64),
}

/// What happens to a socket on which another process listens. A socket of a process that has ended is replaced in any
/// case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is replaced or not")]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// It is replaced, as after a handover from that process.
    Replace,
}

// === impl UnixListener ===

impl UnixListener {
    /// Listens on `path`. The file has the mode 0600 from its first moment: it is made in a folder that only the owner
    /// can enter, and moved.
    ///
    /// # Errors
    ///
    /// Another process listens on it, the file is not a socket, or the system refuses it, for example because the path
    /// has more than 107 bytes.
    pub fn bind(path: &Path, existing: Existing) -> Result<Self, ListenError> {
        check_existing(path, existing)?;
        let bound = bind_private(path).map_err(|source| ListenError::Io {
            at: path.display().to_string(),
            source,
        });
        let (socket, bound_at, identity) = bound?;
        Ok(Self {
            socket,
            path: path.to_owned(),
            bound_at,
            identity,
        })
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path that the system returns to those that connect.
    pub fn bound_at(&self) -> &Path {
        &self.bound_at
    }

    pub(super) async fn serve(self, router: Router) {
        let connections = Connections::new();
        let socket = self
            .socket
            .try_clone()
            .and_then(tokio::net::UnixListener::from_std);
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => {
                warn!(
                    "the admin socket {} is not served: {error}",
                    self.path.display()
                );
                return;
            }
        };
        loop {
            let permit = connections.room().await;
            match socket.accept().await {
                Ok((stream, _)) => {
                    let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                    let router = router.clone();
                    tokio::spawn(async move {
                        connection::serve(stream, Peer::Unix(uid), router).await;
                        drop(permit);
                    });
                }
                // The process has no free descriptor.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        let is_own = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.identity);
        if is_own {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn check_existing(path: &Path, existing: Existing) -> Result<(), ListenError> {
    let Ok(file) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let path = path.to_owned();
    if !file.file_type().is_socket() {
        return Err(ListenError::NotASocket { path });
    }
    // Only a socket without a process refuses a connection.
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let is_stale = net::UnixStream::connect(&path).is_err_and(refused);
    match existing {
        Existing::Refuse if !is_stale => Err(ListenError::InUse { path }),
        _ => Ok(()),
    }
}

type Bound = (net::UnixListener, PathBuf, (u64, u64));

/// Binds a socket in a private folder beside `path`, and moves it to `path`. The name of the folder is as short as
/// that of the socket, since the system limits the length of a path.
fn bind_private(path: &Path) -> io::Result<Bound> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    let folder = parent.join(format!(".a{}", std::process::id()));
    // What a process with the same number has left.
    let _ = fs::remove_dir_all(&folder);
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let bound_at = folder.join("s");
    let bind = || -> io::Result<_> {
        let socket = net::UnixListener::bind(&bound_at)?;
        socket.set_nonblocking(true)?;
        fs::set_permissions(&bound_at, fs::Permissions::from_mode(0o600))?;
        let file = fs::symlink_metadata(&bound_at)?;
        fs::rename(&bound_at, path)?;
        Ok((socket, (file.dev(), file.ino())))
    };
    let bound = bind();
    let _ = fs::remove_dir_all(&folder);
    let (socket, identity) = bound?;
    Ok((socket, bound_at, identity))
}
