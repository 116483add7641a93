//! Sockets that listen.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// After so much silence the system asks whether the other side is still there. Nothing else ends
/// a tunnel whose client vanished.
pub(crate) const KEEP_ALIVE_PROBES: Duration = Duration::from_mins(1);

/// Listens on `addr`, beside any other socket of this user that was opened likewise
/// (`SO_REUSEPORT`): the system spreads connections over them.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets up an accepted socket.
pub(super) fn configure_accepted(socket: &tokio::net::TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(KEEP_ALIVE_PROBES);
    SockRef::from(socket).set_tcp_keepalive(&probes)?;
    socket.set_nodelay(true)
}
