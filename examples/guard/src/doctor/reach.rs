//! From a name to a connection: the resolver, then TCP to every address that it names.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    advice::Advice,
    report::{Finding, Report},
    target::Target,
};

/// How long the resolver may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How long an address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);
/// How many addresses of a name are tried.
const MOST: usize = 8;

/// Finds an address that takes connections; says how each does.
pub(super) async fn reach(target: &Target, report: &mut Report) -> Option<SocketAddr> {
    let addrs = resolve(target, report).await?;
    connect_to_each(addrs, report).await
}

async fn connect_to_each(addrs: Vec<SocketAddr>, report: &mut Report) -> Option<SocketAddr> {
    let mut attempts = JoinSet::new();
    for (nth, addr) in addrs.into_iter().enumerate() {
        attempts.spawn(async move { (nth, addr, connect(addr).await) });
    }
    let mut tried = attempts.join_all().await;
    tried.sort_by_key(|(nth, ..)| *nth);
    let first = tried.iter().find(|(.., outcome)| outcome.is_ok());
    let first = first.map(|&(_, addr, _)| addr);
    for (_, addr, outcome) in tried {
        match outcome {
            Ok(took) => report.ok("connect", format_args!("{addr} in {} ms", took.as_millis())),
            Err(error) if first.is_some() => report.note(
                "connect",
                format_args!(
                    "{addr} {}; clients that are given this address first wait for it, or fail",
                    unreached(&error)
                ),
            ),
            Err(error) => {
                let said = format!("{addr} {}", unreached(&error));
                report.failed("connect", Finding::plain(said, Advice::Unreachable(addr)));
            }
        }
    }
    first
}

async fn resolve(target: &Target, report: &mut Report) -> Option<Vec<SocketAddr>> {
    let host = target.host();
    if let Some(addr) = target.address() {
        return Some(vec![(addr, target.port()).into()]);
    }
    let why = match timeout(LOOKUP, lookup_host((host, target.port()))).await {
        Ok(Ok(addrs)) => {
            let mut addrs: Vec<_> = addrs.collect();
            addrs.dedup();
            addrs.truncate(MOST);
            if !addrs.is_empty() {
                let shown: Vec<_> = addrs.iter().map(|addr| addr.ip().to_string()).collect();
                report.ok("name", format_args!("{host} is {}", shown.join(" and ")));
                return Some(addrs);
            }
            "it is known, but has no address".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the resolver says nothing for {} s", LOOKUP.as_secs()),
    };
    let said = format!("{host} has no address here: {why}");
    report.failed("name", Finding::plain(said, Advice::Name(host.to_owned())));
    None
}

async fn connect(addr: SocketAddr) -> io::Result<Duration> {
    let began = Instant::now();
    open(addr).await.map(|_| began.elapsed())
}

/// A connection, soon or never.
pub(super) async fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    match timeout(CONNECT, TcpStream::connect(addr)).await {
        Ok(connected) => {
            let stream = connected?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Why there is no connection, for a person.
pub(super) fn unreached(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => {
            "refuses: the machine is there, nothing listens on that port".into()
        }
        Kind::TimedOut => format!(
            "does not answer in {} s: a firewall or security group drops it, or the machine is off",
            CONNECT.as_secs()
        ),
        Kind::HostUnreachable | Kind::NetworkUnreachable => {
            "cannot be reached: this machine has no route there".into()
        }
        _ => format!("cannot be connected to: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::net::TcpListener;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn address_that_refuses_beside_one_that_answers_is_only_noted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let refuses = SocketAddr::from(([127, 0, 0, 2], there.port()));
        let kept = Kept::default();
        let mut report = Report::new(kept.clone());
        let found = connect_to_each(vec![refuses, there], &mut report).await;
        assert_eq!(found, Some(there));
        assert_eq!(report.close(), Ok(()));
        let said = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let noted = format!("note    connect    {refuses} refuses");
        assert!(
            said.starts_with(&noted) && said.contains("given this address first"),
            "{said}"
        );

        let mut report = Report::new(io::sink());
        assert_eq!(connect_to_each(vec![refuses], &mut report).await, None);
        assert!(report.close().is_err());
    }

    #[test]
    fn ways_not_to_be_reached_are_told_apart() {
        for (kind, words) in [
            (io::ErrorKind::ConnectionRefused, "nothing listens"),
            (io::ErrorKind::TimedOut, "does not answer in 5 s"),
            (io::ErrorKind::NetworkUnreachable, "no route"),
            (io::ErrorKind::HostUnreachable, "no route"),
            (io::ErrorKind::PermissionDenied, "permission denied"),
        ] {
            let said = unreached(&kind.into());
            assert!(said.contains(words), "{said}");
        }
    }
}
