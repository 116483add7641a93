//! Options for HTTPS, whatever they were read from.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use gabion_proxy::{AcmeError, AcmeOptions, CertificateFiles, ProxyProtocol, TermsOfService};

use super::HttpsArgs;

/// TLS, certificates and the redirect to HTTPS.
#[derive(Debug, Default)]
pub(crate) struct HttpsOptions {
    pub(crate) tls: Option<TlsOptions>,
    /// The port to which plain requests are redirected.
    pub(crate) redirect: Option<u16>,
    pub(crate) hsts: Option<Duration>,
    pub(crate) proxy_protocol: ProxyProtocol,
}

/// A listener with TLS, and its certificates.
#[derive(Debug)]
pub(crate) struct TlsOptions {
    pub(crate) listen: SocketAddr,
    pub(crate) certificates: Vec<CertificateFiles>,
    pub(crate) acme: Option<AcmeOptions>,
}

/// Options that do not belong together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpsError {
    #[error(
        "{certificates} --tls-cert and {keys} --tls-key: give the key of each certificate, in the same order"
    )]
    Pairs { certificates: usize, keys: usize },
    #[error("{option} needs --listen-tls ADDR, such as 0.0.0.0:443")]
    NoListener { option: &'static str },
    #[error(
        "--acme-domain is refused: this guard ends no TLS (no --listen-tls). If a balancer in front ends it, the \
         certificate belongs on the balancer: on AWS, request it from ACM and attach it to the load balancer's HTTPS \
         listener. Otherwise add --listen-tls 0.0.0.0:443"
    )]
    AcmeWithoutTls,
    #[error(
        "--acme-domain is refused: the policy trusts proxies ({proxies}), so a balancer in front answers for the DNS \
         name, and the certificate belongs on the balancer: on AWS, request it from ACM and attach it to the load \
         balancer's HTTPS listener. If the balancer forwards TCP connections unchanged, let it send the PROXY \
         protocol, and add --proxy-protocol"
    )]
    AcmeBehindProxy { proxies: String },
    #[error(
        "--listen-tls needs a certificate: --tls-cert FILE with --tls-key FILE, or --acme-domain NAME"
    )]
    NoCertificate,
    #[error(
        "--acme-domain needs --state DIR: a folder that outlives the process, for the account and certificates"
    )]
    NoState,
    #[error(
        "--acme-domain needs --acme-agree-tos: read the terms of service of the certificate authority first (Let's \
         Encrypt: https://letsencrypt.org/repository/)"
    )]
    NotAgreed,
    #[error("{option} needs --acme-domain NAME")]
    NoDomain { option: &'static str },
    #[error(transparent)]
    Acme(#[from] AcmeError),
}

// === impl HttpsOptions ===

impl HttpsOptions {
    /// Takes the options from the command line.
    pub(crate) fn from_args(args: &HttpsArgs) -> Result<Self, HttpsError> {
        let proxy_protocol = if args.proxy_protocol {
            ProxyProtocol::FromTrustedProxies
        } else {
            ProxyProtocol::Off
        };
        Ok(Self {
            tls: TlsOptions::from_args(args)?,
            redirect: args.redirect_https,
            hsts: args.hsts,
            proxy_protocol,
        })
    }
}

// === impl TlsOptions ===

impl TlsOptions {
    fn from_args(args: &HttpsArgs) -> Result<Option<Self>, HttpsError> {
        let (certificates, keys) = (args.tls_certs.len(), args.tls_keys.len());
        if certificates != keys {
            return Err(HttpsError::Pairs { certificates, keys });
        }
        let Some(listen) = args.listen_tls else {
            return match () {
                () if certificates > 0 => Err(HttpsError::NoListener {
                    option: "--tls-cert",
                }),
                () if !args.acme_domains.is_empty() => Err(HttpsError::AcmeWithoutTls),
                () => Ok(None),
            };
        };
        let files = args.tls_certs.iter().zip(&args.tls_keys);
        let this = Self {
            listen,
            certificates: files
                .map(|(chain, key)| CertificateFiles::new(chain, key))
                .collect(),
            acme: acme(args)?,
        };
        if this.certificates.is_empty() && this.acme.is_none() {
            return Err(HttpsError::NoCertificate);
        }
        Ok(Some(this))
    }
}

fn acme(args: &HttpsArgs) -> Result<Option<AcmeOptions>, HttpsError> {
    if args.acme_domains.is_empty() {
        let given = [
            (args.acme_email.is_some(), "--acme-email"),
            (args.acme_staging, "--acme-staging"),
            (args.acme_directory.is_some(), "--acme-directory"),
            (args.acme_ca.is_some(), "--acme-ca"),
        ];
        let without_domain = given.into_iter().find(|(is_given, _)| *is_given);
        return match without_domain {
            Some((_, option)) => Err(HttpsError::NoDomain { option }),
            None => Ok(None),
        };
    }
    let state: &PathBuf = args.state.as_ref().ok_or(HttpsError::NoState)?;
    if !args.acme_agree_tos {
        return Err(HttpsError::NotAgreed);
    }
    let mut options = AcmeOptions::new(state, &args.acme_domains, TermsOfService::Agreed)?;
    if let Some(email) = &args.acme_email {
        options = options.with_email(email);
    }
    if args.acme_staging {
        options = options.with_staging();
    }
    if let Some(directory) = &args.acme_directory {
        options = options.with_directory(directory);
    }
    if let Some(authority) = &args.acme_ca {
        options = options.with_authority(authority);
    }
    Ok(Some(options))
}
