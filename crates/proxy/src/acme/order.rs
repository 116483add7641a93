//! One order: from an account to a certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio::time::sleep;

use super::{
    AcmeChallenge, AcmeError, challenges::AnswerBoard, error::Attempt, http_client::AcmeHttpClient,
    state::ChallengeAnswer,
};

/// The time for the authority to check a challenge or to issue a certificate.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_mins(2));

/// An order for the certificate of one name.
#[derive(Clone, Copy)]
pub(super) struct CertificateOrder<'r> {
    pub(super) account: &'r Account,
    pub(super) http: &'r AcmeHttpClient,
    pub(super) board: &'r AnswerBoard,
    /// The time in which all instances read the state folder.
    pub(super) spread: Duration,
    pub(super) directory: &'r str,
    pub(super) name: &'r str,
    pub(super) challenge: AcmeChallenge,
    /// The certificate that this one replaces, which exempts it from rate limits (RFC 9773, 5).
    pub(super) replaces: Option<&'r CertificateIdentifier<'static>>,
}

// === impl CertificateOrder ===

impl CertificateOrder<'_> {
    /// Obtains a certificate, and returns its key and chain in PEM form.
    pub(super) async fn obtain(self) -> Result<String, AcmeError> {
        let mut order = self.explain(self.open().await)?;
        self.authorize(&mut order).await?;
        let status = self.explain(order.poll_ready(&PATIENCE).await)?;
        if status != OrderStatus::Ready {
            return Err(self.refusal(&mut order).await);
        }
        let unusable = |error: rcgen::Error| AcmeError::Unusable {
            name: self.name.to_owned(),
            reason: error.to_string(),
        };
        let key = KeyPair::generate().map_err(unusable)?;
        let mut params = CertificateParams::new(vec![self.name.to_owned()]).map_err(unusable)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(unusable)?;
        self.explain(order.finalize_csr(request.der()).await)?;
        let chain = self.explain(order.poll_certificate(&PATIENCE).await)?;
        Ok(key.serialize_pem() + &chain)
    }

    async fn open(&self) -> Result<Order, Error> {
        let identifiers = [Identifier::Dns(self.name.to_owned())];
        let order = NewOrder::new(&identifiers);
        let Some(replaces) = self.replaces else {
            return self.account.new_order(&order).await;
        };
        let replacing = NewOrder::new(&identifiers).replaces(replaces.clone());
        match self.account.new_order(&replacing).await {
            // For example, because another certificate replaced it already.
            Err(Error::Api(problem)) if !is_rate_limited(&problem) => {
                self.account.new_order(&order).await
            }
            opened => opened,
        }
    }

    /// Answers the challenges that the authority has not seen answered before.
    async fn authorize(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = self.explain(authorization)?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let Some(mut challenge) = authorization.challenge(self.challenge.kind()) else {
                return Err(AcmeError::NoChallenge {
                    name: self.name.to_owned(),
                    challenge: self.challenge.label(),
                });
            };
            let key_authorization = challenge.key_authorization();
            let answer = ChallengeAnswer {
                token: challenge.token.clone(),
                key_authorization: key_authorization.as_str().to_owned(),
                digest: key_authorization.dns_value(),
            };
            self.board.state.store_challenge(self.name, &answer)?;
            self.board.refresh()?;
            // The authority may reach any of the instances.
            sleep(self.spread).await;
            self.explain(challenge.set_ready().await)?;
        }
        Ok(())
    }

    /// Returns the reason why an order became invalid: that of its challenge.
    async fn refusal(&self, order: &mut Order) -> AcmeError {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let refreshed = authorization.refresh().await;
            let problem = refreshed.ok().and_then(|state| {
                let mut challenges = state.challenges.iter();
                challenges.find_map(|challenge| challenge.error.clone())
            });
            if let Some(problem) = problem {
                return self.attempt().explain_problem(&problem, None);
            }
        }
        AcmeError::Refused {
            name: self.name.to_owned(),
            detail: "the order became invalid".to_owned(),
        }
    }

    fn explain<T>(&self, result: Result<T, Error>) -> Result<T, AcmeError> {
        result.map_err(|error| self.attempt().explain(&error, self.http.waits_until()))
    }

    const fn attempt(&self) -> Attempt<'_> {
        Attempt {
            name: self.name,
            directory: self.directory,
            port: self.challenge.port(),
        }
    }
}

fn is_rate_limited(problem: &instant_acme::Problem) -> bool {
    let kind = problem.r#type.as_deref();
    kind.is_some_and(|kind| kind.ends_with(":rateLimited"))
}

// === impl AcmeChallenge ===

impl AcmeChallenge {
    const fn kind(self) -> ChallengeType {
        match self {
            Self::Http => ChallengeType::Http01,
            Self::TlsAlpn => ChallengeType::TlsAlpn01,
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Http => "http-01",
            Self::TlsAlpn => "tls-alpn-01",
        }
    }

    const fn port(self) -> &'static str {
        match self {
            Self::Http => "port 80",
            Self::TlsAlpn => "port 443",
        }
    }
}
