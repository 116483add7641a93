//! The real log against labels set by hand: the clients caught, the false positives, and the
//! clients behind a shared address that must keep access when another one of them is banned.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use gabion::{
    Guard, Mode,
    deny::Action,
    event::{Event, RequestEventKind},
    inspect::Reason,
};
use gabion_testkit::{ManualClock, Recorder, peer, rows};
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{
    access_log::{self, Logged},
    guarded_proxy::{DEFAULT, builder, fitting, with_packs},
};

const LABELS: &str = include_str!("../../testdata/real_log_labels.tsv");

/// The number of refused requests of each client, and of those refused by a ban.
#[derive(Default)]
struct Score {
    sent: BTreeMap<IpAddr, usize>,
    /// The number of requests that the server answered with 4xx, and of those that were refused.
    failed: BTreeMap<IpAddr, [usize; 2]>,
    denied: BTreeMap<IpAddr, Vec<String>>,
    denied_first: BTreeSet<IpAddr>,
    by_ban: BTreeMap<IpAddr, usize>,
    bans: usize,
}

/// The label of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Scanner,
    Benign,
    Unclear,
}

/// The default policy in which each refusal bans.
fn banning() -> String {
    let mut document = with_packs(fitting());
    let rules = document.deny_rules().into_iter();
    document.deny = rules.map(|rule| rule.then(Action::Ban(None))).collect();
    document.to_string()
}

/// The policy that `guard init --backend spring` writes.
fn spring() -> String {
    with_packs(fitting()).to_string()
}

/// The same, with scans enforced.
fn scanning() -> String {
    let mut document = with_packs(fitting());
    document.scan.get_or_insert_default().mode = Some(Mode::Enforce);
    document.to_string()
}

#[test]
fn recall_and_false_positives_against_labels() {
    let Some(log) = access_log::lines() else {
        return;
    };
    let labels = labels();
    for (name, policy) in [
        ("--behind spring", spring()),
        ("--behind spring, scans enforced", scanning()),
        ("default", DEFAULT.into()),
    ] {
        let score = replay(&log, &policy, |client| client);
        for (client, targets) in &score.denied {
            assert!(
                labels.contains_key(client),
                "{name}: no label for {client}: {targets:?}"
            );
        }
        report(name, &labels, &score);
        let policy = name.split(',').next().unwrap();
        assert_eq!(hit(&labels, &score, Label::Benign), wrongly_hit(policy));
    }
    // Each fitting pack catches all clients it is for: those that requested software this server
    // never had.
    let score = replay(&log, &spring(), |client| client);
    let caught = hit(&labels, &score, Label::Scanner).len();
    let all = with_label(&labels, Label::Scanner).len();
    assert!(caught * 100 >= all * 95, "{caught} of {all}");
}

#[test]
fn no_client_behind_a_shared_address_is_banned_with_a_scanner() {
    let Some(log) = access_log::lines() else {
        return;
    };
    let labels = labels();
    let mut clients: Vec<_> = Vec::new();
    let mut seen = BTreeSet::new();
    clients.extend(
        log.iter()
            .map(|logged| logged.client)
            .filter(|client| seen.insert(*client)),
    );
    // If every refusal bans or scans are enforced, so do three probes of one neighbor on an address with too little
    // traffic at that hour for good standing: once in this log.
    let policies = [
        ("--behind spring", spring(), [0, 0]),
        ("--behind spring, scans enforced", scanning(), [1, 0]),
        ("default", DEFAULT.into(), [0, 0]),
        ("then = \"ban\" everywhere", banning(), [1, 0]),
    ];
    let runs = policies.iter().flat_map(|(name, policy, known)| {
        let runs = [50, 500].into_iter().zip(known);
        runs.map(move |(together, known)| (together, name, policy, known))
    });
    for (together, name, policy, known) in runs {
        let shared: HashMap<IpAddr, IpAddr> = clients
            .chunks(together)
            .zip(1..)
            .flat_map(|(chunk, nth)| {
                let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, nth));
                chunk.iter().map(move |client| (*client, address))
            })
            .collect();
        let score = replay(&log, policy, |client| shared[&client]);
        let scanners = with_label(&labels, Label::Scanner);
        let hurt: BTreeMap<_, _> = score
            .by_ban
            .iter()
            .filter(|(client, _)| !scanners.contains(client))
            .collect();
        println!(
            "{name}, {together} clients to an address: {} addresses, {} bans; {} clients refused by \
             a ban that another earned",
            clients.len().div_ceil(together),
            score.bans,
            hurt.len()
        );
        let within = hurt.len() <= *known;
        assert!(within, "{name}, {together} to an address: {hurt:?}");
    }
}

/// The benign clients that a policy is known to refuse, as the labels explain.
fn wrongly_hit(policy: &str) -> BTreeSet<IpAddr> {
    let rows = rows(LABELS).into_iter();
    let rows = rows.filter(|row| row[1] == "benign" && row[2].split(", ").any(|hit| hit == policy));
    rows.map(|row| row[0].parse().unwrap()).collect()
}

fn report(name: &str, labels: &BTreeMap<IpAddr, Label>, score: &Score) {
    println!("real log, {name}, enforcing:");
    for label in [Label::Scanner, Label::Benign, Label::Unclear] {
        let hit = hit(labels, score, label);
        let requests: usize = hit.iter().map(|client| score.denied[client].len()).sum();
        println!(
            "  {} of {} labeled {label:?} are refused something, {requests} requests",
            hit.len(),
            with_label(labels, label).len()
        );
        for client in hit.iter().filter(|_| label != Label::Scanner) {
            println!("    {client}: {}", score.denied[client].join(" "));
        }
        if label == Label::Scanner {
            let missed = with_label(labels, label);
            let missed: Vec<_> = missed.difference(&hit).map(ToString::to_string).collect();
            println!("    missed: {}", missed.join(", "));
        }
    }
    for half in 0..2 {
        report_half(half, labels, score);
    }
    println!("  {} bans", score.bans);
}

/// Reports the labeled scanners of one half of all clients, with 95 % confidence intervals.
fn report_half(half: u8, labels: &BTreeMap<IpAddr, Label>, score: &Score) {
    let is_in_half =
        |client: &IpAddr| matches!(client, IpAddr::V4(addr) if addr.octets()[3] % 2 == half);
    let mut scanners = with_label(labels, Label::Scanner);
    scanners.retain(is_in_half);
    let first = scanners.intersection(&score.denied_first).count();
    let failed = scanners
        .iter()
        .filter_map(|client| score.failed.get(client));
    let [sent, denied] = failed.fold([0, 0], |[sent, denied], [more_sent, more_denied]| {
        [sent + more_sent, denied + more_denied]
    });
    println!(
        "  half {half}: {} scanners are refused at their first request, {} of their requests that failed",
        share(first, scanners.len()),
        share(denied, sent)
    );
}

/// Formats a share with its Wilson interval.
fn share(part: usize, all: usize) -> String {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap());
    let (part, all) = (number(part), number(all));
    let (p, z) = (part / all, 1.96_f64);
    let middle = p + z * z / (2.0 * all);
    let reach = z * (p * (1.0 - p) / all + z * z / (4.0 * all * all)).sqrt();
    let [low, high] =
        [middle - reach, middle + reach].map(|bound| bound / (1.0 + z * z / all) * 100.0);
    format!("{part} of {all} ({:.0} to {high:.0} %)", low.max(0.0))
}

fn with_label(labels: &BTreeMap<IpAddr, Label>, label: Label) -> BTreeSet<IpAddr> {
    let labeled = labels.iter().filter(|(_, given)| **given == label);
    labeled.map(|(client, _)| *client).collect()
}

fn hit(labels: &BTreeMap<IpAddr, Label>, score: &Score, label: Label) -> BTreeSet<IpAddr> {
    let labeled = with_label(labels, label).into_iter();
    labeled
        .filter(|client| score.denied.contains_key(client))
        .collect()
}

fn labels() -> BTreeMap<IpAddr, Label> {
    let label = |text| match text {
        "scanner" => Label::Scanner,
        "benign" => Label::Benign,
        "unclear" => Label::Unclear,
        other => panic!("{other} is no label"),
    };
    let rows = rows(LABELS).into_iter();
    rows.map(|row| (row[0].parse().unwrap(), label(row[1])))
        .collect()
}

/// Sends the log through a guard at the time of its lines, each client from its address in
/// `seen_as`.
fn replay(log: &[Logged], policy: &str, seen_as: impl Fn(IpAddr) -> IpAddr) -> Score {
    let (clock, events) = (
        Arc::new(ManualClock::default()),
        Arc::new(Recorder::default()),
    );
    let guard = builder(events.clone()).with_clock(clock.clone());
    let guard = guard.with_policy(policy, "policy.toml").unwrap();
    let mut score = Score::default();
    let mut now = Duration::ZERO;
    for logged in log {
        clock.advance(logged.at.saturating_sub(now));
        now = now.max(logged.at);
        send(&guard, logged, seen_as(logged.client));
        score.count(logged, &events.take());
    }
    score
}

fn send(guard: &Guard, logged: &Logged, from: IpAddr) {
    let status = StatusCode::from_u16(logged.status).unwrap();
    // The server answers with the logged status and length.
    let service = service_fn(|_: Request<()>| async {
        let mut response = Response::new(OfLength(logged.length));
        *response.status_mut() = status;
        Ok::<_, Infallible>(response)
    });
    let guarded = guard.layer().layer(service);
    let answer = guarded.oneshot(request(logged, from)).now_or_never();
    let Ok(_) = answer.expect("nothing in the way waits");
}

/// A body of which only the length is read.
struct OfLength(u64);

impl Body for OfLength {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

fn request(logged: &Logged, from: IpAddr) -> Request<()> {
    let head = Request::builder()
        .method(&*logged.method)
        .uri(&logged.target)
        .header("host", "semicomplete.com");
    let text = [("user-agent", &logged.agent), ("referer", &logged.referer)];
    let text = text.into_iter().filter(|(_, value)| *value != "-");
    let head = text.fold(head, |head, (name, value)| head.header(name, value));
    head.extension(peer(&from.to_string())).body(()).unwrap()
}

// === impl Score ===

impl Score {
    fn count(&mut self, logged: &Logged, events: &[Event]) {
        let sent = self.sent.entry(logged.client).or_default();
        *sent += 1;
        let is_first = *sent == 1;
        let has_failed = (400..500).contains(&logged.status);
        if has_failed {
            self.failed.entry(logged.client).or_default()[0] += 1;
        }
        for event in events {
            match event {
                Event::Request(event) => {
                    let RequestEventKind::Denied(denial) = &event.kind else {
                        continue;
                    };
                    if denial.mode == Mode::Observe {
                        continue;
                    }
                    if has_failed {
                        self.failed.entry(logged.client).or_default()[1] += 1;
                    }
                    if is_first {
                        self.denied_first.insert(logged.client);
                    }
                    let target = logged.target.clone();
                    self.denied.entry(logged.client).or_default().push(target);
                    if matches!(denial.cause.reason, Reason::Banned { .. }) {
                        *self.by_ban.entry(logged.client).or_default() += 1;
                    }
                }
                Event::Ban(ban) if ban.change == gabion::event::BanChange::Placed => self.bans += 1,
                _ => {}
            }
        }
    }
}
