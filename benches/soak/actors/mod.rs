//! Who comes: each at a steady rate, whatever the others do.

mod banned;
mod broken;
mod clean;
mod limited;
mod newcomers;
mod probes;
mod reloads;
mod rude;
mod slow;
mod sockets;
mod streams;

use std::{rc::Rc, time::Duration};

pub(crate) use newcomers::fill;

use crate::{policy::Files, stage::Stage};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::ZERO;

/// Has all of them come: about 300 requests a second, 90 WebSockets, 30 slow clients.
pub(crate) fn all(stage: &mut Stage, files: &Rc<Files>) {
    let addr = stage.addr;
    let curtain = stage.curtain();
    stage.play("clean, kept alive", 16, [SECOND / 10, SHORT], |lane| {
        clean::Clean::new(addr, lane, true)
    });
    stage.play("clean, a connection each", 4, [SECOND / 8, SHORT], |lane| {
        clean::Clean::new(addr, lane, false)
    });
    stage.play("probes", 4, [SECOND / 20, SHORT], |lane| {
        probes::Probes::new(addr, lane)
    });
    stage.play("banned", 8, [SECOND, SECOND * 12], |_| {
        banned::Banned::new(addr)
    });
    stage.play("limited", 2, [SECOND, SECOND * 3], |_| {
        limited::Limited::new(addr)
    });
    stage.play("slow heads", 8, [SECOND, SECOND * 80], |_| {
        slow::Heads::new(addr, curtain.clone())
    });
    stage.play("stalled bodies", 8, [SECOND, SECOND * 12], |_| {
        slow::Stalled::new(addr)
    });
    stage.play("slow bodies", 4, [SECOND, SECOND * 6], |lane| {
        slow::Bodies::new(addr, lane)
    });
    stage.play("slow readers", 4, [SECOND, SECOND * 6], |lane| {
        slow::Readers::new(addr, lane)
    });
    stage.play("readers that leave", 4, [SECOND, SECOND * 5], |lane| {
        slow::Leavers::new(addr, lane)
    });
    stage.play("sockets, long", 60, [SECOND, SHORT], |lane| {
        sockets::Long::new(addr, lane)
    });
    stage.play("sockets, short", 4, [SECOND / 2, SHORT], |lane| {
        sockets::Short::new(addr, lane)
    });
    stage.play("sockets, quiet", 8, [SECOND, SECOND * 10], |lane| {
        sockets::Quiet::new(addr, lane)
    });
    stage.play("sockets, rude", 5, [SECOND, SECOND], |lane| {
        rude::Rude::new(addr, lane)
    });
    stage.play("sockets, dead", 8, [SECOND, SECOND * 10], |_| {
        rude::Dead::new(addr)
    });
    stage.play("sockets, not read", 2, [SECOND, SECOND * 12], |_| {
        rude::Unread::new(addr)
    });
    stage.play("sockets, banned", 2, [SECOND, SECOND * 6], |_| {
        rude::Injecting::new(addr)
    });
    stage.play("events", 8, [SECOND, SECOND * 15], |lane| {
        streams::Events::new(addr, lane)
    });
    stage.play("broken answers", 2, [SECOND, SHORT], |lane| {
        broken::Broken::new(addr, lane)
    });
    stage.play("reloads", 1, [SECOND * 5, SECOND * 5], |_| {
        reloads::Reloads::new(addr, Rc::clone(files))
    });
}
