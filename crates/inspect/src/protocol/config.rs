//! The `[protocol]` section.

use std::num::NonZeroU32;

use http::Version;
use serde::{Deserialize, Serialize};

use super::ProtocolRule;
use crate::{ByteSize, OneOrMany};

/// The `[protocol]` section: the allowed methods, HTTP versions, and header sizes, and the rules that
/// do not deny. Compiles to [`ProtocolRules`](crate::ProtocolRules).
///
/// An HTTP server in front may have lower limits of its own, and answers requests over them before
/// any rule runs. guard accepts heads of at most 100 headers and 64 KiB.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, ProtocolConfig, State};
///
/// let context = Context::new(&State::scratch());
/// let config: ProtocolConfig = toml::from_str("methods = ['GET', 'HEAD', 'PROPFIND']")?;
/// assert!(config.compile(&context).is_ok());
///
/// let config: ProtocolConfig = toml::from_str("methods = ['get']")?;
/// let errors = config.compile(&context).unwrap_err();
/// assert_eq!(
///     errors[0].to_string(),
///     "protocol.methods[0]: invalid value `get`: \
///      write method names in capital letters, such as `PROPFIND`",
/// );
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ProtocolConfig {
    /// The allowed methods, in capital letters. CONNECT cannot be configured, since it opens a
    /// tunnel; WebSockets over HTTP/2, which use it (RFC 8441), are always allowed.
    pub methods: OneOrMany,
    /// The allowed HTTP versions. Default: 1.0, 1.1 and 2.
    pub versions: Vec<HttpVersion>,
    /// The largest number of headers. The cookies of HTTP/2, which are separate headers (RFC 9113,
    /// section 8.2.3), count as one. Default: 100.
    pub max_headers: NonZeroU32,
    /// The largest total size of header names and values. Default: 32 KiB.
    pub max_header_bytes: ByteSize,
    /// The largest request body. One that announces more is denied (413), and one of unknown length is
    /// cut there by the proxy ([`gabion_core::BodyLimit`]). If unset, bodies are not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<ByteSize>,
    /// Rules that only log the requests that they would deny.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observe: Vec<ProtocolRule>,
    /// Rules that are not checked; those for which [`ProtocolRule::may_be_off`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<ProtocolRule>,
    /// More rules that do not deny, on some paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<ProtocolException>,
}

/// A `[[protocol.except]]` table: rules that do not deny requests for some paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ProtocolException {
    /// The paths, with everything below them. A request must lie below one of them in every view of
    /// its path.
    pub paths: OneOrMany,
    /// Rules that only log the requests that they would deny.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observe: Vec<ProtocolRule>,
    /// Rules that are not checked; those for which [`ProtocolRule::may_be_off`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<ProtocolRule>,
}

/// An HTTP version in [`ProtocolConfig::versions`].
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
            max_body: None,
            observe: Vec::new(),
            off: Vec::new(),
            except: Vec::new(),
        }
    }
}

// === impl HttpVersion ===

impl HttpVersion {
    /// Converts to the type of the `http` crate.
    pub(super) const fn version(self) -> Version {
        match self {
            Self::Http10 => Version::HTTP_10,
            Self::Http11 => Version::HTTP_11,
            Self::Http2 => Version::HTTP_2,
            Self::Http3 => Version::HTTP_3,
        }
    }
}
