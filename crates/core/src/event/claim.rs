//! Events about headers that only a trusted proxy may write.

use std::{fmt, net::IpAddr, time::SystemTime};

use crate::{Claim, ClientIp, Escaped, PeerAddr};

/// The first removal of a [`Claim`] from a request that is forwarded. Later ones are not reported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimRemovedEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The remote address of the socket.
    pub peer: IpAddr,
    /// `true` if the peer is a trusted proxy.
    pub is_trusted: bool,
    /// The name of the header, at most [`ClaimRemovedEvent::MAX_NAME`] bytes of it.
    pub header: Box<str>,
    /// The claim that it makes.
    pub claim: Claim,
    /// The setting that lets the peer write it ([`ClientIp::trust_advice`]); `None` for a spelling that
    /// no proxy uses.
    pub setting: Option<String>,
}

impl ClaimRemovedEvent {
    /// The maximum number of bytes of the name that are kept.
    pub const MAX_NAME: usize = 64;

    /// Creates an event about a header of a request by `peer`. `client` is the client of the request, if
    /// it was resolved.
    pub fn new(
        at: SystemTime,
        peer: PeerAddr,
        client: Option<&ClientIp>,
        header: &str,
        claim: Claim,
    ) -> Self {
        let is_disguised = crate::is_irregular_name(header);
        let setting = client.filter(|_| !is_disguised);
        Self {
            at,
            peer: peer.addr(),
            is_trusted: client.is_some_and(ClientIp::via_trusted),
            // A header name is ASCII.
            header: header.get(..Self::MAX_NAME).unwrap_or(header).into(),
            claim,
            setting: setting.map(|client| client.trust_advice(peer, claim)),
        }
    }
}

impl fmt::Display for ClaimRemovedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = Escaped(self.header.as_bytes());
        write!(
            f,
            "removed the header \"{header}\" of a request by {}",
            self.peer
        )?;
        f.write_str(if self.is_trusted {
            ": its client may have written it"
        } else {
            ", which is not a trusted proxy"
        })?;
        match &self.setting {
            Some(setting) => write!(
                f,
                "; if {} is your proxy and writes this header in every request, set in [client]: {setting}",
                self.peer
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderMap;

    use super::*;
    use crate::ClientRules;

    #[test]
    fn text_has_the_setting_for_the_peer() {
        let rules = ClientRules::default()
            .with_trusted(["10.0.0.0/8".parse().unwrap()])
            .unwrap();
        let text = |peer: [u8; 4], header| {
            let peer = PeerAddr::new((peer, 1).into());
            let client = rules.resolve(peer, &HeaderMap::new());
            let claim = Claim::of(header).unwrap();
            ClaimRemovedEvent::new(UNIX_EPOCH, peer, Some(&client), header, claim).to_string()
        };
        let usual =
            r#""x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto""#;
        assert_eq!(
            text([10, 0, 0, 7], "x-real-ip"),
            format!(
                "removed the header \"x-real-ip\" of a request by 10.0.0.7: its client may have written \
                 it; if 10.0.0.7 is your proxy and writes this header in every request, set in \
                 [client]: trusted_headers = [{usual}, \"x-real-ip\"]"
            )
        );
        assert_eq!(
            text([203, 0, 113, 9], "remote-user"),
            format!(
                "removed the header \"remote-user\" of a request by 203.0.113.9, which is not a trusted \
                 proxy; if 203.0.113.9 is your proxy and writes this header in every request, set in \
                 [client]: trusted_proxies = [\"203.0.113.9\"], trusted_headers = [\"remote-*\", {usual}]"
            )
        );
        assert!(
            text([203, 0, 113, 9], "x-forwarded-for")
                .ends_with("set in [client]: trusted_proxies = [\"203.0.113.9\"]")
        );
        let long = format!("x_ssl_client_{}", "a".repeat(100));
        let expected = format!(
            "removed the header \"{}\" of a request by 10.0.0.7: its client may have written it",
            &long[..ClaimRemovedEvent::MAX_NAME]
        );
        assert_eq!(text([10, 0, 0, 7], &long), expected);
    }
}
