//! `kill -9` at random points: every acknowledged change is in the file.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use gabion_core::{BanUpdate, ChangeListener, UpdateOrigin};
use gabion_store::{PartState, Store, StoreOptions, StoredEvent};
use gabion_testkit::{Recorder, TempFolder};

use crate::support::{LONG, ban, client, now, open};

/// The folder in which the child process writes, and the number of its first ban.
const FOLDER: &str = "GABION_STORE_KILLED";
const FIRST: &str = "GABION_STORE_FIRST";

const ROUNDS: u32 = 100;
const BANS_OF_A_ROUND: u32 = 100_000;

/// Writes groups of bans, and prints each number when it is durable. Lifts every tenth ban again. Ends by
/// being killed.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the parent process sets the variables"
)]
fn child_that_is_killed() {
    let (Ok(folder), Ok(first)) = (env::var(FOLDER), env::var(FIRST)) else {
        return;
    };
    let sink = std::sync::Arc::new(Recorder::default());
    let store = Store::open(StoreOptions::new(folder), sink).unwrap();
    let mut out = std::io::stdout().lock();
    let mut first: u32 = first.parse().unwrap();
    loop {
        let group = first..first + 1 + first % 7;
        for n in group.clone() {
            store.on_ban_update(&ban(n), UpdateOrigin::Rule);
            if n % 10 == 0 {
                store.on_ban_update(&BanUpdate::Lifted(client(n)), UpdateOrigin::Operator);
            }
        }
        store.record_event(StoredEvent {
            at: now(),
            kind: "banned".into(),
            network: Some(client(first)),
            rule: None,
            text: "a group".into(),
        });
        store.sync(LONG).unwrap();
        for n in group.clone() {
            writeln!(out, "acknowledged {n}").unwrap();
        }
        out.flush().unwrap();
        first = group.end;
    }
}

#[test]
fn kill_at_100_random_points_loses_no_acknowledged_ban() {
    let folder = TempFolder::new("store-kill");
    let (mut acknowledged, mut seed) = (BTreeSet::new(), 0x9e37_79b9_u32);
    for round in 0..ROUNDS {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let first = round * BANS_OF_A_ROUND;
        let mut child = start(&folder, first);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, numbers) = mpsc::channel();
        let reader = thread::spawn(move || {
            let lines = lines.map_while(Result::ok);
            let parsed = lines.filter_map(|line| line.split("acknowledged ").nth(1)?.parse().ok());
            parsed.for_each(|number: u32| sender.send(number).unwrap());
        });
        // In every fourth round the child is killed while it opens the files, else while it writes.
        let before = if round % 4 == 0 { 0 } else { seed % 40 };
        for _ in 0..before {
            acknowledged.insert(numbers.recv_timeout(LONG).unwrap());
        }
        kill_after(&mut child, Duration::from_micros((seed % 15_000).into()));
        reader.join().unwrap();
        acknowledged.extend(numbers);
    }
    let count = acknowledged.len();
    assert!(count > 1_000, "only {count} bans were acknowledged");

    let (store, recorder) = open(&folder);
    assert_eq!(store.status().bans.state, PartState::Ready);
    assert_eq!(recorder.take_texts(), [""; 0]);
    let restored: BTreeSet<_> = store
        .restored()
        .bans
        .iter()
        .map(|ban| ban.network)
        .collect();
    for n in &acknowledged {
        let is_lifted = n % 10 == 0;
        assert_eq!(restored.contains(&client(*n)), !is_lifted, "ban {n}");
    }
    println!(
        "{} acknowledged, {} restored",
        acknowledged.len(),
        restored.len()
    );
}

fn start(folder: &TempFolder, first: u32) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args([
        "--exact",
        "--nocapture",
        "kill_loses_nothing::child_that_is_killed",
    ]);
    command
        .env(FOLDER, folder.path())
        .env(FIRST, first.to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the time is the random point")]
fn kill_after(child: &mut Child, time: Duration) {
    thread::sleep(time);
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
}
