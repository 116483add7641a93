//! Certificates and keys in PEM files.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    Error as RustlsError, InconsistentKeys,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    sign::CertifiedKey,
};

/// The files of a certificate and its key, in PEM form. They may be the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    chain: PathBuf,
    key: PathBuf,
}

/// The error for a certificate that cannot be served. The message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {error}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A file is not in PEM form.
    #[error("`{}` is not in PEM form: {reason}", .file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// The parser's error.
        reason: String,
    },
    /// A file contains no certificate.
    #[error("`{}` contains no certificate: it must begin with `-----BEGIN CERTIFICATE-----`", .file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// A file contains no usable private key.
    #[error(
        "`{}` contains no private key that can be used: it must contain `-----BEGIN PRIVATE KEY-----`, and an \
         encrypted key must be decrypted first", .file.display()
    )]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// The type of a key is not supported.
    #[error("the key in `{}` is not supported: {reason}; use RSA, ECDSA (P-256, P-384) or Ed25519", .file.display())]
    UnsupportedKey {
        /// The file.
        file: PathBuf,
        /// The error of the cryptography library.
        reason: String,
    },
    /// The first certificate of a chain cannot be parsed.
    #[error("the first certificate in `{}` is invalid: {reason}", .file.display())]
    InvalidCertificate {
        /// The file.
        file: PathBuf,
        /// The parser's error.
        reason: String,
    },
    /// The key is not that of the certificate.
    #[error(
        "the key in `{}` is not that of the first certificate in `{}`: the server's own certificate must come first",
        .key.display(), .chain.display()
    )]
    Mismatch {
        /// The file of the certificate.
        chain: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// The content of the files of one certificate.
pub(crate) struct PemContent {
    chain: Vec<u8>,
    key: Vec<u8>,
}

// === impl CertificateFiles ===

impl CertificateFiles {
    /// Names the file of a certificate chain, with the server's own certificate first, and that of its key.
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            chain: chain.into(),
            key: key.into(),
        }
    }

    /// Returns the file of the certificate chain.
    pub fn chain(&self) -> &Path {
        &self.chain
    }

    /// Returns the file of the key.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Reads both files.
    pub(super) fn read(&self) -> Result<PemContent, CertificateError> {
        Ok(PemContent {
            chain: read(&self.chain)?,
            key: read(&self.key)?,
        })
    }

    /// Parses the content of both files, and checks that the key is that of the certificate.
    pub(crate) fn parse(
        &self,
        content: &PemContent,
    ) -> Result<Arc<CertifiedKey>, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(&content.chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| not_pem(&self.chain, &error))?;
        if chain.is_empty() {
            let file = self.chain.clone();
            return Err(CertificateError::NoCertificate { file });
        }
        let key = match PrivateKeyDer::from_pem_slice(&content.key) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => {
                let file = self.key.clone();
                return Err(CertificateError::NoKey { file });
            }
            Err(error) => return Err(not_pem(&self.key, &error)),
        };
        let key = ring::sign::any_supported_type(&key).map_err(|error| {
            CertificateError::UnsupportedKey {
                file: self.key.clone(),
                reason: error.to_string(),
            }
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // Unknown: the key cannot show its public part. A wrong one would fail each handshake.
            Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(RustlsError::InconsistentKeys(_)) => {
                return Err(CertificateError::Mismatch {
                    chain: self.chain.clone(),
                    key: self.key.clone(),
                });
            }
            Err(error) => {
                return Err(CertificateError::InvalidCertificate {
                    file: self.chain.clone(),
                    reason: error.to_string(),
                });
            }
        }
        Ok(Arc::new(certified))
    }
}

fn not_pem(file: &Path, error: &pem::Error) -> CertificateError {
    CertificateError::Pem {
        file: file.to_owned(),
        reason: error.to_string(),
    }
}

/// Certificates are read at the start, and by a thread of their own.
#[expect(clippy::disallowed_methods, reason = "not on the request path")]
fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(file).map_err(|error| CertificateError::Read {
        file: file.to_owned(),
        error,
    })
}

// === impl PemContent ===

impl PemContent {
    /// The content of a file with the chain and the key.
    #[cfg(feature = "acme")]
    pub(crate) fn of_one_file(pem: Vec<u8>) -> Self {
        Self {
            chain: pem.clone(),
            key: pem,
        }
    }

    /// Returns a hash, by which a change is noticed.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.chain, &self.key).hash(&mut hasher);
        hasher.finish()
    }
}
