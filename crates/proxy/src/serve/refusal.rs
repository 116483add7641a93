//! Classification of the errors with which hyper ends a connection.

use std::error::Error as _;

use gabion_core::UnparsablePart;

/// Returns the part of a request that made hyper end the connection; `None` if it ended for another
/// reason, such as a client that left or a timeout.
///
/// hyper has no accessor for the part, so that its message is compared. A message of another version
/// is [`UnparsablePart::Other`].
pub(super) fn unparsable_part(error: &hyper::Error) -> Option<UnparsablePart> {
    if error.is_parse() {
        return Some(match error.to_string().as_str() {
            "invalid HTTP method parsed" => UnparsablePart::Method,
            "invalid URI" => UnparsablePart::Target,
            "URI too long" => UnparsablePart::LongTarget,
            "invalid HTTP version parsed" => UnparsablePart::Version,
            "invalid HTTP version parsed (found HTTP2 preface)" => UnparsablePart::Preface,
            "invalid HTTP header parsed" => UnparsablePart::Header,
            "message head is too large" => UnparsablePart::Size,
            "invalid content-length parsed" => UnparsablePart::Length,
            "invalid transfer-encoding parsed" | "unexpected transfer-encoding parsed" => {
                UnparsablePart::Coding
            }
            _ => UnparsablePart::Other,
        });
    }
    // The other errors of h2 begin with `connection error received`, or are those of a stream.
    let source = error.source()?.to_string();
    let is_detected = source.starts_with("connection error detected");
    is_detected.then_some(UnparsablePart::Frames)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use hyper::{
        body::Incoming,
        server::conn::{http1, http2},
        service::service_fn,
    };
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const HOST: &str = "Host: a\r\n\r\n";

    async fn answer(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
        Ok(Response::new("ok".to_owned()))
    }

    /// Sends `bytes`, and the end of the input if `ends`; returns the response.
    async fn exchange(mut client: DuplexStream, bytes: &[u8], ends: bool) -> String {
        client.write_all(bytes).await.unwrap();
        if ends {
            client.shutdown().await.unwrap();
        }
        let mut response = Vec::new();
        client.read_to_end(&mut response).await.unwrap();
        String::from_utf8_lossy(&response).into_owned()
    }

    /// The part that hyper refuses, and the status of its response.
    async fn refused(bytes: &[u8], ends: bool) -> (Option<UnparsablePart>, Option<u16>) {
        let (client, server) = tokio::io::duplex(1 << 20);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(1 << 18);
        let serve = builder.serve_connection(TokioIo::new(server), service_fn(answer));
        let (outcome, response) = tokio::join!(serve, exchange(client, bytes, ends));
        let part = outcome.err().and_then(|error| unparsable_part(&error));
        let status = response.strip_prefix("HTTP/1.1 ");
        (part, status.map(|rest| rest[..3].parse().unwrap()))
    }

    async fn refused_http2(frames: &[u8]) -> Option<UnparsablePart> {
        let (client, server) = tokio::io::duplex(1 << 20);
        let builder = http2::Builder::new(TokioExecutor::new());
        let serve = builder.serve_connection(TokioIo::new(server), service_fn(answer));
        let bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frames].concat();
        let (outcome, _) = tokio::join!(serve, exchange(client, &bytes, true));
        outcome.err().and_then(|error| unparsable_part(&error))
    }

    #[tokio::test]
    async fn every_error_of_hyper_has_its_part_and_status() {
        let long = format!("GET /{} HTTP/1.1\r\n{HOST}", "x".repeat(1 << 16));
        let large = format!("GET / HTTP/1.1\r\nA: {}\r\n{HOST}", "x".repeat(1 << 19));
        let many = format!("GET / HTTP/1.1\r\n{}{HOST}", "A: b\r\n".repeat(101));
        let headers = |lines: &str| format!("GET / HTTP/1.1\r\n{lines}{HOST}");
        for (bytes, part) in [
            (format!("G@T / HTTP/1.1\r\n{HOST}"), UnparsablePart::Method),
            (format!("GET /< HTTP/1.1\r\n{HOST}"), UnparsablePart::Target),
            (long, UnparsablePart::LongTarget),
            (format!("GET / HTTP/3.0\r\n{HOST}"), UnparsablePart::Version),
            (
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
                UnparsablePart::Preface,
            ),
            (headers("A b: c\r\n"), UnparsablePart::Header),
            (headers("A: \x01\r\n"), UnparsablePart::Header),
            (headers("A: b\r\r\n"), UnparsablePart::Header),
            (large, UnparsablePart::Size),
            (many, UnparsablePart::Size),
            (
                headers("Content-Length: 18446744073709551615\r\n"),
                UnparsablePart::Size,
            ),
            (headers("Content-Length: x\r\n"), UnparsablePart::Length),
            (
                headers("Content-Length: 1\r\nContent-Length: 2\r\n"),
                UnparsablePart::Length,
            ),
            (
                headers("Transfer-Encoding: gzip\r\n"),
                UnparsablePart::Coding,
            ),
            (
                format!("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n{HOST}"),
                UnparsablePart::Coding,
            ),
        ] {
            let shown = bytes.get(..40).unwrap_or(&bytes).escape_debug();
            let status = part.status().map(|status| status.as_u16());
            assert_eq!(
                refused(bytes.as_bytes(), false).await,
                (Some(part), status),
                "{shown}"
            );
        }
    }

    #[tokio::test]
    async fn connection_that_ends_is_not_refused() {
        for bytes in [
            "",
            "\r\n",
            "G",
            "GET / HTTP/1.1\r\nHost: a",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\n\r\nx",
        ] {
            let (part, _) = refused(bytes.as_bytes(), true).await;
            assert_eq!(part, None, "{bytes:?}");
        }
        let ok = format!("GET / HTTP/1.1\r\nConnection: close\r\n{HOST}");
        let ok = refused(ok.as_bytes(), false).await;
        assert_eq!(ok, (None, Some(200)));
    }

    #[tokio::test]
    async fn frames_of_http2_are_refused_unless_the_client_ends() {
        const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
        // HEADERS on stream 0; a window increment of 0 (RFC 9113, 6.2 and 6.9).
        let on_connection = b"\0\0\x01\x01\x05\0\0\0\0\x82";
        let increment = b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0";
        for bad in [&on_connection[..], increment] {
            let part = refused_http2(&[SETTINGS, bad].concat()).await;
            assert_eq!(part, Some(UnparsablePart::Frames), "{bad:?}");
        }
        // GOAWAY by the client, with an error of its own.
        let leaves = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";
        for good in [&b""[..], leaves] {
            let part = refused_http2(&[SETTINGS, good].concat()).await;
            assert_eq!(part, None, "{good:?}");
        }
    }
}
