//! What became of a request.

use gabion_testkit::Answer;

use super::{column::Column, tomcat::Echo};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Tomcat's servlet answered it.
    Reached(Echo),
    /// nginx answered it with a file.
    Served(String),
    /// It was refused, with this status and, where one did it, by this rule.
    Refused(By, String),
}

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Guard,
    /// The parser before guard.
    Hyper,
    Nginx,
    Tomcat,
}

// === impl Fate ===

impl Fate {
    /// Whether it reached what the rules mean to deny.
    pub(super) fn is_denied(&self, column: Column) -> bool {
        matches!(self, Self::Reached(echo) if column.denies(&echo.path()))
    }

    /// Whether Tomcat was sent another target than here, where it answered both.
    pub(super) fn is_other_target(&self, here: &Self) -> bool {
        matches!((self, here), (Self::Reached(there), Self::Reached(here)) if there.target() != here.target())
    }

    /// Who said no, and in which words; `None` where nobody did.
    pub(super) fn refusal(&self) -> Option<(By, &str)> {
        match self {
            Self::Refused(by, words) => Some((*by, words)),
            _ => None,
        }
    }

    /// Tomcat's reading of the path, or what came instead of it.
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
    /// Who refused, or answered in Tomcat's stead; `None` where it is Tomcat's servlet.
    pub(super) fn of(answer: &Answer, told: bool) -> Option<Self> {
        let header = |name: &str| answer.headers.get(name).map(http::HeaderValue::as_bytes);
        let is_nginx = header("server").is_some_and(|name| name.starts_with(b"nginx"));
        if told {
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
