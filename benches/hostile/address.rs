//! The addresses of the proxy and of its clients.
//!
//! guard exempts loopback addresses from its limits per client. `run` therefore starts the bench in a network of
//! its own, whose loopback interface has public addresses of RFC 5737; without it, all addresses are of
//! 127.0.0.0/8.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

use tokio::net::{TcpSocket, TcpStream};

/// The addresses of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses([u8; 3]);

// === impl Addresses ===

impl Addresses {
    /// Returns the public addresses, if this network has them.
    pub(crate) fn find() -> Self {
        let public = Self([198, 51, 100]);
        let has_them = TcpListener::bind((public.address(1), 0)).is_ok();
        if has_them { public } else { Self([127, 0, 0]) }
    }

    pub(crate) const fn are_public(self) -> bool {
        self.0[0] != 127
    }

    /// Returns an address of the proxy with an unused port.
    pub(crate) fn free_port(self) -> SocketAddr {
        let listener = TcpListener::bind((self.address(1), 0)).expect("a port");
        listener.local_addr().expect("an address")
    }

    /// An address of an honest client: one of eight.
    pub(crate) const fn honest(self, nth: u8) -> IpAddr {
        self.address(2 + nth % 8)
    }

    /// An address of a hostile client.
    pub(crate) const fn hostile(self, nth: u8) -> IpAddr {
        self.address(10 + nth)
    }

    const fn address(self, last: u8) -> IpAddr {
        let [a, b, c] = self.0;
        IpAddr::V4(Ipv4Addr::new(a, b, c, last))
    }
}

/// Connects to `addr` from the address `from`, with a receive buffer of this size.
pub(crate) async fn connect(
    addr: SocketAddr,
    from: IpAddr,
    buffer: Option<u32>,
) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer)?;
    }
    let stream = socket.connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
