//! A strict upstream: it records every byte sequence that is not a well-formed HTTP/1.1 request,
//! and the fault.

use std::sync::{Arc, Mutex};

use gabion_testkit::LoopbackServer;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(super) struct Strict {
    server: LoopbackServer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// An input from a connection. A truncated request is not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A whole request, as its request line.
    Whole(String),
    /// A malformed request, as its fault.
    Bad(String),
}

/// The reason that a request ends early.
enum Fault {
    Cut,
    Bad(String),
}

/// A head with lower-case names.
struct Head {
    line: String,
    headers: Vec<(String, String)>,
}

type Parsed<T> = Result<T, Fault>;

impl Strict {
    pub(super) async fn start() -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let recorded = Arc::clone(&seen);
        let server = LoopbackServer::start(move |stream| {
            serve(BufReader::new(stream), Arc::clone(&recorded))
        });
        Self {
            server: server.await,
            seen,
        }
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// The inputs recorded so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Removes and returns the inputs recorded so far.
    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn serve(mut socket: BufReader<TcpStream>, seen: Arc<Mutex<Vec<Seen>>>) {
    loop {
        let head = match request(&mut socket).await {
            Ok(Some(head)) => head,
            Ok(None) | Err(Fault::Cut) => return,
            Err(Fault::Bad(why)) => return seen.lock().unwrap().push(Seen::Bad(why)),
        };
        let answer = answer(&head);
        let switched = answer.starts_with("HTTP/1.1 101");
        seen.lock().unwrap().push(Seen::Whole(head.line));
        if socket.write_all(answer.as_bytes()).await.is_err() || switched {
            return;
        }
    }
}

/// Reads one whole request; `None` if the connection ends before it.
async fn request(socket: &mut BufReader<TcpStream>) -> Parsed<Option<Head>> {
    if socket.fill_buf().await.is_ok_and(<[u8]>::is_empty) {
        return Ok(None);
    }
    let line = line(socket).await?;
    let parts: Vec<_> = line.split(' ').collect();
    match parts[..] {
        [method, target, "HTTP/1.1"]
            if is_token(method) && (target.starts_with('/') || target == "*") => {}
        _ => return Err(bad("request line", &line)),
    }
    let mut head = Head {
        line,
        headers: Vec::new(),
    };
    loop {
        let line = self::line(socket).await?;
        if line.is_empty() {
            break;
        }
        match line.split_once(':') {
            Some((name, value)) if is_token(name) => {
                let value = value.trim_matches([' ', '\t']).to_owned();
                head.headers.push((name.to_ascii_lowercase(), value));
            }
            _ => return Err(bad("header", &line)),
        }
    }
    let length = head.framing()?;
    match length {
        Some(length) => drop(bytes(socket, length).await?),
        None => chunks(socket).await?,
    }
    Ok(Some(head))
}

async fn chunks(socket: &mut BufReader<TcpStream>) -> Parsed<()> {
    loop {
        let size = line(socket).await?;
        let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count = usize::from_str_radix(&size, 16).ok().filter(|_| is_hex);
        let count = count.ok_or_else(|| bad("chunk size", &size))?;
        if count == 0 {
            break;
        }
        bytes(socket, count).await?;
        let end = line(socket).await?;
        if !end.is_empty() {
            return Err(bad("end of a chunk", &end));
        }
    }
    loop {
        let trailer = line(socket).await?.to_ascii_lowercase();
        match trailer.split(':').next().unwrap_or_default() {
            "" => return Ok(()),
            "authorization" | "content-length" | "host" | "transfer-encoding" => {
                return Err(bad("trailer", &trailer));
            }
            _ => {}
        }
    }
}

async fn bytes(socket: &mut BufReader<TcpStream>, count: usize) -> Parsed<Vec<u8>> {
    let mut bytes = vec![0; count];
    let whole = socket.read_exact(&mut bytes).await;
    whole.map(|_| bytes).map_err(|_| Fault::Cut)
}

/// A line without its end, which must be CR LF and the only one in it.
async fn line(socket: &mut BufReader<TcpStream>) -> Parsed<String> {
    let mut line = Vec::new();
    let read = socket.read_until(b'\n', &mut line).await;
    if read.is_err() || !line.ends_with(b"\n") {
        return Err(Fault::Cut);
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    let Some(text) = text.strip_suffix("\r\n") else {
        return Err(bad("line end", &text));
    };
    let plain = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    if text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(bad("control byte", text))
    }
}

fn answer(head: &Head) -> String {
    if let Some(key) = head
        .first("sec-websocket-key")
        .filter(|_| head.first("upgrade").is_some())
    {
        let accept = derive_accept_key(key.as_bytes());
        return format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
    }
    let body = if head.line.starts_with("HEAD ") {
        ""
    } else {
        "ok"
    };
    format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}")
}

fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

fn bad(what: &str, found: &str) -> Fault {
    Fault::Bad(format!("{what} {found:?}"))
}

// === impl Head ===

impl Head {
    /// The length of the body; `None` for chunks.
    fn framing(&self) -> Parsed<Option<usize>> {
        if self.all("host").count() != 1 {
            return Err(bad(
                "number of hosts",
                &self.all("host").count().to_string(),
            ));
        }
        for relay in ["http2-settings", "te", "expect"] {
            if let Some(value) = self.all(relay).find(|value| *value != "trailers") {
                return Err(bad(relay, value));
            }
        }
        if let Some(other) = self.all("upgrade").find(|token| *token != "websocket") {
            return Err(bad("upgrade", other));
        }
        let lengths: Vec<_> = self.all("content-length").collect();
        let codings: Vec<_> = self.all("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(Some(0)),
            ([], ["chunked"]) => Ok(None),
            ([digits], []) => {
                let length = digits.parse().ok();
                let plain = length.filter(|length: &usize| length.to_string() == **digits);
                plain.map(Some).ok_or_else(|| bad("length", digits))
            }
            framing => Err(bad("framing", &format!("{framing:?}"))),
        }
    }

    fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        let lines = self.headers.iter().filter(move |line| line.0 == name);
        lines.map(|line| &*line.1)
    }

    fn first<'h>(&'h self, name: &'h str) -> Option<&'h str> {
        self.all(name).next()
    }
}
