//! Name resolution, then a TCP connection to each address of the name.

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

/// The timeout of the name resolution.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout of a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Finds an address that accepts connections; reports the result of each attempt.
pub(super) async fn resolve_and_connect(
    target: &Target,
    report: &mut Report,
) -> Option<SocketAddr> {
    let addrs = resolve(target, report).await?;
    connect_to_each(addrs, report).await
}

async fn connect_to_each(addrs: Vec<SocketAddr>, report: &mut Report) -> Option<SocketAddr> {
    let mut attempts = JoinSet::new();
    for (nth, addr) in addrs.into_iter().enumerate() {
        attempts.spawn(async move { (nth, addr, connect_timed(addr).await) });
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
                    "{addr} {}; clients that try this address first are delayed, or fail",
                    describe(&error)
                ),
            ),
            Err(error) => {
                let message = format!("{addr} {}", describe(&error));
                report.failed("connect", Finding::new(message, Advice::Unreachable(addr)));
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
    let reason = match timeout(RESOLVE_TIMEOUT, lookup_host((host, target.port()))).await {
        Ok(Ok(addrs)) => {
            let mut addrs: Vec<_> = addrs.collect();
            addrs.dedup();
            addrs.truncate(MAX_ADDRESSES);
            if !addrs.is_empty() {
                let shown: Vec<_> = addrs.iter().map(|addr| addr.ip().to_string()).collect();
                report.ok(
                    "name",
                    format_args!("{host} resolves to {}", shown.join(" and ")),
                );
                return Some(addrs);
            }
            "the name exists, but without an A or AAAA record".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!(
            "the resolver did not respond within {} s",
            RESOLVE_TIMEOUT.as_secs()
        ),
    };
    let message = format!("{host} has no address here: {reason}");
    report.failed("name", Finding::new(message, Advice::Name(host.to_owned())));
    None
}

async fn connect_timed(addr: SocketAddr) -> io::Result<Duration> {
    let start = Instant::now();
    connect(addr).await.map(|_| start.elapsed())
}

/// Connects to `addr` within [`CONNECT_TIMEOUT`].
pub(super) async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    match timeout(CONNECT_TIMEOUT, TcpStream::connect(addr)).await {
        Ok(connected) => {
            let stream = connected?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Describes why a connection failed, as the rest of a sentence that begins with the address.
fn describe(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => {
            "refuses connections: the machine is up, but nothing listens on that port".into()
        }
        Kind::TimedOut => format!(
            "does not respond within {} s: a firewall or security group drops packets, or the machine \
             is down",
            CONNECT_TIMEOUT.as_secs()
        ),
        Kind::HostUnreachable | Kind::NetworkUnreachable => {
            "is unreachable: this machine has no route to it".into()
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
    struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for SharedBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn refused_address_is_a_note_if_another_address_accepts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let accepting = listener.local_addr().unwrap();
        let refusing = SocketAddr::from(([127, 0, 0, 2], accepting.port()));
        let buffer = SharedBuffer::default();
        let mut report = Report::new(buffer.clone());
        let found = connect_to_each(vec![refusing, accepting], &mut report).await;
        assert_eq!(found, Some(accepting));
        assert_eq!(report.finish(), Ok(()));
        let printed = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let note = format!("note    connect    {refusing} refuses");
        assert!(
            printed.starts_with(&note) && printed.contains("try this address first"),
            "{printed}"
        );

        let mut report = Report::new(io::sink());
        assert_eq!(connect_to_each(vec![refusing], &mut report).await, None);
        assert!(report.finish().is_err());
    }

    #[test]
    fn connection_errors_have_different_descriptions() {
        for (kind, words) in [
            (io::ErrorKind::ConnectionRefused, "nothing listens"),
            (io::ErrorKind::TimedOut, "does not respond within 5 s"),
            (io::ErrorKind::NetworkUnreachable, "no route"),
            (io::ErrorKind::HostUnreachable, "no route"),
            (io::ErrorKind::PermissionDenied, "permission denied"),
        ] {
            let text = describe(&kind.into());
            assert!(text.contains(words), "{text}");
        }
    }
}
