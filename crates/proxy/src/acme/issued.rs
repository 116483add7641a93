//! A certificate that was issued, and the time of its renewal.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use instant_acme::{CertificateIdentifier, SuggestedWindow};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::AcmeError;
use crate::tls::{CertificateFiles, PemContent};

/// A certificate with its key and its lifetime.
#[derive(Clone, Debug)]
pub(super) struct IssuedCertificate {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    /// The name of the certificate in requests for renewal information (RFC 9773, 4.1).
    pub(super) id: Option<CertificateIdentifier<'static>>,
}

// === impl IssuedCertificate ===

impl IssuedCertificate {
    /// Parses a key and a chain in PEM form, as read from `file`.
    pub(super) fn parse(name: &str, file: &Path, pem: Vec<u8>) -> Result<Self, AcmeError> {
        let unusable = |reason: String| AcmeError::Unusable {
            name: name.to_owned(),
            reason,
        };
        let files = CertificateFiles::new(file, file);
        let certified = files.parse(&PemContent::of_one_file(pem));
        let certified = certified.map_err(|error| unusable(error.to_string()))?;
        let der = certified.end_entity_cert();
        let der = der.map_err(|error| unusable(error.to_string()))?;
        let parsed = X509Certificate::from_der(der);
        let (_, parsed) = parsed.map_err(|error| unusable(error.to_string()))?;
        let time = |seconds: i64| {
            UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        };
        let validity = parsed.validity();
        let (not_before, not_after) = (
            time(validity.not_before.timestamp()),
            time(validity.not_after.timestamp()),
        );
        let id = CertificateIdentifier::try_from(der).ok();
        let id = id.map(CertificateIdentifier::into_owned);
        Ok(Self {
            certified,
            not_before,
            not_after,
            id,
        })
    }

    /// Returns the time of the renewal: at two thirds of the lifetime, and up to a twentieth later, by `chance` from
    /// 0 to 1, so that certificates that were issued together are not renewed together.
    pub(super) fn renewal(&self, chance: f64) -> SystemTime {
        let lifetime = self.not_after.duration_since(self.not_before);
        let lifetime = lifetime.unwrap_or_default();
        self.not_before + lifetime * 2 / 3 + lifetime.mul_f64(chance / 20.0)
    }
}

/// Returns the time in a window that the authority suggests (RFC 9773, 4.2), by `chance` from 0 to 1.
pub(super) fn time_in_window(window: &SuggestedWindow, chance: f64) -> SystemTime {
    let (start, end) = (SystemTime::from(window.start), SystemTime::from(window.end));
    let length = end.duration_since(start).unwrap_or_default();
    start + length.mul_f64(chance)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn renewal_is_after_two_thirds_of_the_lifetime() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2027, 1, 1);
        params.not_after = date_time_ymd(2027, 4, 1);
        let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        let parse = |pem: &str| {
            let pem = pem.as_bytes().to_vec();
            IssuedCertificate::parse("a.example", Path::new("a.example.pem"), pem)
        };
        let issued = parse(&pem).unwrap();
        let days = |chance| {
            let since = issued.renewal(chance).duration_since(issued.not_before);
            since.unwrap().as_secs_f64() / 86_400.0
        };
        assert!((days(0.0) - 60.0).abs() < 0.01 && (days(1.0) - 64.5).abs() < 0.01);

        let other = KeyPair::generate().unwrap().serialize_pem();
        let mismatched = params.self_signed(&key).unwrap().pem() + &other;
        let error = parse(&mismatched).unwrap_err().to_string();
        assert!(
            error.contains("`a.example`") && error.contains("a.example.pem"),
            "{error}"
        );
    }

    #[test]
    fn suggested_window_is_used() {
        let window = SuggestedWindow {
            start: date_time_ymd(2027, 1, 1),
            end: date_time_ymd(2027, 1, 3),
        };
        let start = SystemTime::from(window.start);
        assert_eq!(time_in_window(&window, 0.0), start);
        assert_eq!(
            time_in_window(&window, 0.5),
            start + Duration::from_hours(24)
        );
        // A window that ends before it begins is its start.
        let window = SuggestedWindow {
            start: window.end,
            end: window.start,
        };
        assert_eq!(time_in_window(&window, 1.0), SystemTime::from(window.start));
    }
}
