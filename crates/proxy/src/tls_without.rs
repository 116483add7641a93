//! Uninhabited stand-ins for TLS, used without feature `tls`: the enum has no variant, so that no connection has TLS.

use std::{future::Ready, io, time::Duration};

use tokio::net::TcpStream;

use crate::prefixed::PrefixedSocket;

#[derive(Clone, Debug)]
pub(crate) enum Tls {}

pub(crate) type TlsSocket = PrefixedSocket<TcpStream>;

impl Tls {
    pub(crate) const fn handshake_timeout(&self) -> Duration {
        match *self {}
    }

    pub(crate) fn accept(
        &self,
        _socket: PrefixedSocket<TcpStream>,
    ) -> Ready<io::Result<(TlsSocket, bool)>> {
        match *self {}
    }
}
