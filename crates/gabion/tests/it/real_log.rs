//! A real access log over sockets, through a balancer that is trusted: every request is answered,
//! who probes is refused under his own name, and nobody else is.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    net::IpAddr,
    sync::Arc,
};

use gabion::{BanChange, Event, Guard, RequestEvent};
use gabion_testkit::{Behind, Recorder, Wire, shared};
use tokio::time::Instant;

use crate::support::sockets::{DEFAULT, Front, builder, rule_of};

/// How many connections the balancer keeps.
const CONNECTIONS: usize = 4;

/// One line of the log.
struct Logged {
    client: IpAddr,
    method: String,
    target: String,
    status: u16,
    referer: String,
    agent: String,
}

/// What came of one line.
struct Outcome {
    line: usize,
    status: u16,
}

/// The built-in policy with the balancer's network in it, and with `edit`.
fn policy(edit: impl Fn(&str) -> String) -> String {
    let (nobody, balancer) = (
        "trusted_proxies = []\n",
        "trusted_proxies = ['127.0.0.0/8']\n",
    );
    assert_eq!(DEFAULT.matches(nobody).count(), 1);
    edit(&DEFAULT.replace(nobody, balancer))
}

fn ban_for_wordpress(policy: &str) -> String {
    let rule = "names = [\"wp-admin\", \"wp-content\", \"wp-includes\", \"wp-json\", \"wlwmanifest.xml\"]\nthen = ";
    let (before, after) = policy.split_once(rule).expect("the rule as it stands");
    let after = after.strip_prefix("\"404\"").expect("it says 404");
    format!("{before}{rule}\"ban\"{after}")
}

#[tokio::test]
async fn refuses_who_probes_and_nobody_else() {
    let Some(log) = log() else { return };
    let events = Arc::new(Recorder::default());
    let (outcomes, guard) = replay("as it is", &log, &policy(str::to_owned), &events).await;
    let told = denials(&events.take());
    let expected = |logged: &Logged| status_for(&logged.target).unwrap_or(logged.status);
    for Outcome { line, status } in &outcomes {
        assert_eq!(*status, expected(&log[*line]), "line {}", line + 1);
    }
    assert_eq!(
        told,
        tally(
            log.iter()
                .filter(|logged| status_for(&logged.target).is_some())
        )
    );
    assert_eq!(guard.bans().len(), 0);
}

#[tokio::test]
async fn bans_who_probes_and_nobody_else() {
    let Some(log) = log() else { return };
    let events = Arc::new(Recorder::default());
    let (outcomes, guard) = replay("with a ban", &log, &policy(ban_for_wordpress), &events).await;
    let taken = events.take();

    // The lines of one client keep their order, so all of them after its first probe are refused.
    let mut banned = BTreeSet::new();
    let mut refused = Vec::new();
    let mut expected = Vec::new();
    for (line, logged) in log.iter().enumerate() {
        let mut by_us = status_for(&logged.target);
        if is_wordpress(&logged.target) || banned.contains(&logged.client) {
            banned.insert(logged.client);
            by_us = Some(403);
        }
        if by_us.is_some() {
            refused.push(line);
        }
        expected.push(by_us.unwrap_or(logged.status));
    }
    assert!(!banned.is_empty());
    for Outcome { line, status } in outcomes {
        assert_eq!(status, expected[line], "line {}", line + 1);
    }
    assert_eq!(
        denials(&taken),
        tally(refused.iter().map(|&line| &log[line]))
    );
    let placed: BTreeSet<_> = taken.iter().filter_map(placed).collect();
    assert_eq!(placed, banned, "banned for a probe, and for nothing else");
    assert_eq!(guard.bans().len(), banned.len());
    println!("  {} clients banned, each of whom had probed", banned.len());
}

/// Sends the log through a guard, each client on one of a few connections.
async fn replay(
    name: &str,
    log: &Arc<Vec<Logged>>,
    policy: &str,
    events: &Arc<Recorder>,
) -> (Vec<Outcome>, Guard) {
    let behind = Behind::start().await;
    let guard = builder(events.clone()).with_policy(policy, name).unwrap();
    let front = Front::before(&behind, guard.clone());
    let begun = Instant::now();
    let shards: Vec<_> = (0..CONNECTIONS)
        .map(|shard| tokio::spawn(replay_shard(front.addr(), Arc::clone(log), shard)))
        .collect();
    let mut outcomes = Vec::new();
    for shard in shards {
        outcomes.extend(shard.await.unwrap());
    }
    let secs = begun.elapsed().as_secs_f32();
    assert_eq!(outcomes.len(), log.len(), "every request is answered");
    let seen = behind.take();
    let refused = log.len() - seen.len();
    // What passed came to the server as it was logged, and named the client.
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
    let mut wire = Wire::connect(addr).await;
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
        } = logged;
        let length = if method == "POST" {
            "Content-Length: 0\r\n"
        } else {
            ""
        };
        // The server answers as it did then: see `Behind`.
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: semicomplete.com\r\nX-Forwarded-For: {client}\r\n\
             User-Agent: {agent}\r\nReferer: {referer}\r\n{length}X-Answer: {status}\r\n\r\n"
        );
        wire.send(request.as_bytes()).await;
        let answer = wire.answer(method).await;
        let status = answer
            .unwrap_or_else(|| panic!("line {}: no answer", line + 1))
            .status
            .as_u16();
        outcomes.push(Outcome { line, status });
    }
    outcomes
}

/// How the built-in policy answers a target: told apart from its engine, by reading the path once
/// as a person would.
fn status_for(target: &str) -> Option<u16> {
    let path = target.split('?').next().unwrap_or_default();
    let (path, sound) = decoded(path);
    let segments = || path.split('/');
    let php = [
        "php", "php3", "php4", "php5", "php7", "php8", "phtml", "phar", "phps",
    ];
    let dotfiles = [
        ".env",
        ".git",
        ".svn",
        ".hg",
        ".aws",
        ".ssh",
        ".docker",
        ".htpasswd",
        ".ds_store",
        ".vscode",
    ];
    let devices = ["cgi-bin", "hnap1", "boaform", "gponform", "setup.cgi"];
    let extension = |segment: &str| {
        segment
            .rsplit_once('.')
            .is_some_and(|(_, end)| php.contains(&end))
    };
    if segments().any(|segment| dotfiles.contains(&segment) || extension(segment)) {
        Some(403)
    } else if is_wordpress(target)
        || segments()
            .nth(1)
            .is_some_and(|first| devices.contains(&first))
    {
        Some(404)
    } else {
        (!sound).then_some(400)
    }
}

fn is_wordpress(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let names = [
        "wp-admin",
        "wp-content",
        "wp-includes",
        "wp-json",
        "wlwmanifest.xml",
    ];
    decoded(path)
        .0
        .split('/')
        .any(|segment| names.contains(&segment))
}

/// The path decoded once, in lower case, and whether it is text.
fn decoded(path: &str) -> (String, bool) {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let hex = part.get(..2).expect("the log has no broken escapes");
        bytes.push(u8::from_str_radix(hex, 16).expect("the log has no broken escapes"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let sound = std::str::from_utf8(&bytes).is_ok() && !bytes.iter().any(u8::is_ascii_control);
    (text, sound)
}

/// How often each client was refused for which target, as the events say.
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

/// The same, as the log says.
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
        Event::Ban(ban) => panic!("{ban}"),
        _ => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
fn log() -> Option<Arc<Vec<Logged>>> {
    let file = shared("data/logs/elastic_apache_combined.log")?;
    let bytes = fs::read(file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(logged).collect();
    assert_eq!(lines.len(), 10_000);
    Some(Arc::new(lines))
}

fn logged(line: &str) -> Logged {
    let mut parts = line.splitn(6, '"');
    let mut part = || parts.next().expect("a combined line");
    let (client, request, status, referer, _, agent) =
        (part(), part(), part(), part(), part(), part());
    let word = |text: &str, at| text.split(' ').nth(at).unwrap_or_default().to_owned();
    Logged {
        client: word(client, 0).parse().unwrap(),
        method: word(request, 0),
        target: word(request, 1),
        status: word(status, 1).parse().unwrap(),
        referer: referer.to_owned(),
        agent: agent.trim_end_matches('"').to_owned(),
    }
}
