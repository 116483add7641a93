//! The clients of the soak. Each kind runs at a steady rate, independently of the others.

mod banned;
mod broken;
mod clean;
mod fill;
mod limited;
mod misbehaving;
mod probes;
mod reloads;
mod slow;
mod sockets;
mod streams;

use std::{rc::Rc, time::Duration};

pub(crate) use fill::fill_tables;

use crate::{policy::Files, traffic::Traffic};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::ZERO;

/// Spawns all clients: about 300 requests per second, 90 WebSockets, 30 slow clients.
pub(crate) fn spawn_all(traffic: &mut Traffic, files: &Rc<Files>) {
    let addr = traffic.addr;
    let stop = traffic.stop();
    traffic.spawn("clean, keep-alive", 16, [SECOND / 10, SHORT], |index| {
        clean::Clean::new(addr, index, true)
    });
    traffic.spawn("clean, new connections", 4, [SECOND / 8, SHORT], |index| {
        clean::Clean::new(addr, index, false)
    });
    traffic.spawn("probes", 4, [SECOND / 20, SHORT], |index| {
        probes::Probes::new(addr, index)
    });
    traffic.spawn("banned", 8, [SECOND, SECOND * 12], |_| {
        banned::Banned::new(addr)
    });
    traffic.spawn("limited", 2, [SECOND, SECOND * 3], |_| {
        limited::Limited::new(addr)
    });
    traffic.spawn("slow heads", 8, [SECOND, SECOND * 80], |_| {
        slow::SlowHeads::new(addr, stop.clone())
    });
    traffic.spawn("stalled bodies", 8, [SECOND, SECOND * 12], |_| {
        slow::StalledBodies::new(addr)
    });
    traffic.spawn("slow bodies", 4, [SECOND, SECOND * 6], |index| {
        slow::SlowBodies::new(addr, index)
    });
    traffic.spawn("slow readers", 4, [SECOND, SECOND * 6], |index| {
        slow::SlowReaders::new(addr, index)
    });
    traffic.spawn("aborted downloads", 4, [SECOND, SECOND * 5], |index| {
        slow::AbortedDownloads::new(addr, index)
    });
    traffic.spawn("sockets, long", 60, [SECOND, SHORT], |index| {
        sockets::Long::new(addr, index)
    });
    traffic.spawn("sockets, short", 4, [SECOND / 2, SHORT], |index| {
        sockets::Short::new(addr, index)
    });
    traffic.spawn("sockets, quiet", 8, [SECOND, SECOND * 10], |index| {
        sockets::Quiet::new(addr, index)
    });
    traffic.spawn("sockets, malformed", 5, [SECOND, SECOND], |index| {
        misbehaving::Malformed::new(addr, index)
    });
    traffic.spawn("sockets, unresponsive", 8, [SECOND, SECOND * 10], |_| {
        misbehaving::Unresponsive::new(addr)
    });
    traffic.spawn("sockets, not read", 2, [SECOND, SECOND * 12], |_| {
        misbehaving::Unread::new(addr)
    });
    traffic.spawn("sockets, banned", 2, [SECOND, SECOND * 6], |_| {
        misbehaving::Injecting::new(addr)
    });
    traffic.spawn("events", 8, [SECOND, SECOND * 15], |index| {
        streams::Events::new(addr, index)
    });
    traffic.spawn("broken responses", 2, [SECOND, SHORT], |index| {
        broken::Broken::new(addr, index)
    });
    traffic.spawn("reloads", 1, [SECOND * 5, SECOND * 5], |_| {
        reloads::Reloads::new(addr, Rc::clone(files))
    });
}
