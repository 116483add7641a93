//! The clients of the soak. Each kind runs at a steady rate, independently of the others.

mod banned;
mod broken;
mod clean;
mod fill;
mod http2;
mod limited;
mod misbehaving;
mod probes;
mod reloads;
mod slow;
mod sockets;
mod stalled;
mod streams;

use std::{rc::Rc, time::Duration};

pub(crate) use fill::fill_tables;

use crate::{latencies::Latencies, policy::Files, traffic::Traffic};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::ZERO;

/// Spawns all clients: about 330 requests per second, 90 WebSockets, 45 slow clients. Response times of clean
/// requests go to `latencies`.
pub(crate) fn spawn_all(traffic: &mut Traffic, files: &Rc<Files>, latencies: &Rc<Latencies>) {
    let addr = traffic.addr;
    let stop = traffic.stop();
    traffic.spawn("clean, keep-alive", 16, [SECOND / 10, SHORT], |index| {
        clean::Clean::new(addr, index, true, Rc::clone(latencies))
    });
    traffic.spawn("clean, new connections", 4, [SECOND / 8, SHORT], |index| {
        clean::Clean::new(addr, index, false, Rc::clone(latencies))
    });
    traffic.spawn("clean, HTTP/2", 2, [SECOND / 4, SHORT], |index| {
        http2::Http2::new(addr, index, Rc::clone(latencies))
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
    traffic.spawn("paused downloads", 2, [SECOND, SECOND * 8], |index| {
        slow::PausedDownloads::new(addr, index)
    });
    traffic.spawn("uploads over reloads", 8, [SECOND, SECOND * 40], |index| {
        slow::LongUploads::new(addr, index)
    });
    traffic.spawn("stalled readers", 2, [SECOND, SECOND * 22], |index| {
        stalled::StalledReaders::new(addr, index)
    });
    traffic.spawn(
        "stalled readers, HTTP/2",
        2,
        [SECOND, SECOND * 22],
        |index| stalled::StalledHttp2Readers::new(addr, index),
    );
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
