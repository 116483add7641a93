//! The idle timeout of a real nginx, in front of the guard and behind it.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion_testkit::{Backend, Nginx, PASSES_UPGRADES, TempFolder, program};
use tokio::{join, time::timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{Guard, runs_long_tests};

/// The idle timeout of the short tests. The default of nginx is 60 s.
const TIMER: &str = "proxy_read_timeout 3s;";
/// The number of cuts after which the guard reports an idle timeout.
const ENOUGH: usize = 3;

/// nginx, a guard and an echo server, in the order of the test.
struct Chain {
    /// The address for the client.
    front: SocketAddr,
    guard: Guard,
    _nginx: Nginx,
    _behind: Backend,
    _policy: TempFolder,
}

#[tokio::test]
async fn pings_keep_a_silent_websocket_open() {
    let Some((before, behind)) = both("pinged", TIMER, "ping = '1s'").await else {
        return;
    };
    let silence = Duration::from_secs(10);
    assert_eq!(
        join!(before.survives(silence), behind.survives(silence)),
        (true, true)
    );
    for chain in [before, behind] {
        let log = chain.guard.log();
        assert!(!log.contains("D01") && !log.contains("D02"), "{log}");
    }
}

#[tokio::test]
async fn idle_timeout_is_diagnosed_with_its_length_and_side() {
    let Some((before, behind)) = both("silent", TIMER, "ping = 'off'").await else {
        return;
    };
    join!(before.is_cut(), behind.is_cut());
    before.guard.logged(["D01", " after 3."]).await;
    behind.guard.logged(["D02", " after 3."]).await;
    for (chain, other) in [(before, "D02"), (behind, "D01")] {
        let log = chain.guard.log();
        assert!(!log.contains(other), "{log}");
    }
}

/// Three minutes with the default settings of nginx and the guard; only if `GABION_LONG_TESTS` is set.
#[tokio::test]
async fn default_settings_keep_a_silent_websocket_open_for_three_minutes() {
    if !runs_long_tests() {
        return;
    }
    let Some((before, behind)) = both("defaults", "", "").await else {
        return;
    };
    let silence = Duration::from_mins(3);
    assert_eq!(
        join!(before.survives(silence), behind.survives(silence)),
        (true, true)
    );
}

/// Starts a chain with nginx in front of the guard, and one with nginx behind it. Returns `None`, with a
/// message, if nginx is not installed.
async fn both(test: &str, timer: &str, upgrade: &str) -> Option<(Chain, Chain)> {
    let nginx = program("nginx")?;
    let lines = format!("{PASSES_UPGRADES}{timer}");
    let policy = |name: &str| {
        let folder = TempFolder::new(&format!("idle-{test}-{name}"));
        let file = folder.replace(
            "policy.toml",
            &format!("version = 1\n[upgrade]\n{upgrade}\n"),
        );
        (folder, file)
    };
    let before = {
        let (folder, file) = policy("before");
        let behind = Backend::start().await;
        let guard = Guard::start(&["--policy", &file, "--upstream", &behind.url()]).await;
        let nginx = Nginx::start(&nginx, &format!("{test}-before"), guard.addr(), &lines).await;
        Chain {
            front: nginx.addr(),
            guard,
            _nginx: nginx,
            _behind: behind,
            _policy: folder,
        }
    };
    let (folder, file) = policy("behind");
    let behind = Backend::start().await;
    let nginx = Nginx::start(&nginx, &format!("{test}-behind"), behind.addr(), &lines).await;
    let upstream = format!("http://{}", nginx.addr());
    let guard = Guard::start(&["--policy", &file, "--upstream", &upstream]).await;
    let chain = Chain {
        front: guard.addr(),
        guard,
        _nginx: nginx,
        _behind: behind,
        _policy: folder,
    };
    Some((before, chain))
}

// === impl Chain ===

impl Chain {
    /// Returns `true` if a WebSocket still echoes after this time without messages. Pings are answered.
    async fn survives(&self, silence: Duration) -> bool {
        let url = format!("ws://{}/ws", self.front);
        let mut socket = connect_async(url).await.unwrap().0;
        let end = async {
            while let Some(Ok(message)) = socket.next().await {
                assert!(message.is_ping() || message.is_close(), "{message:?}");
            }
        };
        if timeout(silence, end).await.is_ok() {
            return false;
        }
        socket.send(Message::text("still here")).await.unwrap();
        let echo = async {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    return message == Message::text("still here");
                }
            }
            false
        };
        timeout(Duration::from_secs(5), echo).await.unwrap_or(false)
    }

    /// Asserts that silent WebSockets are cut.
    async fn is_cut(&self) {
        for _ in 0..ENOUGH {
            assert!(!self.survives(Duration::from_secs(10)).await);
        }
    }
}
