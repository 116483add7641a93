//! What a head may be.

use std::num::NonZeroU32;

use http::Version;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, OneOrMany};

/// Section `[protocol]`.
///
/// A server in front may have caps of its own, beyond which it answers before anybody judges: guard
/// reads heads of at most 100 headers and 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct ProtocolConfig {
    /// The methods that are let through, in capitals. A WebSocket over HTTP/2 comes by CONNECT all
    /// the same (RFC 8441), which cannot be named: any other would be a tunnel.
    pub methods: OneOrMany,
    /// The versions of HTTP that are let through.
    pub versions: Vec<HttpVersion>,
    /// The most headers that a head may have; the cookies of HTTP/2, which come one by one
    /// (RFC 9113, 8.2.3), count as one.
    pub max_headers: NonZeroU32,
    /// The most bytes that the names and values of all headers may have together.
    pub max_header_bytes: ByteSize,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
    /// HTTP/3.
    #[serde(rename = "3")]
    Http3,
}

impl Default for ProtocolConfig {
    fn default() -> Self {
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        Self {
            methods: methods.into_iter().collect(),
            versions: vec![HttpVersion::Http10, HttpVersion::Http11, HttpVersion::Http2],
            max_headers: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            max_header_bytes: ByteSize(32 * 1024),
        }
    }
}

// === impl HttpVersion ===

impl HttpVersion {
    /// As `http` names it.
    pub(super) const fn version(self) -> Version {
        match self {
            Self::Http10 => Version::HTTP_10,
            Self::Http11 => Version::HTTP_11,
            Self::Http2 => Version::HTTP_2,
            Self::Http3 => Version::HTTP_3,
        }
    }
}
