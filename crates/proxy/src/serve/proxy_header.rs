//! The header of the PROXY protocol, versions 1 and 2.
//!
//! Specification: <https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>.

use std::{io, net::SocketAddr};

use memchr::memchr;
use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The most bytes of a header. Version 1 has at most 107, version 2 at most 232 and its extensions, of which balancers
/// send a few hundred.
const MAX_LENGTH: usize = 4096;

/// The first bytes of each version.
const PREFIXES: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

const CONFIG: ParseConfig = ParseConfig {
    include_tlvs: false,
    allow_v1: true,
    allow_v2: true,
};

/// The outcome of reading a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadHeader {
    /// The client, if the header names one, and the bytes after the header.
    Read {
        client: Option<SocketAddr>,
        rest: Vec<u8>,
    },
    /// The connection begins with these bytes, which are no header.
    Missing(Vec<u8>),
}

/// Reads the header with which a connection begins. The bytes after it, which were read with it, are kept.
///
/// # Errors
///
/// Fails if the connection fails or ends before.
pub(super) async fn read_header<S: AsyncRead + Unpin>(socket: &mut S) -> io::Result<ReadHeader> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        match ProxyHeader::parse(&bytes, CONFIG) {
            Ok((header, length)) if begins_header(&bytes) => {
                // The address of a datagram is not that of this connection's client.
                let address = header.proxied_address();
                let address = address.filter(|address| address.protocol == Protocol::Stream);
                let client = address.map(|address| address.source);
                let rest = bytes.split_off(length);
                return Ok(ReadHeader::Read { client, rest });
            }
            Err(Error::BufferTooShort) if may_begin(&bytes) && bytes.len() < MAX_LENGTH => {}
            Ok(_) | Err(_) => return Ok(ReadHeader::Missing(bytes)),
        }
        let left = MAX_LENGTH - bytes.len();
        if (&mut *socket)
            .take(left as u64)
            .read_buf(&mut bytes)
            .await?
            == 0
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns `true` if these bytes are the beginning of a header.
pub(super) fn begins_header(bytes: &[u8]) -> bool {
    PREFIXES.iter().any(|prefix| bytes.starts_with(prefix))
}

/// Returns `true` if more bytes may make these a header.
fn may_begin(bytes: &[u8]) -> bool {
    let [line, _] = PREFIXES;
    // The parser looks for the next field beyond the end of a line that has too few.
    let is_short_line = bytes.starts_with(line) && memchr(b'\n', bytes).is_some();
    PREFIXES.iter().any(|prefix| prefix.starts_with(bytes))
        || begins_header(bytes) && !is_short_line
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    async fn read(bytes: &[u8]) -> io::Result<ReadHeader> {
        read_header(&mut &bytes[..]).await
    }

    fn client(addr: &str, rest: &[u8]) -> ReadHeader {
        ReadHeader::Read {
            client: Some(addr.parse().unwrap()),
            rest: rest.to_vec(),
        }
    }

    fn local(rest: &[u8]) -> ReadHeader {
        ReadHeader::Read {
            client: None,
            rest: rest.to_vec(),
        }
    }

    /// A header of version 2 with this command and family, and this payload.
    fn version2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &length, payload].concat()
    }

    #[tokio::test]
    async fn client_is_named_by_either_version() {
        let v1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\nGET /";
        assert_eq!(
            read(v1).await.unwrap(),
            client("203.0.113.9:4711", b"GET /")
        );
        let v1 = b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n";
        assert_eq!(read(v1).await.unwrap(), client("[2001:db8::9]:4711", b""));
        let tcp4 = b"\xcb\x00\x71\x09\xc0\x00\x02\x01\x12\x67\x01\xbb";
        let v2 = version2(0x21, 0x11, tcp4);
        let with_rest = [&v2[..], b"\x16\x03"].concat();
        let expected = client("203.0.113.9:4711", b"\x16\x03");
        assert_eq!(read(&with_rest).await.unwrap(), expected);
        // With extensions, as AWS sends them.
        let v2 = version2(0x21, 0x11, &[&tcp4[..], &[0xea, 0, 3, 1, 2, 3]].concat());
        assert_eq!(read(&v2).await.unwrap(), client("203.0.113.9:4711", b""));
    }

    #[tokio::test]
    async fn health_checks_and_other_families_name_no_client() {
        for header in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
            version2(0x20, 0, b""),
            // A local command may carry addresses, which do not count.
            version2(0x20, 0x11, &[1; 12]),
            version2(0x21, 0x12, &[1; 12]),
            version2(0x21, 0x31, &[b'/'; 216]),
        ] {
            let bytes = [&header[..], b"GET /"].concat();
            assert_eq!(read(&bytes).await.unwrap(), local(b"GET /"), "{header:?}");
        }
    }

    #[tokio::test]
    async fn other_bytes_are_no_header() {
        let cap = usize::from(u16::MAX);
        for bytes in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"\x16\x03\x01".to_vec(),
            b"\r\n\r\nGET".to_vec(),
            b"PUT / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9\r\n".to_vec(),
            // The parser does not read the byte after the first word.
            b"PROXY\0TCP4 203.0.113.9 192.0.2.1 4711 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.256 192.0.2.1 4711 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 192.0.2.1 65536 443\r\n".to_vec(),
            [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat(),
            version2(0x31, 0x11, &[1; 12]),
            // One byte too few for the addresses, and one of the next part.
            [version2(0x21, 0x11, &[1; 11]), vec![1]].concat(),
            // Longer than any balancer sends.
            version2(0x21, 0x11, &vec![1; cap]),
        ] {
            let kept = bytes.len().min(MAX_LENGTH);
            let expected = ReadHeader::Missing(bytes[..kept].to_vec());
            assert_eq!(read(&bytes).await.unwrap(), expected, "{bytes:?}");
        }
        // A part of a header.
        for part in [&b"PROXY TCP4 203"[..], b"PROX", &V2[..5], b""] {
            assert!(read(part).await.is_err(), "{part:?}");
        }
    }

    /// Bytes that are a header or nearly one, and any bytes after it.
    fn nearly_a_header() -> impl Strategy<Value = Vec<u8>> {
        let begin = select(vec![
            b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            version2(0x21, 0x11, &[1; 12]),
            version2(0x21, 0x21, &[1; 40]),
            version2(0x20, 0, b""),
            Vec::new(),
        ]);
        let changes = vec((0..60_usize, any::<u8>()), 0..3);
        (begin, changes, vec(any::<u8>(), 0..20)).prop_map(|(mut bytes, changes, rest)| {
            for (at, byte) in changes {
                if let Some(changed) = bytes.get_mut(at) {
                    *changed = byte;
                }
            }
            [bytes, rest].concat()
        })
    }

    proptest! {
        #[test]
        fn result_does_not_depend_on_how_bytes_arrive(bytes in nearly_a_header(), cut in 0..80_usize) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let whole = runtime.block_on(read(&bytes)).ok();
            let parts = runtime.block_on(read_header(&mut first.chain(second))).ok();
            // Bytes after a header, or after what shows that there is none, may be unread.
            match (whole, parts) {
                (Some(ReadHeader::Read { client, .. }), Some(ReadHeader::Read { client: other, .. })) => {
                    prop_assert_eq!(client, other);
                    prop_assert!(begins_header(&bytes));
                }
                (Some(ReadHeader::Missing(_)), Some(ReadHeader::Missing(_))) | (None, None) => {}
                (whole, parts) => prop_assert!(false, "{:?} and {:?}", whole, parts),
            }
        }
    }
}
