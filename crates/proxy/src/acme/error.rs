//! Errors of the ACME client.

use std::{io, path::PathBuf, time::SystemTime};

use instant_acme::{Error, Problem};

use super::civil_time;

/// The error for a certificate that was not obtained. The message says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// A name cannot get a certificate.
    #[error(
        "`{}` cannot get a certificate by ACME: give at most 100 DNS names such as `shop.example`, without \
         wildcards and addresses", .name.escape_debug()
    )]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The state folder cannot be used.
    #[error("cannot use `{}` in the state folder: {error}", .file.display())]
    State {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The authorities that the ACME server is trusted by cannot be loaded.
    #[error("no certificate authority to trust the ACME server by: {reason}")]
    Roots {
        /// The reason.
        reason: String,
    },
    /// The ACME server cannot be reached.
    #[error("cannot use the ACME server `{directory}`: {reason}")]
    Server {
        /// The URL of its directory.
        directory: String,
        /// The reason.
        reason: String,
    },
    /// The DNS name has no address, or its records cannot be read.
    #[error(
        "the certificate authority finds no address for `{name}`: {detail}; create an A or AAAA record that points \
         to this server"
    )]
    Dns {
        /// The DNS name.
        name: String,
        /// The authority's explanation.
        detail: String,
    },
    /// The authority cannot connect.
    #[error(
        "the certificate authority cannot connect to `{name}`: {detail}; check that the DNS name points to this \
         server, and that {port} is open to the internet"
    )]
    Unreachable {
        /// The DNS name.
        name: String,
        /// The port that must be open.
        port: &'static str,
        /// The authority's explanation.
        detail: String,
    },
    /// Another server answered.
    #[error(
        "another server answers for `{name}`: {detail}; point the DNS name to this server, and forward {port} to it \
         unchanged"
    )]
    OtherServer {
        /// The DNS name.
        name: String,
        /// The port that must lead to this server.
        port: &'static str,
        /// The authority's explanation.
        detail: String,
    },
    /// The authority refuses more requests for now.
    #[error(
        "the certificate authority limits the rate of requests for `{name}`: {detail}; the next attempt is {}",
        until.map_or("later".to_owned(), |until| format!("after {}", civil_time(until)))
    )]
    RateLimited {
        /// The DNS name.
        name: String,
        /// The authority's explanation.
        detail: String,
        /// The time from which it accepts requests again.
        until: Option<SystemTime>,
    },
    /// The authority may not issue certificates for the name.
    #[error(
        "the CAA record of `{name}` does not allow this certificate authority: {detail}; change or remove the record"
    )]
    Caa {
        /// The DNS name.
        name: String,
        /// The authority's explanation.
        detail: String,
    },
    /// The account in the state folder is no longer valid.
    #[error(
        "the ACME server `{directory}` does not accept the account in the state folder: {detail}; remove its \
         `account.json`, and the next attempt creates a new account"
    )]
    UnknownAccount {
        /// The URL of the server's directory.
        directory: String,
        /// The server's explanation.
        detail: String,
    },
    /// The authority refuses the order for another reason.
    #[error("the certificate authority refuses a certificate for `{name}`: {detail}")]
    Refused {
        /// The DNS name.
        name: String,
        /// The authority's explanation.
        detail: String,
    },
    /// The authority offers no challenge that this server answers.
    #[error("the certificate authority does not offer the challenge {challenge} for `{name}`")]
    NoChallenge {
        /// The DNS name.
        name: String,
        /// The challenge.
        challenge: &'static str,
    },
    /// The certificate that was issued cannot be used.
    #[error("the certificate for `{name}` cannot be used: {reason}")]
    Unusable {
        /// The DNS name.
        name: String,
        /// The reason.
        reason: String,
    },
}

/// An attempt to obtain a certificate, as its errors name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'r> {
    pub(super) name: &'r str,
    pub(super) directory: &'r str,
    /// The port that the challenge needs.
    pub(super) port: &'static str,
}

// === impl Attempt ===

impl Attempt<'_> {
    /// Explains an error of the client. `until` is the time that the server asked to wait for.
    pub(super) fn explain(self, error: &Error, until: Option<SystemTime>) -> AcmeError {
        match error {
            Error::Api(problem) => self.explain_problem(problem, until),
            error => AcmeError::Server {
                directory: self.directory.to_owned(),
                reason: error.to_string(),
            },
        }
    }

    /// Explains a problem document (RFC 8555, 6.7).
    pub(super) fn explain_problem(self, problem: &Problem, until: Option<SystemTime>) -> AcmeError {
        let name = self.name.to_owned();
        let port = self.port;
        let sub = problem.subproblems.first();
        let kind = sub
            .and_then(|sub| sub.r#type.as_deref())
            .or(problem.r#type.as_deref());
        let kind = kind
            .unwrap_or_default()
            .rsplit(':')
            .next()
            .unwrap_or_default();
        let detail = sub
            .and_then(|sub| sub.detail.clone())
            .or_else(|| problem.detail.clone());
        // It may quote what another server sent.
        let detail = detail
            .unwrap_or_else(|| kind.to_owned())
            .escape_debug()
            .to_string();
        match kind {
            "dns" => AcmeError::Dns { name, detail },
            "connection" | "tls" => AcmeError::Unreachable { name, port, detail },
            "unauthorized" | "incorrectResponse" => AcmeError::OtherServer { name, port, detail },
            "rateLimited" => AcmeError::RateLimited {
                name,
                detail,
                until,
            },
            "caa" => AcmeError::Caa { name, detail },
            "accountDoesNotExist" => AcmeError::UnknownAccount {
                directory: self.directory.to_owned(),
                detail,
            },
            _ => AcmeError::Refused { name, detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn problems_are_explained() {
        let attempt = Attempt {
            name: "shop.example",
            directory: "https://acme.example/directory",
            port: "port 80",
        };
        let until = Some(UNIX_EPOCH + Duration::from_hours(500_000));
        let text = |kind: &str| {
            let json =
                format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"why\u001b"}}"#);
            let problem: Problem = serde_json::from_str(&json).unwrap();
            attempt.explain(&Error::Api(problem), until).to_string()
        };
        for (kind, expected) in [
            (
                "dns",
                "finds no address for `shop.example`: why\\u{1b}; create an A or AAAA record",
            ),
            (
                "connection",
                "cannot connect to `shop.example`: why\\u{1b}; check that the DNS name points to this server, and that port 80 is open",
            ),
            (
                "unauthorized",
                "another server answers for `shop.example`: why\\u{1b}; point the DNS name",
            ),
            (
                "rateLimited",
                "limits the rate of requests for `shop.example`: why\\u{1b}; the next attempt is after 2027-01-15 08:00:00 UTC",
            ),
            ("caa", "CAA record of `shop.example`"),
            (
                "accountDoesNotExist",
                "`https://acme.example/directory` does not accept the account in the state folder: why\\u{1b}; remove",
            ),
            (
                "rejectedIdentifier",
                "refuses a certificate for `shop.example`: why\\u{1b}",
            ),
        ] {
            let text = text(kind);
            assert!(text.contains(expected), "{text}");
        }
        let timeout = attempt.explain(&Error::Timeout(None), None).to_string();
        assert!(
            timeout.contains("`https://acme.example/directory`"),
            "{timeout}"
        );
    }

    #[test]
    fn problem_of_an_identifier_is_preferred() {
        let json = r#"{"type":"urn:ietf:params:acme:error:malformed","detail":"several","subproblems":[
            {"type":"urn:ietf:params:acme:error:caa","detail":"CAA forbids"}]}"#;
        let attempt = Attempt {
            name: "a.example",
            directory: "",
            port: "",
        };
        let error = attempt.explain_problem(&serde_json::from_str(json).unwrap(), None);
        assert!(error.to_string().contains("CAA forbids"), "{error}");
    }
}
