//! An HTTP/2 client that sends header fields as given. A client library would reject most of them.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Time limit for the outcome of a request.
const LIMIT: Duration = Duration::from_secs(15);

/// The connection preface (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `SETTINGS_HEADER_TABLE_SIZE` of 0 (RFC 9113, 6.5.2): the server then sends no dynamic table entries,
/// and this client needs no table.
const NO_TABLE: &[u8] = &[0, 1, 0, 0, 0, 0];

// Frame types and flags (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The client end of an HTTP/2 connection.
#[derive(Debug)]
pub struct RawHttp2 {
    stream: TcpStream,
    next: u32,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a server has no fourth option")]
pub enum Http2Outcome {
    /// A response with this status.
    Answered(StatusCode),
    /// The stream was reset with this error code.
    Reset(u32),
    /// The connection ended.
    Ended,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl RawHttp2 {
    /// Connects with prior knowledge.
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, next: 1 };
        let _ = client.stream.write_all(PREFACE).await;
        client.send(SETTINGS, 0, 0, NO_TABLE).await;
        client
    }

    /// Sends a request with these header fields and `body`, and waits for its outcome. Without a body, the
    /// request ends with its head unless it is a CONNECT.
    ///
    /// # Panics
    ///
    /// If there is no outcome in 15 seconds, the response is not HTTP/2, or the fields exceed one frame
    /// of 16,384 bytes.
    pub async fn request(
        &mut self,
        fields: &[(Vec<u8>, Vec<u8>)],
        body: Option<&[u8]>,
    ) -> Http2Outcome {
        let stream = self.next;
        self.next += 2;
        let is_connect = fields.iter().any(|(_, value)| value == b"CONNECT");
        let end = if body.is_none() && !is_connect {
            END_STREAM
        } else {
            0
        };
        self.send(HEADERS, END_HEADERS | end, stream, &encode(fields))
            .await;
        if let Some(body) = body {
            self.send(DATA, END_STREAM, stream, body).await;
        }
        let outcome = timeout(LIMIT, self.outcome(stream)).await;
        outcome.expect("an outcome in 15 s")
    }

    async fn outcome(&mut self, stream: u32) -> Http2Outcome {
        while let Some(frame) = self.read().await {
            match (frame.kind, frame.stream) {
                (HEADERS, id) if id == stream => {
                    let status = status(&frame.payload);
                    if !status.is_informational() {
                        return Http2Outcome::Answered(status);
                    }
                }
                (RST_STREAM, id) if id == stream => {
                    let error = frame.payload.as_slice().try_into().expect("four bytes");
                    return Http2Outcome::Reset(u32::from_be_bytes(error));
                }
                (SETTINGS, _) if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                (PING, _) if frame.flags & ACK == 0 => {
                    self.send(PING, ACK, 0, &frame.payload).await;
                }
                (GOAWAY, _) => return Http2Outcome::Ended,
                _ => {}
            }
        }
        Http2Outcome::Ended
    }

    /// Sends a frame. Errors are ignored: a closed connection shows in the outcome.
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap();
        assert!(length <= 16_384, "one frame (RFC 9113, 4.2)");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend_from_slice(payload);
        let _ = self.stream.write_all(&frame).await;
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }
}

/// Encodes each field as a literal without indexing (RFC 7541, 6.2.2).
fn encode(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// Appends an integer with a seven-bit prefix (RFC 7541, 5.1).
fn length(length: usize, block: &mut Vec<u8>) {
    let Some(mut rest) = length.checked_sub(0x7f) else {
        return block.push(u8::try_from(length).unwrap());
    };
    block.push(0x7f);
    while rest >= 0x80 {
        block.push(u8::try_from(rest % 0x80).unwrap() | 0x80);
        rest /= 0x80;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The status, the first field of a response (RFC 9113, 8.3). Without a dynamic table it is an entry of
/// the static table or a literal (RFC 7541, 6 and appendix A).
fn status(block: &[u8]) -> StatusCode {
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let is_resize = |byte: &u8| byte & 0xe0 == 0x20;
    let resizes = block.iter().take_while(|byte| is_resize(byte)).count();
    let code = match &block[resizes..] {
        [known @ 0x88..=0x8e, ..] => KNOWN[usize::from(known - 0x88)],
        [0x08 | 0x18 | 0x48, 3, digits @ ..] => {
            let digits = str::from_utf8(&digits[..3]).unwrap();
            digits.parse().unwrap()
        }
        [0x08 | 0x18 | 0x48, coded, rest @ ..] if coded & 0x80 != 0 => {
            three_digits(&rest[..usize::from(coded & 0x7f)])
        }
        other => panic!("a response begins with its status, not with {other:?}"),
    };
    StatusCode::from_u16(code).unwrap()
}

/// Decodes three Huffman-coded digits (RFC 7541, appendix B): five bits for `0` to `2`, six for the
/// others.
fn three_digits(coded: &[u8]) -> u16 {
    let bits = coded
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut bits = bits.map(u16::from);
    let mut take = |count| (0..count).fold(0, |code, _| code << 1 | bits.next().unwrap());
    (0..3).fold(0, |number, _| {
        let digit = match take(5) {
            small @ 0..=2 => small,
            large => (large << 1 | take(1)) - 0b01_1001 + 3,
        };
        number * 10 + digit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_decoded_in_every_form() {
        // `:status: 302`, plain and as in RFC 7541, C.6.1, and as h2 sends it after a table size update.
        let blocks: [(&[u8], u16); 5] = [
            (&[0x88], 200),
            (&[0x20, 0x8c], 400),
            (&[0x48, 3, b'3', b'0', b'2'], 302),
            (&[0x48, 0x82, 0x64, 0x02], 302),
            (&[0x20, 0x08, 0x83, 0x69, 0xb7, 0x3f], 456),
        ];
        for (block, code) in blocks {
            assert_eq!(status(block).as_u16(), code, "{block:?}");
        }
    }

    #[test]
    fn length_is_encoded_as_in_rfc_7541() {
        let encoded = |number| {
            let mut block = Vec::new();
            length(number, &mut block);
            block
        };
        assert_eq!(encoded(10), [10]);
        assert_eq!(encoded(127), [0x7f, 0]);
        assert_eq!(encoded(1337), [0x7f, 0b1011_1010, 9]);
    }
}
