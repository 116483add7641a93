//! One end of an HTTP/1.1 connection that sends bytes as given. A client library would reject or
//! rewrite most of them.

use std::{io, net::SocketAddr, panic::Location, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Time limit for the peer to send the expected bytes.
const LIMIT: Duration = Duration::from_secs(15);

/// One end of a connection, client or server, with the bytes received and not yet read.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A parsed HTTP/1.1 response.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

// === impl RawConnection ===

impl RawConnection {
    /// Wraps an open stream.
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Connects to `addr`.
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).await.unwrap())
    }

    /// Connects to `addr` from this address of the loopback network.
    pub async fn connect_from(from: &str, addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        let from = SocketAddr::new(from.parse().unwrap(), 0);
        socket.bind(from).unwrap();
        Self::new(socket.connect(addr).await.unwrap())
    }

    /// The stream.
    ///
    /// # Panics
    ///
    /// If bytes were received and not read.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.unread.is_empty(), "{:?}", self.unread);
        self.stream
    }

    /// Sends `bytes`. Errors are ignored: a closed peer shows in the next read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Closes the sending direction.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads `N` bytes.
    #[track_caller]
    pub fn bytes<const N: usize>(&mut self) -> impl Future<Output = [u8; N]> {
        let caller = Location::caller();
        async move {
            while self.unread.len() < N {
                let len = self.receive_in_time(caller).await;
                assert_ne!(len, 0, "{caller}: ended after {:?}", self.unread);
            }
            let bytes: Vec<u8> = self.unread.drain(..N).collect();
            bytes.try_into().unwrap()
        }
    }

    /// Reads up to the end of the first `mark`.
    #[track_caller]
    pub fn until(&mut self, mark: &str) -> impl Future<Output = String> {
        let caller = Location::caller();
        async move {
            loop {
                let text = String::from_utf8_lossy(&self.unread).into_owned();
                if let Some(at) = text.find(mark) {
                    self.unread.drain(..at + mark.len());
                    return text[..at + mark.len()].to_owned();
                }
                let len = self.receive_in_time(caller).await;
                assert_ne!(len, 0, "{caller}: ended before {mark:?}, after {text:?}");
            }
        }
    }

    /// Discards bytes up to `mark`, which must be the last to arrive, and returns their number.
    #[track_caller]
    pub fn discard_until(&mut self, mark: &str) -> impl Future<Output = usize> {
        let caller = Location::caller();
        async move {
            let mut count = self.unread.len();
            while !self.unread.ends_with(mark.as_bytes()) {
                let kept = self.unread.len().saturating_sub(mark.len());
                self.unread.drain(..kept);
                let received = self.receive_in_time(caller).await;
                assert_ne!(
                    received, 0,
                    "{caller}: ended before {mark:?}, after {count} bytes"
                );
                count += received;
            }
            self.unread.clear();
            count
        }
    }

    /// Reads one head.
    #[track_caller]
    pub fn head(&mut self) -> impl Future<Output = String> {
        self.until("\r\n\r\n")
    }

    /// Reads until the peer closes or resets the connection.
    #[track_caller]
    pub fn end(&mut self) -> impl Future<Output = String> {
        let caller = Location::caller();
        async move {
            while self.receive_in_time(caller).await > 0 {}
            self.take_unread()
        }
    }

    /// Reads for 150 ms.
    pub async fn soon(&mut self) -> String {
        let reading = async { while self.receive().await.unwrap_or(0) > 0 {} };
        let _ = timeout(Duration::from_millis(150), reading).await;
        self.take_unread()
    }

    /// Fails if a byte or the end of the connection arrives within `time`.
    #[track_caller]
    pub fn quiet(&mut self, time: Duration) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let read = timeout(time, self.receive()).await;
            assert!(read.is_err(), "{caller}: {read:?} {:?}", self.unread);
            assert!(self.unread.is_empty(), "{caller}: {:?}", self.unread);
        }
    }

    /// Waits for a byte; `false` if the connection ends first. Without a time limit.
    pub async fn is_readable(&mut self) -> bool {
        !self.unread.is_empty() || self.receive().await.unwrap_or(0) > 0
    }

    /// Reads the response to a request with this method; `None` if the connection ends before its
    /// last byte.
    ///
    /// # Panics
    ///
    /// If no whole response arrives in 15 seconds, or the bytes are not HTTP/1.
    pub async fn response(&mut self, method: &str) -> Option<RawResponse> {
        let response = timeout(LIMIT, self.read_response(method)).await;
        response.expect("a response in 15 s")
    }

    /// Sends `GET target` with the header lines `lines`, each with its line end, and reads the response.
    pub async fn get(&mut self, target: &str, lines: &str) -> Option<RawResponse> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        self.send(request).await;
        self.response("GET").await
    }

    async fn read_response(&mut self, method: &str) -> Option<RawResponse> {
        let (status, headers) = self.read_head().await?;
        let bodiless = method == "HEAD"
            || status.is_informational()
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        let length = headers.get("content-length").map(|length| {
            let digits = length.to_str().ok();
            digits.and_then(|digits| digits.parse().ok()).unwrap()
        });
        let body = match length {
            _ if bodiless => Vec::new(),
            Some(length) => self.read_bytes(length).await?,
            None if headers.contains_key("transfer-encoding") => self.read_chunks().await?,
            None => {
                while self.receive().await.ok()? > 0 {}
                std::mem::take(&mut self.unread)
            }
        };
        Some(RawResponse {
            status,
            headers,
            body,
        })
    }

    async fn read_head(&mut self) -> Option<(StatusCode, HeaderMap)> {
        let first = self.read_line().await?;
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5));
        let status = status.expect("a status line").parse().unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = self.read_line().await?;
            let Some((name, value)) = line.split_once(": ") else {
                assert_eq!(line, "", "a header");
                return Some((status, headers));
            };
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
    }

    async fn read_chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.read_line().await?, 16).unwrap();
            body.extend(self.read_bytes(size).await?);
            self.read_line().await?;
            if size == 0 {
                return Some(body);
            }
        }
    }

    async fn read_bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            self.receive_some().await?;
        }
        Some(self.unread.drain(..count).collect())
    }

    async fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8(self.unread.drain(..=at).collect()).ok()?;
                return line.strip_suffix("\r\n").map(ToOwned::to_owned);
            }
            self.receive_some().await?;
        }
    }

    async fn receive(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.unread).await
    }

    async fn receive_some(&mut self) -> Option<()> {
        (self.receive().await.ok()? > 0).then_some(())
    }

    /// The number of bytes received; 0 if the connection ended.
    async fn receive_in_time(&mut self, caller: &Location<'_>) -> usize {
        let received = timeout(LIMIT, self.receive()).await;
        let received = received.unwrap_or_else(|_| {
            let unread = String::from_utf8_lossy(&self.unread);
            panic!("{caller}: nothing arrives after {unread:?}")
        });
        received.unwrap_or(0)
    }

    fn take_unread(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }
}

// === impl RawResponse ===

impl RawResponse {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
