//! What to change, as lines to copy: for nginx, an AWS balancer, Spring, axum and guard.

use std::{fmt, net::SocketAddr};

use super::{Diagnosis, Doctor, target::Target};

const SECTIONS: &str = include_str!("advice.txt");

/// What may be wrong, with all that its cure must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// A timer of age, not of silence.
    Age,
    /// A proxy answers, and the server behind it does not.
    Behind,
    /// Too many of something.
    Busy,
    /// The certificate of this host.
    Certificate(String),
    /// A close of the service's own.
    Close,
    /// A guard's rule, asked about this path.
    Denied(String),
    /// HTTP/2 where HTTP/1.1 is needed.
    Http1,
    /// A timer that cuts in silence.
    Idle,
    /// The name of this host.
    Name(String),
    /// The origin of a page, or one that was not told.
    Origin(Option<String>),
    /// A page's scheme: this URL instead.
    PlainGet(String),
    /// Pings that nobody answers.
    Pong,
    /// A server that goes away for a while.
    Reconnect,
    /// A redirect to this place, shown escaped.
    Redirect(String),
    /// This path.
    Route(String),
    /// The scheme: this URL instead.
    Scheme(String),
    /// Who asks.
    SignIn,
    /// Nothing comes.
    Silent,
    /// A 101 that is none.
    Switch,
    /// Messages.
    TooBig,
    /// Nobody there.
    Unreachable(SocketAddr),
    /// `Upgrade` and `Connection` lost on the way.
    Upgrade,
}

// === impl Advice ===

impl Advice {
    /// What helps against a refusal with this status.
    pub(super) fn of_status(status: u16, asked: &Doctor) -> Self {
        match status {
            400 | 426 => Self::Upgrade,
            401 | 407 => Self::SignIn,
            403 => Self::Origin(asked.origin().map(ToString::to_string)),
            429 => Self::Busy,
            500.. => Self::Behind,
            _ => Self::route(&asked.url),
        }
    }

    /// What helps against what a guard says of it.
    pub(super) fn of_told(told: Diagnosis, status: u16, asked: &Doctor) -> Self {
        match told {
            Diagnosis::Denied => Self::Denied(asked.url.path().to_owned()),
            Diagnosis::ForeignOrigin => Self::of_status(403, asked),
            Diagnosis::OnlyHttp2 => Self::Http1,
            Diagnosis::WrongSwitch => Self::Switch,
            _ => Self::of_status(status, asked),
        }
    }

    /// What helps against a close with this code.
    pub(super) const fn of_close(code: u16) -> Self {
        match code {
            1001 | 1012 | 1013 => Self::Reconnect,
            1008 | 3000 => Self::SignIn,
            1009 => Self::TooBig,
            1011 | 1014 => Self::Behind,
            _ => Self::Close,
        }
    }

    pub(super) fn route(target: &Target) -> Self {
        Self::Route(target.path().to_owned())
    }

    /// The name of its section, and what stands for `{}` there.
    fn section(&self) -> (&'static str, String) {
        let named = |name| (name, String::new());
        match self {
            Self::Age => named("age"),
            Self::Behind => named("behind"),
            Self::Busy => named("busy"),
            Self::Certificate(host) => ("certificate", host.clone()),
            Self::Close => named("close"),
            Self::Denied(path) => ("denied", path.clone()),
            Self::Http1 => named("http1"),
            Self::Idle => named("idle"),
            Self::Name(host) => ("name", host.clone()),
            Self::Origin(origin) => {
                let origin = origin.clone();
                (
                    "origin",
                    origin.unwrap_or_else(|| "https://YOUR.PAGE".into()),
                )
            }
            Self::PlainGet(url) => ("plain-get", url.clone()),
            Self::Pong => named("pong"),
            Self::Reconnect => named("reconnect"),
            Self::Redirect(place) => ("redirect", place.clone()),
            Self::Route(path) => ("route", path.clone()),
            Self::Scheme(url) => ("scheme", url.clone()),
            Self::SignIn => named("sign-in"),
            Self::Silent => named("silent"),
            Self::Switch => named("switch"),
            Self::TooBig => named("too-big"),
            Self::Unreachable(addr) => ("unreachable", addr.to_string()),
            Self::Upgrade => named("upgrade"),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, found) = self.section();
        let begin = format!("[{name}]");
        let lines = SECTIONS.lines().skip_while(|line| *line != begin).skip(1);
        for line in lines.take_while(|line| !line.is_empty()) {
            writeln!(f, "  {}", line.replace("{}", &found))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each() -> Vec<Advice> {
        let found = || "FOUND".to_owned();
        vec![
            Advice::Age,
            Advice::Behind,
            Advice::Busy,
            Advice::Certificate(found()),
            Advice::Close,
            Advice::Denied(found()),
            Advice::Http1,
            Advice::Idle,
            Advice::Name(found()),
            Advice::Origin(None),
            Advice::PlainGet(found()),
            Advice::Pong,
            Advice::Reconnect,
            Advice::Redirect(found()),
            Advice::Route(found()),
            Advice::Scheme(found()),
            Advice::SignIn,
            Advice::Silent,
            Advice::Switch,
            Advice::TooBig,
            Advice::Unreachable(([127, 0, 0, 1], 1).into()),
            Advice::Upgrade,
        ]
    }

    #[test]
    fn each_has_lines_and_no_section_is_idle() {
        let sections = SECTIONS.lines().filter(|line| line.starts_with('['));
        assert_eq!(sections.count(), each().len());
        for advice in each() {
            let shown = advice.to_string();
            assert!(
                !shown.is_empty() && !shown.contains("{}"),
                "{advice:?}: {shown}"
            );
            let found = advice.section().1;
            assert!(shown.contains(&found), "{advice:?}: {shown}");
            // Two spaces are put before each.
            assert!(shown.lines().all(|line| line.len() <= 118), "{shown}");
        }
    }
}
