//! The loop that keeps the certificates of all names valid.

use std::{
    cell::RefCell,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use instant_acme::{Account, AccountCredentials, Error, NewAccount};
use tokio::{select, sync::watch, time::sleep};
use tracing::{debug, error, info, warn};

use super::{
    AcmeChallenge, AcmeError, AcmeOptions, HttpChallenges,
    challenges::AnswerBoard,
    civil_time,
    error::Attempt,
    http_client::AcmeHttpClient,
    issued::{IssuedCertificate, time_in_window},
    name_state::{NameState, RenewalInfoState, chance},
    order::CertificateOrder,
    state::StateFolder,
    wall_clock,
};
use crate::Certificates;

/// The time between two requests for renewal information, unless the server sets one (RFC 9773, 4.3.2).
const RENEWAL_INFO_INTERVAL: Duration = Duration::from_hours(6);

pub(super) struct Renewer {
    options: AcmeOptions,
    certificates: Arc<Certificates>,
    http: AcmeHttpClient,
    state: StateFolder,
    board: AnswerBoard,
    account: Option<Account>,
    names: Vec<NameState>,
    /// The latest problem with the state folder, so that it is logged once.
    problem: Option<String>,
}

// === impl Renewer ===

impl Renewer {
    pub(super) fn new(
        options: AcmeOptions,
        certificates: Arc<Certificates>,
        http: HttpChallenges,
    ) -> Result<Self, AcmeError> {
        let state = StateFolder::create(&options.state, &options.directory)?;
        certificates.reserve_names(&options.names);
        let board = AnswerBoard {
            state: state.clone(),
            names: options.names.clone(),
            certificates: Arc::clone(&certificates),
            http,
            answers: RefCell::new(vec![None; options.names.len()]),
        };
        Ok(Self {
            http: AcmeHttpClient::new(options.authority.as_deref())?,
            state,
            board,
            certificates,
            account: None,
            names: options.names.iter().cloned().map(NameState::new).collect(),
            problem: None,
            options,
        })
    }

    /// Runs until `stopped` is true.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        // A sender that was dropped counts as true.
        let stopped = async move { stopped.wait_for(|stopped| *stopped).await.is_ok() };
        select! {
            _ = stopped => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&mut self) {
        loop {
            self.read_state();
            for idx in 0..self.names.len() {
                self.ask_renewal_info(idx).await;
                let outcome = self.renew_if_due(idx).await;
                self.report(outcome);
            }
            sleep(self.options.poll).await;
        }
    }

    /// Takes the certificates and the challenges that any instance wrote.
    pub(super) fn read_state(&mut self) {
        for idx in 0..self.names.len() {
            let outcome = self.read_certificate(idx);
            self.report(outcome);
        }
        let outcome = self.board.refresh();
        self.report(outcome);
    }

    /// Logs an error, once until there is none or another.
    fn report(&mut self, outcome: Result<(), AcmeError>) {
        let problem = outcome.err().map(|error| error.to_string());
        if problem.is_some() && problem != self.problem {
            error!(target: "gabion::proxy", "{}", problem.as_deref().unwrap_or_default());
        }
        if problem.is_some() {
            self.problem = problem;
        }
    }

    fn read_certificate(&mut self, idx: usize) -> Result<(), AcmeError> {
        let state = &mut self.names[idx];
        let Some(pem) = self.state.certificate(&state.name)? else {
            return Ok(());
        };
        let mut hasher = DefaultHasher::new();
        pem.hash(&mut hasher);
        if state.seen.replace(hasher.finish()) == Some(hasher.finish()) {
            return Ok(());
        }
        let file = self.state.certificate_file(&state.name);
        let issued = IssuedCertificate::parse(&state.name, &file, pem)?;
        self.certificates.set_issued(&state.name, &issued.certified);
        state.take(issued);
        info!(
            target: "gabion::proxy",
            "the certificate for `{}` is valid until {}, and is renewed after {}",
            state.name,
            state.issued.as_ref().map_or_else(String::new, |issued| civil_time(issued.not_after).to_string()),
            civil_time(state.due),
        );
        Ok(())
    }

    /// Places an order if the certificate is due, unless another instance does, or an attempt failed shortly before.
    async fn renew_if_due(&mut self, idx: usize) -> Result<(), AcmeError> {
        let name = self.names[idx].name.clone();
        let is_due = |renewer: &Self| renewer.names[idx].due <= wall_clock();
        if !is_due(self) || self.state.failures(&name)?.next_attempt() > wall_clock() {
            return Ok(());
        }
        let Some(lock) = self.state.try_lock()? else {
            debug!(target: "gabion::proxy", "another instance obtains certificates");
            return Ok(());
        };
        // Another instance may have just finished.
        self.read_certificate(idx)?;
        let mut failures = self.state.failures(&name)?;
        if !is_due(self) || failures.next_attempt() > wall_clock() {
            return Ok(());
        }
        let attempts = usize::try_from(failures.count).unwrap_or_default();
        let challenges = &self.options.challenges;
        let Some(&challenge) = challenges.get(attempts % challenges.len().max(1)) else {
            return Ok(());
        };
        self.announce(idx, challenge);
        let obtained = self.obtain(idx, challenge).await;
        self.state.remove_challenge(&name)?;
        self.board.refresh()?;
        match obtained {
            Ok(pem) => {
                self.state.store_certificate(&name, &pem)?;
                self.state.remove_failures(&name)?;
                self.read_certificate(idx)?;
            }
            Err(error) => {
                let until = self.http.waits_until();
                failures.add(wall_clock(), self.options.retry, until);
                self.state.store_failures(&name, &failures)?;
                error!(
                    target: "gabion::proxy",
                    "no certificate for `{name}` by {}: {error} (attempt {}; the next one is after {})",
                    challenge.label(), failures.count, civil_time(failures.next_attempt()),
                );
            }
        }
        drop(lock);
        Ok(())
    }

    fn announce(&mut self, idx: usize, challenge: AcmeChallenge) {
        let state = &mut self.names[idx];
        let until = if state.issued.is_some() {
            "the present one stays in use until then"
        } else {
            "until then, TLS handshakes for it fail"
        };
        info!(
            target: "gabion::proxy",
            "ordering a certificate for `{}` from {} by {}; {until}",
            state.name, self.options.directory, challenge.label(),
        );
        if !state.was_announced && state.issued.is_none() {
            state.was_announced = true;
            warn!(
                target: "gabion::proxy",
                "the name `{}` becomes public with its certificate: scanners read the certificate transparency logs",
                state.name,
            );
        }
    }

    async fn obtain(&mut self, idx: usize, challenge: AcmeChallenge) -> Result<String, AcmeError> {
        let account = self.account().await?;
        let state = &self.names[idx];
        let is_asked = matches!(state.renewal_info, RenewalInfoState::Ask(_));
        let id = state.issued.as_ref().and_then(|issued| issued.id.as_ref());
        let order = CertificateOrder {
            account: &account,
            http: &self.http,
            board: &self.board,
            spread: self.options.poll * 2,
            directory: &self.options.directory,
            name: &state.name,
            challenge,
            replaces: id.filter(|_| is_asked),
        };
        order.obtain().await
    }

    /// Returns the account, which is created by the first order.
    async fn account(&mut self) -> Result<Account, AcmeError> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let account = match self.state.account::<AccountCredentials>()? {
            Some(credentials) => {
                let builder = Account::builder_with_http(Box::new(self.http.clone()));
                self.explain(builder.from_credentials(credentials).await)?
            }
            None => self.create_account().await?,
        };
        self.account = Some(account.clone());
        Ok(account)
    }

    async fn create_account(&self) -> Result<Account, AcmeError> {
        let contact = self
            .options
            .email
            .as_ref()
            .map(|email| format!("mailto:{email}"));
        let contact: Vec<_> = contact.as_deref().into_iter().collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let builder = Account::builder_with_http(Box::new(self.http.clone()));
        let created = builder
            .create(&new, self.options.directory.clone(), None)
            .await;
        let (account, credentials) = self.explain(created)?;
        self.state.store_account(&credentials)?;
        Ok(account)
    }

    fn explain<T>(&self, result: Result<T, Error>) -> Result<T, AcmeError> {
        let attempt = Attempt {
            name: "the account",
            directory: &self.options.directory,
            port: "",
        };
        result.map_err(|error| attempt.explain(&error, self.http.waits_until()))
    }

    /// Moves a renewal to the time that the authority suggests. Without an answer, the time by the lifetime stays.
    async fn ask_renewal_info(&mut self, idx: usize) {
        let RenewalInfoState::Ask(at) = self.names[idx].renewal_info else {
            return;
        };
        let id = self.names[idx]
            .issued
            .as_ref()
            .and_then(|issued| issued.id.clone());
        let (true, Some(id)) = (at <= wall_clock(), id) else {
            return;
        };
        let next = RenewalInfoState::Ask(wall_clock() + RENEWAL_INFO_INTERVAL);
        self.names[idx].renewal_info = next;
        // Only the instance that has the lock creates an account.
        let Ok(Some(_)) = self.state.account::<AccountCredentials>() else {
            return;
        };
        let Ok(account) = self.account().await else {
            return;
        };
        let answer = account.renewal_info(&id).await;
        let state = &mut self.names[idx];
        match answer {
            Ok((info, wait)) => {
                state.due = time_in_window(&info.suggested_window, chance());
                let wait = wait.clamp(Duration::from_mins(1), Duration::from_hours(24));
                state.renewal_info = RenewalInfoState::Ask(wall_clock() + wait);
                debug!(
                    target: "gabion::proxy", name = state.name,
                    "the authority suggests to renew after {}", civil_time(state.due)
                );
            }
            Err(Error::Unsupported(_)) => state.renewal_info = RenewalInfoState::Unsupported,
            Err(error) => {
                debug!(target: "gabion::proxy", %error, name = state.name, "no renewal information");
            }
        }
    }
}
