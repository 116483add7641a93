//! A socket that sends bytes as they are: a client library would refuse or tidy up most of them.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

/// How long a server may keep a test waiting.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client's end of an HTTP/1.1 connection.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    ///
    /// Where nobody listens on `addr`.
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends `bytes`. A server that has closed shows in the answer, which is not there.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads the answer to a request of `method`; `None` where the connection ended before one
    /// was whole.
    ///
    /// # Panics
    ///
    /// Where no answer comes in 15 seconds, or what comes is not HTTP/1.
    pub async fn answer(&mut self, method: &str) -> Option<Answer> {
        let whole = timeout(PATIENCE, self.read_answer(method)).await;
        whole.expect("an answer in 15 s")
    }

    /// Sends `GET target` with `lines` of headers, each with its line end, and reads the answer.
    pub async fn get(&mut self, target: &str, lines: &str) -> Option<Answer> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        self.send(request.as_bytes()).await;
        self.answer("GET").await
    }

    async fn read_answer(&mut self, method: &str) -> Option<Answer> {
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
                let mut rest = Vec::new();
                self.stream.read_to_end(&mut rest).await.ok()?;
                rest
            }
        };
        Some(Answer {
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
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.ok()?;
        Some(bytes)
    }

    async fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.ok()?;
        line.strip_suffix("\r\n").map(ToOwned::to_owned)
    }
}

impl Answer {
    /// The body, for a person.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
