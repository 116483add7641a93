//! Configuration lines to copy, for nginx, an AWS load balancer, Spring, axum and guard.

use std::{fmt, net::SocketAddr, time::Duration};

use super::{Diagnosis, DoctorArgs, target::Target};

/// The text of all advice, in sections.
const SECTIONS: &str = include_str!("advice.txt");

/// A cause of failure, with the values that its section inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// A limit on the age of a connection.
    Age,
    /// Too many requests or WebSockets.
    Busy,
    /// An invalid certificate for this host.
    Certificate(String),
    /// A close by the service itself.
    Close,
    /// A denial of this path by a rule of a guard.
    Denied(String),
    /// HTTP/2 where HTTP/1.1 is required.
    Http1,
    /// An idle timeout that was measured.
    Idle(Duration),
    /// A host name that does not resolve.
    Name(String),
    /// A refused origin; `None` if none was sent.
    Origin(Option<String>),
    /// A URL of a page; the WebSocket URL to use.
    PlainGet(String),
    /// Pings without pongs.
    Pong,
    /// A server that is temporarily unavailable.
    Reconnect,
    /// A redirect to this escaped location.
    Redirect(String),
    /// A path without a WebSocket.
    Route(String),
    /// The wrong scheme; the URL to use.
    Scheme(String),
    /// Missing authentication.
    SignIn,
    /// No response.
    Silent,
    /// An invalid 101.
    Switch,
    /// A message above a size limit.
    TooBig,
    /// An address that does not accept connections.
    Unreachable(SocketAddr),
    /// `Upgrade` and `Connection` headers removed by a proxy.
    Upgrade,
    /// A failure of the server behind a proxy.
    Upstream,
}

// === impl Advice ===

impl Advice {
    /// The ping interval, in seconds, that keeps sockets open past the timers of known hops, the shortest
    /// of which is 30 s; the default of the guard.
    const PING: u64 = 25;

    /// Returns the advice for a refused handshake with this status.
    pub(super) fn for_status(status: u16, args: &DoctorArgs) -> Self {
        match status {
            400 | 426 => Self::Upgrade,
            401 | 407 => Self::SignIn,
            403 => Self::Origin(args.origin().map(ToString::to_string)),
            429 => Self::Busy,
            500.. => Self::Upstream,
            _ => Self::for_path(&args.url),
        }
    }

    /// Returns the advice for a diagnosis that a guard sent with this status.
    pub(super) fn for_diagnosis(diagnosis: Diagnosis, status: u16, args: &DoctorArgs) -> Self {
        match diagnosis {
            Diagnosis::Denied => Self::Denied(args.url.path().to_owned()),
            Diagnosis::ForeignOrigin => Self::for_status(403, args),
            Diagnosis::OnlyHttp2 => Self::Http1,
            Diagnosis::WrongSwitch => Self::Switch,
            _ => Self::for_status(status, args),
        }
    }

    /// Returns the advice for a close code.
    pub(super) const fn for_close_code(code: u16) -> Self {
        match code {
            1001 | 1012 | 1013 => Self::Reconnect,
            1008 | 3000 => Self::SignIn,
            1009 => Self::TooBig,
            1011 | 1014 => Self::Upstream,
            _ => Self::Close,
        }
    }

    /// Returns the advice for a path without a WebSocket.
    pub(super) fn for_path(target: &Target) -> Self {
        Self::Route(target.path().to_owned())
    }

    /// The interval of pings to advise, in seconds: below half of the measured idle timeout, so that one
    /// ping may be late, and at most [`Self::PING`].
    fn ping_secs(&self) -> u64 {
        match self {
            Self::Idle(timeout) => timeout.mul_f64(0.45).as_secs().clamp(1, Self::PING),
            _ => Self::PING,
        }
    }

    /// Returns the name of the section, and the value for its `{}`.
    fn section(&self) -> (&'static str, String) {
        let fixed = |name| (name, String::new());
        match self {
            Self::Age => fixed("age"),
            Self::Busy => fixed("busy"),
            Self::Certificate(host) => ("certificate", host.clone()),
            Self::Close => fixed("close"),
            Self::Denied(path) => ("denied", path.clone()),
            Self::Http1 => fixed("http1"),
            Self::Idle(_) => fixed("idle"),
            Self::Name(host) => ("name", host.clone()),
            Self::Origin(origin) => {
                let origin = origin.clone();
                (
                    "origin",
                    origin.unwrap_or_else(|| "https://YOUR.PAGE".into()),
                )
            }
            Self::PlainGet(url) => ("plain-get", url.clone()),
            Self::Pong => fixed("pong"),
            Self::Reconnect => fixed("reconnect"),
            Self::Redirect(location) => ("redirect", location.clone()),
            Self::Route(path) => ("route", path.clone()),
            Self::Scheme(url) => ("scheme", url.clone()),
            Self::SignIn => fixed("sign-in"),
            Self::Silent => fixed("silent"),
            Self::Switch => fixed("switch"),
            Self::TooBig => fixed("too-big"),
            Self::Unreachable(addr) => ("unreachable", addr.to_string()),
            Self::Upgrade => fixed("upgrade"),
            Self::Upstream => fixed("upstream"),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = self.section();
        let ping = self.ping_secs();
        let header = format!("[{name}]");
        let lines = SECTIONS.lines().skip_while(|line| *line != header).skip(1);
        for line in lines.take_while(|line| !line.is_empty()) {
            let line = line.replace("{ping}", &ping.to_string());
            let line = line.replace("{timeout}", &(ping * 3).to_string());
            writeln!(f, "  {}", line.replace("{}", &value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Advice> {
        let value = || "VALUE".to_owned();
        vec![
            Advice::Age,
            Advice::Busy,
            Advice::Certificate(value()),
            Advice::Close,
            Advice::Denied(value()),
            Advice::Http1,
            Advice::Idle(Duration::from_secs(20)),
            Advice::Name(value()),
            Advice::Origin(None),
            Advice::PlainGet(value()),
            Advice::Pong,
            Advice::Reconnect,
            Advice::Redirect(value()),
            Advice::Route(value()),
            Advice::Scheme(value()),
            Advice::SignIn,
            Advice::Silent,
            Advice::Switch,
            Advice::TooBig,
            Advice::Unreachable(([127, 0, 0, 1], 1).into()),
            Advice::Upgrade,
            Advice::Upstream,
        ]
    }

    #[test]
    fn every_advice_has_a_section_and_every_section_an_advice() {
        let sections = SECTIONS.lines().filter(|line| line.starts_with('['));
        assert_eq!(sections.count(), all().len());
        for advice in all() {
            let shown = advice.to_string();
            assert!(
                !shown.is_empty() && !shown.contains("{}"),
                "{advice:?}: {shown}"
            );
            let value = advice.section().1;
            assert!(shown.contains(&value), "{advice:?}: {shown}");
            // Includes the indentation by two spaces.
            assert!(shown.lines().all(|line| line.len() <= 118), "{shown}");
        }
    }

    #[test]
    fn advised_ping_is_below_half_of_the_measured_timeout() {
        for (timeout, ping, read_timeout) in [
            (1, 1, 3),
            (3, 1, 3),
            (20, 9, 27),
            (30, 13, 39),
            (60, 25, 75),
            (350, 25, 75),
        ] {
            let shown = Advice::Idle(Duration::from_secs(timeout)).to_string();
            for words in [
                format!("[upgrade] ping = \"{ping}s\""),
                format!("proxy_read_timeout {read_timeout}s;"),
                format!("{{{ping}000, {ping}000}}"),
                format!("from_secs({ping})"),
                format!("every {ping} s:"),
            ] {
                assert!(shown.contains(&words), "{words}: {shown}");
            }
        }
    }
}
