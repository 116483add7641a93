//! Listening sockets.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::tcp::KEEP_ALIVE_PROBES;

/// The most connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on `addr` with `SO_REUSEPORT`: several sockets of one user may share an address, and the
/// system spreads connections over them.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let first = gabion_proxy::listen("127.0.0.1:0".parse().unwrap())?;
/// let addr = first.local_addr()?;
/// assert!(gabion_proxy::listen(addr).is_ok());
/// // A socket without `SO_REUSEPORT` cannot share it.
/// assert!(std::net::TcpListener::bind(addr).is_err());
/// # Ok(())
/// # }
/// ```
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = unbound(addr)?;
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Listens on `addr` like [`listen`], unless another socket does: the system would give it some of the
/// connections without a sign.
pub(super) fn listen_first(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = unbound(addr)?;
    // Only a socket that was bound without `SO_REUSEPORT` is certainly the first.
    socket.bind(&addr.into())?;
    socket.set_reuse_port(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn unbound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The bytes that an accepted socket takes beyond those on their way to the client.
///
/// By default the system takes megabytes for a client that was fast, and reports that the socket takes more only when
/// a third of them has left: one that became slow would seem stalled for minutes.
#[cfg(any(target_os = "android", target_os = "linux"))]
const MAX_UNSENT: u32 = 128 * 1024;

/// Sets keep-alive probes, `TCP_NODELAY` and `TCP_NOTSENT_LOWAT` on an accepted socket.
pub(super) fn configure_accepted(socket: &tokio::net::TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(KEEP_ALIVE_PROBES);
    let options = SockRef::from(socket);
    options.set_tcp_keepalive(&probes)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    options.set_tcp_notsent_lowat(MAX_UNSENT)?;
    socket.set_nodelay(true)
}
