//! The answers to challenges.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use tokio_rustls::rustls::{
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};
use tracing::warn;

use super::{
    AcmeError,
    state::{ChallengeAnswer, StateFolder},
};
use crate::Certificates;

/// The answers to the `http-01` challenges (RFC 8555, 8.3) of the orders in progress, by token. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct HttpChallenges(Arc<RwLock<HashMap<String, Bytes>>>);

/// The challenges in the state folder, as they were read last.
pub(super) struct AnswerBoard {
    pub(super) state: StateFolder,
    pub(super) names: Vec<String>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) http: HttpChallenges,
    pub(super) answers: RefCell<Vec<Option<ChallengeAnswer>>>,
}

// === impl HttpChallenges ===

impl HttpChallenges {
    /// The path before the token (RFC 8555, 8.3).
    const PATH: &str = "/.well-known/acme-challenge/";

    /// Returns the answer to a request for `path`; `None` if no order waits for it.
    pub(crate) fn answer(&self, path: &str) -> Option<Bytes> {
        let token = path.strip_prefix(Self::PATH)?;
        let answers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        answers.get(token).cloned()
    }

    pub(super) fn replace(&self, answers: HashMap<String, Bytes>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = answers;
    }
}

// === impl AnswerBoard ===

impl AnswerBoard {
    /// Answers the challenges that are in the state folder now, and no others.
    pub(super) fn refresh(&self) -> Result<(), AcmeError> {
        let answers = self.names.iter().map(|name| self.state.challenge(name));
        let answers = answers.collect::<Result<Vec<_>, _>>()?;
        if answers == *self.answers.borrow() {
            return Ok(());
        }
        let mut http = HashMap::new();
        let mut tls = HashMap::new();
        for (name, answer) in self.names.iter().zip(&answers) {
            let Some(answer) = answer else { continue };
            let key_authorization = Bytes::from(answer.key_authorization.clone());
            http.insert(answer.token.clone(), key_authorization);
            if let Some(certified) = challenge_certificate(name, &answer.digest) {
                tls.insert(name.clone(), certified);
            } else {
                warn!(target: "gabion::proxy", "cannot answer the tls-alpn-01 challenge for `{name}`");
            }
        }
        self.http.replace(http);
        self.certificates.set_challenges(tls);
        self.answers.replace(answers);
        Ok(())
    }
}

/// Creates the certificate that answers a `tls-alpn-01` challenge for `name` (RFC 8737, 3); `None` if that fails.
fn challenge_certificate(name: &str, digest: &str) -> Option<Arc<CertifiedKey>> {
    let digest: [u8; 32] = URL_SAFE_NO_PAD.decode(digest).ok()?.try_into().ok()?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).ok()?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let key = KeyPair::generate().ok()?;
    let certificate = params.self_signed(&key).ok()?;
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = ring::sign::any_supported_type(&der).ok()?;
    let chain = vec![certificate.der().clone()];
    Some(Arc::new(CertifiedKey::new(chain, key)))
}
