//! HTTPS: clients of other programs, certificates, and options.

mod acme;
mod behind_nginx;
mod certificates;
mod clients;
mod options;
mod redirect;

use gabion_testkit::TempFolder;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::support::Guard;

/// A certificate authority, and the folder with the files of its certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempFolder,
}

/// The files of a certificate and its key.
pub(crate) struct Files {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(test: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Authority of a test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            folder: TempFolder::new(test),
        }
    }

    /// The file with its own certificate.
    pub(crate) fn file(&self) -> String {
        self.folder.replace("authority.pem", &self.issuer.pem())
    }

    /// Writes a file beside its certificate.
    pub(crate) fn write_file(&self, name: &str, text: &str) -> String {
        self.folder.write(name, text)
    }

    /// Writes a new certificate for `names`.
    pub(crate) fn write(&self, label: &str, names: &[&str]) -> Files {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Files {
            chain: self
                .folder
                .replace(&format!("{label}.pem"), &certificate.pem()),
            key: self
                .folder
                .replace(&format!("{label}.key"), &key.serialize_pem()),
        }
    }

    /// Starts the guard with a certificate for `localhost`.
    async fn guard(&self, args: &[&str]) -> Guard {
        let files = self.write("localhost", &["localhost"]);
        let tls = [
            "--listen-tls",
            "127.0.0.1:0",
            "--tls-cert",
            &files.chain,
            "--tls-key",
            &files.key,
        ];
        Guard::start(&[&tls, args].concat()).await
    }
}
