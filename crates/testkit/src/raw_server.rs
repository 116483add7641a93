//! A server whose connections a test reads and writes itself.

use std::{net::SocketAddr, panic::Location, time::Duration};

use tokio::{net::TcpListener, time::timeout};

use crate::RawConnection;

/// Time limit for a connection to arrive.
const LIMIT: Duration = Duration::from_secs(10);

/// A listening socket on loopback. The test accepts each connection and answers it by hand.
#[derive(Debug)]
pub struct RawServer(TcpListener);

impl RawServer {
    /// Listens on a free port.
    pub async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// The listening address.
    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The listening address as an `http://` URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The next connection.
    ///
    /// # Panics
    ///
    /// If none arrives in 10 seconds.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = RawConnection> {
        let caller = Location::caller();
        async move {
            let accepted = timeout(LIMIT, self.0.accept()).await;
            let (stream, _) = accepted
                .unwrap_or_else(|_| panic!("{caller}: no connection arrived"))
                .unwrap();
            RawConnection::new(stream)
        }
    }

    /// Accepts a connection, reads one head, and sends `response`. Returns the connection and the head.
    pub async fn answer(&self, response: &str) -> (RawConnection, String) {
        let mut connection = self.accept().await;
        let head = connection.head().await;
        connection.send(response).await;
        (connection, head)
    }
}
