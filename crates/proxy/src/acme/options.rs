//! Options of the ACME client.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::AcmeError;

/// The names for which certificates are obtained, and the ACME server that issues them (RFC 8555).
///
/// Each name has a certificate of its own, so that one whose check fails does not hold up the others.
///
/// # Examples
///
/// ```
/// use gabion_proxy::{AcmeOptions, TermsOfService};
///
/// let options = AcmeOptions::new("state", ["shop.example"], TermsOfService::Agreed)?
///     .with_email("ops@shop.example")
///     .with_staging();
/// assert!(options.directory().contains("staging"));
///
/// // A wildcard needs a DNS record, which this client cannot write.
/// assert!(AcmeOptions::new("state", ["*.shop.example"], TermsOfService::Agreed).is_err());
/// # Ok::<(), gabion_proxy::AcmeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AcmeOptions {
    pub(super) state: PathBuf,
    pub(super) names: Vec<String>,
    pub(super) email: Option<String>,
    pub(super) directory: String,
    pub(super) authority: Option<PathBuf>,
    pub(super) challenges: Vec<AcmeChallenge>,
    pub(super) poll: Duration,
    pub(super) retry: Duration,
}

/// The consent of the operator to the terms of service of the certificate authority, which an account requires
/// (RFC 8555, 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TermsOfService {
    /// The operator agreed to them.
    Agreed,
}

/// A way to show the certificate authority that this server answers for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcmeChallenge {
    /// `http-01`: a request to port 80 (RFC 8555, 8.3), answered by [`ChallengeLayer`](crate::ChallengeLayer).
    Http,
    /// `tls-alpn-01`: a TLS handshake with port 443 (RFC 8737), answered by [`Tls`](crate::Tls).
    TlsAlpn,
}

// === impl AcmeOptions ===

impl AcmeOptions {
    /// The directory of Let's Encrypt.
    pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

    /// The staging directory of Let's Encrypt: higher limits, and certificates that browsers do not trust.
    pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

    /// The most names.
    pub const MAX_NAMES: usize = 100;

    /// Sets the folder for accounts and certificates, which several instances may share, and the names. The
    /// authority is Let's Encrypt.
    ///
    /// # Errors
    ///
    /// Rejects names that are not DNS names, and wildcards.
    pub fn new(
        state: impl Into<PathBuf>,
        names: impl IntoIterator<Item = impl Into<String>>,
        _agreed: TermsOfService,
    ) -> Result<Self, AcmeError> {
        let mut checked = Vec::new();
        for name in names {
            let name = name.into().to_ascii_lowercase();
            if !is_dns_name(&name) || checked.len() == Self::MAX_NAMES {
                return Err(AcmeError::InvalidName { name });
            }
            if !checked.contains(&name) {
                checked.push(name);
            }
        }
        Ok(Self {
            state: state.into(),
            names: checked,
            email: None,
            directory: Self::LETS_ENCRYPT.to_owned(),
            authority: None,
            challenges: vec![AcmeChallenge::Http, AcmeChallenge::TlsAlpn],
            poll: Duration::from_secs(1),
            retry: Duration::from_mins(1),
        })
    }

    /// Sets the address to which the authority writes about certificates that expire.
    pub fn with_email(self, email: impl Into<String>) -> Self {
        let email = Some(email.into());
        Self { email, ..self }
    }

    /// Sets the staging directory of Let's Encrypt, for tests.
    pub fn with_staging(self) -> Self {
        self.with_directory(Self::LETS_ENCRYPT_STAGING)
    }

    /// Sets the URL of the ACME server's directory.
    pub fn with_directory(self, directory: impl Into<String>) -> Self {
        let directory = directory.into();
        Self { directory, ..self }
    }

    /// Sets a PEM file with the authority that the ACME server's own certificate is trusted by: those of the system
    /// by default.
    pub fn with_authority(self, authority: impl Into<PathBuf>) -> Self {
        let authority = Some(authority.into());
        Self { authority, ..self }
    }

    /// Sets the challenges that can be answered: both by default. Attempts alternate between them.
    pub fn with_challenges(self, challenges: impl IntoIterator<Item = AcmeChallenge>) -> Self {
        let challenges = challenges.into_iter().collect();
        Self { challenges, ..self }
    }

    /// Sets the interval at which the state folder is read: 1 s by default. Instances that share it answer each
    /// other's challenges after that time.
    pub fn with_poll_interval(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    /// Sets the time after the first failure for a name: 1 minute by default. It doubles with each further one, up
    /// to 6 hours.
    pub fn with_retry_delay(self, retry: Duration) -> Self {
        Self { retry, ..self }
    }

    /// Returns the URL of the ACME server's directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Returns the folder for accounts and certificates.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Returns the names, in lower case.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Returns `true` for a DNS name of at least two labels in lower case: such a name is a file name, too.
fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // The last label of an IPv4 address is a number (RFC 3696, 2).
    let has_letter = |label: &str| label.bytes().any(|byte| byte.is_ascii_lowercase());
    name.len() <= 253
        && name.split('.').all(is_label)
        && name
            .rsplit_once('.')
            .is_some_and(|(_, last)| has_letter(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_names_without_wildcards() {
        let new = |name: &str| AcmeOptions::new("state", [name], TermsOfService::Agreed);
        for name in [
            "shop.example",
            "A.Shop.Example",
            "xn--bcher-kva.example",
            "1-a.example",
        ] {
            let options = new(name).unwrap();
            assert_eq!(options.names(), [name.to_ascii_lowercase()]);
        }
        for name in [
            "",
            "localhost",
            "*.example",
            "a..example",
            ".example",
            "example.",
            "a b.example",
            "-a.example",
            "../a.example",
            "a/b.example",
            "192.0.2.1",
            "2001:db8::1",
            "bücher.example",
            "a_b.example",
            &format!("{}.example", "a".repeat(64)),
        ] {
            let error = new(name).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }
}
