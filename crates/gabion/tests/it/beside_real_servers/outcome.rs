//! The outcome of a request.

use gabion_testkit::RawResponse;

use super::{column::Column, tomcat::Echo};

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The servlet of Tomcat answered.
    Reached(Echo),
    /// nginx answered with a file.
    Served(String),
    /// The request was refused with this status and, if a rule refused it, this rule.
    Refused(By, String),
}

/// The component that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Guard,
    /// The HTTP parser in front of guard.
    Hyper,
    Nginx,
    Tomcat,
}

// === impl Outcome ===

impl Outcome {
    /// Returns `true` if the request reached a path that the rules deny.
    pub(super) fn is_denied(&self, column: Column) -> bool {
        matches!(self, Self::Reached(echo) if column.denies(&echo.path()))
    }

    /// Returns `true` if Tomcat answered both requests and received different targets.
    pub(super) fn is_other_target(&self, here: &Self) -> bool {
        matches!((self, here), (Self::Reached(there), Self::Reached(here)) if there.target() != here.target())
    }

    /// The component that refused and its reason; `None` if the request was not refused.
    pub(super) fn refusal(&self) -> Option<(By, &str)> {
        match self {
            Self::Refused(by, words) => Some((*by, words)),
            _ => None,
        }
    }

    /// Tomcat's reading of the path, or the response in its place.
    pub(super) fn reading(&self) -> String {
        match self {
            Self::Reached(echo) => format!("`{}`", echo.path),
            Self::Served(text) => format!("the file `{text}`"),
            Self::Refused(_, words) => words.clone(),
        }
    }
}

// === impl By ===

impl By {
    /// The component that refused or answered instead of Tomcat; `None` if the servlet answered.
    pub(super) fn from_response(answer: &RawResponse, has_event: bool) -> Option<Self> {
        let header = |name: &str| answer.headers.get(name).map(http::HeaderValue::as_bytes);
        let is_nginx = header("server").is_some_and(|name| name.starts_with(b"nginx"));
        if has_event {
            return Some(Self::Guard);
        }
        if is_nginx && header("passed-on").is_none() {
            return Some(Self::Nginx);
        }
        match answer.status.as_u16() {
            200 => None,
            400 if answer.text().contains("Apache Tomcat") => Some(Self::Tomcat),
            400 if answer.body.is_empty() => Some(Self::Hyper),
            _ => panic!("whose answer is {answer:?}?"),
        }
    }
}
