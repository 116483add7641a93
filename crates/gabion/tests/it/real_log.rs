//! A real access log over sockets, through a trusted balancer. Every request is answered, a probing
//! client is refused under its own address, and no other client is.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use gabion::{
    Guard,
    deny::{Action, DenyRule},
    event::{BanChange, Event, RequestEvent},
    policy::Pack,
};
use gabion_testkit::{Backend, RawConnection, Recorder};
use tokio::time::Instant;

use crate::support::{
    access_log::{self, Logged, decoded},
    guarded_proxy::{GuardedProxy, builder, rule_of, with_packs},
};

/// The number of connections from the balancer.
const CONNECTIONS: usize = 4;

/// The number of different paths that are evidence of a probing client.
const PROOF: usize = 3;

/// The outcome of one line.
struct Outcome {
    line: usize,
    status: u16,
}

/// The built-in policy for a server without PHP, with the network of the balancer and the rules
/// `own`.
fn policy(own: Vec<DenyRule>) -> String {
    let mut document = with_packs([Pack::Never, Pack::NoPhp, Pack::NoWordpress]);
    document.client.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    document.deny = own;
    document.to_string()
}

/// The rules of two packs and a custom one, each with a ban.
fn ban_for_probes() -> Vec<DenyRule> {
    let packs = [Pack::NoPhp, Pack::NoWordpress].into_iter();
    let rules = packs.flat_map(|pack| pack.rules().iter().cloned());
    let own = DenyRule::new("joomla").prefix(["/administrator"]);
    let rules = rules.chain([own]);
    rules.map(|rule| rule.then(Action::Ban(None))).collect()
}

#[tokio::test]
async fn only_probing_clients_are_refused() {
    let Some(log) = access_log::lines() else {
        return;
    };
    let events = Arc::new(Recorder::default());
    let (outcomes, guard) = replay("as it is", &log, &policy(Vec::new()), &events).await;
    let denied = denials(&events.take());
    let expected = |logged: &Logged| status_for(&logged.target).unwrap_or(logged.status);
    for Outcome { line, status } in &outcomes {
        assert_eq!(*status, expected(&log[*line]), "line {}", line + 1);
    }
    assert_eq!(
        denied,
        tally(
            log.iter()
                .filter(|logged| status_for(&logged.target).is_some())
        )
    );
    assert_eq!(guard.bans().len(), 0);
}

#[tokio::test]
async fn only_clients_that_probe_three_paths_are_banned() {
    let Some(log) = access_log::lines() else {
        return;
    };
    let events = Arc::new(Recorder::default());
    let (outcomes, guard) = replay("with bans", &log, &policy(ban_for_probes()), &events).await;
    let taken = events.take();

    // The lines of one client keep their order, so all lines after its third path are refused.
    let mut probed = HashMap::<_, BTreeSet<_>>::new();
    let mut refused = Vec::new();
    let mut expected = Vec::new();
    for (line, logged) in log.iter().enumerate() {
        let mut by_us = status_for(&logged.target);
        let paths = probed.entry(logged.client).or_default();
        if paths.len() == PROOF {
            by_us = Some(403);
        } else if bans(&logged.target) {
            paths.insert(logged.target.split('?').next());
            by_us = Some(403);
        }
        if by_us.is_some() {
            refused.push(line);
        }
        expected.push(by_us.unwrap_or(logged.status));
    }
    for Outcome { line, status } in outcomes {
        assert_eq!(status, expected[line], "line {}", line + 1);
    }
    assert_eq!(
        denials(&taken),
        tally(refused.iter().map(|&line| &log[line]))
    );
    let proven = probed.iter().filter(|(_, paths)| paths.len() == PROOF);
    let banned: BTreeSet<_> = proven.map(|(client, _)| *client).collect();
    assert!(!banned.is_empty());
    let placed: BTreeSet<_> = taken.iter().filter_map(placed).collect();
    assert_eq!(
        placed, banned,
        "banned for three probes, and for nothing else"
    );
    assert_eq!(guard.bans().len(), banned.len());
    println!("  {} clients banned, each for three paths", banned.len());
}

/// Sends the log through a guard, each client on one of a few connections.
async fn replay(
    name: &str,
    log: &Arc<Vec<Logged>>,
    policy: &str,
    events: &Arc<Recorder>,
) -> (Vec<Outcome>, Guard) {
    let backend = Backend::start().await;
    let guard = builder(events.clone()).with_policy(policy, name).unwrap();
    let proxy = GuardedProxy::start(&backend.url(), guard.clone());
    let begun = Instant::now();
    let shards: Vec<_> = (0..CONNECTIONS)
        .map(|shard| tokio::spawn(replay_shard(proxy.addr(), Arc::clone(log), shard)))
        .collect();
    let mut outcomes = Vec::new();
    for shard in shards {
        outcomes.extend(shard.await.unwrap());
    }
    let secs = begun.elapsed().as_secs_f32();
    assert_eq!(outcomes.len(), log.len(), "every request is answered");
    let seen = backend.take();
    let refused = log.len() - seen.len();
    // Passed requests reached the server as logged, with the client's address.
    let mut passed: HashMap<_, i64> = HashMap::new();
    for seen in &seen {
        let hops = seen.headers["x-forwarded-for"].to_str().unwrap();
        let (client, balancer) = hops.split_once(", ").expect("the client and the balancer");
        assert_eq!(balancer, "127.0.0.1");
        *passed
            .entry((client.to_owned(), seen.target.clone()))
            .or_default() += 1;
    }
    for logged in log.iter() {
        *passed
            .entry((logged.client.to_string(), logged.target.clone()))
            .or_default() -= 1;
    }
    assert!(
        passed.values().all(|&count| count <= 0),
        "nothing came that was not sent"
    );
    assert_eq!(
        -passed.values().sum::<i64>(),
        i64::try_from(refused).unwrap()
    );
    let clients: BTreeSet<_> = passed
        .iter()
        .filter(|(_, count)| **count < 0)
        .map(|((client, _), _)| client)
        .collect();
    println!(
        "real log, {name}: {} requests answered, {refused} refused, of {} clients; {secs:.1} s",
        outcomes.len(),
        clients.len()
    );
    (outcomes, guard)
}

async fn replay_shard(
    addr: std::net::SocketAddr,
    log: Arc<Vec<Logged>>,
    shard: usize,
) -> Vec<Outcome> {
    let mut connection = RawConnection::connect(addr).await;
    let mut outcomes = Vec::new();
    let shard_of = |client: &IpAddr| match client {
        IpAddr::V4(addr) => usize::from(addr.octets()[3]),
        IpAddr::V6(addr) => usize::from(addr.octets()[15]),
    };
    for (line, logged) in log.iter().enumerate() {
        if shard_of(&logged.client) % CONNECTIONS != shard {
            continue;
        }
        let Logged {
            client,
            method,
            target,
            status,
            referer,
            agent,
            ..
        } = logged;
        let text = |name, value: &str| match value {
            "-" => String::new(),
            value => format!("{name}: {value}\r\n"),
        };
        let (agent, referer) = (text("User-Agent", agent), text("Referer", referer));
        let length = match &**method {
            "POST" => "Content-Length: 0\r\n",
            _ => "",
        };
        // The server answers with the logged status: see `Backend`.
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: semicomplete.com\r\nX-Forwarded-For: {client}\r\n\
             {agent}{referer}{length}X-Answer: {status}\r\n\r\n"
        );
        connection.send(request.as_bytes()).await;
        let answer = connection.response(method).await;
        let status = answer
            .unwrap_or_else(|| panic!("line {}: no answer", line + 1))
            .status
            .as_u16();
        outcomes.push(Outcome { line, status });
    }
    outcomes
}

/// The response of the built-in policy to a target, computed without its engine by reading the path
/// once as a person would.
fn status_for(target: &str) -> Option<u16> {
    let path = target.split('?').next().unwrap_or_default();
    let (path, sound) = decoded(path);
    if is_wordpress(target) {
        Some(404)
    } else if is_of_php(&path) || path.split('/').any(|segment| segment.starts_with(".git")) {
        Some(403)
    } else {
        (!sound).then_some(400)
    }
}

/// Returns `true` if the banning rules refuse the target.
fn bans(target: &str) -> bool {
    let path = decoded(target.split('?').next().unwrap_or_default()).0;
    is_wordpress(target) || is_of_php(&path) || path.split('/').nth(1) == Some("administrator")
}

fn is_of_php(path: &str) -> bool {
    let is_php = |segment: &str| {
        segment
            .rsplit_once('.')
            .is_some_and(|(_, end)| end == "php")
    };
    path.split('/')
        .any(|segment| is_php(segment) || segment == "fckeditor")
}

fn is_wordpress(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let names = [
        "wp-admin",
        "wp-content",
        "wp-includes",
        "wp-json",
        "wp-login.php",
        "xmlrpc.php",
    ];
    decoded(path)
        .0
        .split('/')
        .any(|segment| names.contains(&segment))
}

/// The number of refusals by client and target, from the events.
fn denials(events: &[Event]) -> HashMap<(IpAddr, String), usize> {
    let mut tally = HashMap::new();
    for event in events {
        let Event::Request(request) = event else {
            continue;
        };
        assert!(rule_of(event).is_some(), "{event}");
        assert!(
            request.peer.is_loopback(),
            "the peer is the balancer: {event}"
        );
        let target = String::from_utf8_lossy(&request.target).into_owned();
        *tally.entry((request.client.addr(), target)).or_default() += 1;
    }
    tally
}

/// The number of refusals by client and target, from the log.
fn tally<'l>(refused: impl Iterator<Item = &'l Logged>) -> HashMap<(IpAddr, String), usize> {
    let mut tally = HashMap::new();
    for logged in refused {
        let most = logged.target.len().min(RequestEvent::MAX_TARGET);
        let target = logged.target[..most].to_owned();
        *tally.entry((logged.client, target)).or_default() += 1;
    }
    tally
}

fn placed(event: &Event) -> Option<IpAddr> {
    match event {
        Event::Ban(ban) if ban.change == BanChange::Placed => Some(ban.client.addr()),
        _ => None,
    }
}
