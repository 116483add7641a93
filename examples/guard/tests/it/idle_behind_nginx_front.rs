//! What the guard learns of the timer of an nginx in front of it.

use crate::idle_behind_nginx::{TIMER, both};

#[tokio::test]
async fn timer_in_front_that_cuts_silent_sockets_is_named_with_its_seconds() {
    let Some((before, _)) = both("silent-front", TIMER, "ping = 'off'").await else {
        return;
    };
    before.is_cut().await;
    before.guard.logged(["D01", " after 3."]).await;
    let log = before.guard.log();
    assert!(!log.contains("D02"), "{log}");
}
