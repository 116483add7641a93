//! Bans by the policy of a route.

use std::{path::Path, time::Instant};

use gabion_testkit::{Backend, RedisServer, TempFolder};

use super::{Guard, SECOND, Shared, agree};

const MAIN: &str =
    "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n[ban]\nmost_percent = 100\n";
const ROUTE: &str = "version = 1\n[[deny]]\nid = 'trap'\nprefix = '/admin/trap'\nthen = 'ban 1h'\n";

/// Starts a guard whose policy has no rules, and a route whose policy has a trap.
async fn start(upstream: &Backend, redis: Option<&RedisServer>) -> Shared {
    let folder = TempFolder::new("route-bans");
    folder.write("policy.toml", MAIN);
    folder.write("admin.toml", ROUTE);
    let mut config = format!(
        "version = 1\npolicy = 'policy.toml'\nstate = 'state'\nREDIS[listen]\naddress = '127.0.0.1:0'\n\
         [[upstream]]\nname = 'app'\nservers = [{{ url = '{}' }}]\n\
         [[route]]\npath = '/admin'\nupstream = 'app'\npolicy = 'admin.toml'\n",
        upstream.url()
    );
    let url_file = redis.map(|redis| {
        folder.write("redis-url", &redis.url());
        "redis_url_file = 'redis-url'\n"
    });
    config = config.replace("REDIS", url_file.unwrap_or_default());
    let config = folder.write("guard.toml", &config);
    let guard = Guard::start_configured(Path::new(&config)).await;
    Shared { guard, folder }
}

/// Falls into the trap of the route.
async fn fall(guard: &Shared, client: &str) {
    let mut connection = guard.guard.connect().await;
    let head = format!(
        "DELETE /admin/trap HTTP/1.1\r\nHost: app.example\r\nX-Forwarded-For: {client}\r\n\r\n"
    );
    connection.send(head).await;
    let response = connection.response("DELETE").await;
    assert_eq!(response.expect("a response").status.as_u16(), 403);
}

async fn status_of(guard: &Shared, client: &str, path: &str) -> u16 {
    let header = format!("X-Forwarded-For: {client}\r\n");
    let response = guard.guard.connect().await.get(path, &header).await;
    response.expect("a response").status.as_u16()
}

#[tokio::test]
async fn a_ban_by_the_policy_of_a_route_holds_everywhere_and_after_a_restart() {
    let upstream = Backend::start().await;
    let mut shared = start(&upstream, None).await;
    let (banned, other) = ("203.0.113.9", "203.0.113.10");
    assert_eq!(shared.status(banned).await, 200);
    fall(&shared, banned).await;
    for path in ["/", "/admin", "/x"] {
        assert_eq!(status_of(&shared, banned, path).await, 403, "{path}");
        assert_eq!(status_of(&shared, other, path).await, 200, "{path}");
    }
    assert!(shared.operate(&["bans"]).contains("trap"));

    shared.guard.signal("TERM");
    assert!(shared.guard.wait_for_exit().await.success());
    let config = shared.folder.path().join("guard.toml");
    shared.guard = Guard::start_configured(&config).await;
    for path in ["/", "/admin"] {
        assert_eq!(
            status_of(&shared, banned, path).await,
            403,
            "{path} after a restart"
        );
        assert_eq!(
            status_of(&shared, other, path).await,
            200,
            "{path} after a restart"
        );
    }

    shared.operate(&["allow", banned, "--for", "1h", "--why", "a customer"]);
    for path in ["/", "/admin", "/admin/trap"] {
        assert_eq!(
            status_of(&shared, banned, path).await,
            200,
            "{path} with an exemption"
        );
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_ban_by_the_policy_of_a_route_binds_the_other_guards() {
    let Some(redis) = RedisServer::start(&[]) else {
        return;
    };
    let upstream = Backend::start().await;
    let guards = [
        start(&upstream, Some(&redis)).await,
        start(&upstream, Some(&redis)).await,
    ];
    let banned = ["203.0.113.9".to_owned()];
    fall(&guards[0], &banned[0]).await;
    let took = agree(&guards, &banned, 403, Instant::now()).await;
    assert!(took < 5 * SECOND, "{took:?}");
    assert_eq!(status_of(&guards[1], &banned[0], "/admin").await, 403);
    assert_eq!(status_of(&guards[1], "203.0.113.10", "/admin").await, 200);
}

/// Settings that would have no effect are an error, not silence.
#[tokio::test]
async fn settings_of_bans_in_the_policy_of_a_route_are_refused() {
    let folder = TempFolder::new("route-ban-settings");
    folder.write("policy.toml", MAIN);
    folder.write("crawlers.netset", "203.0.113.0/24\n");
    let config = "version = 1\npolicy = 'policy.toml'\n[[upstream]]\nname = 'app'\n\
                  servers = [{ url = 'http://127.0.0.1:1' }]\n[listen]\naddress = '127.0.0.1:0'\n\
                  [[route]]\npath = '/admin'\nupstream = 'app'\npolicy = 'admin.toml'\n";
    let config = folder.write("guard.toml", config);
    for (key, named) in [
        ("most_per_minute = 1", "`most_per_minute`"),
        ("growth = 2", "`growth`"),
        (
            "files = [{ file = 'crawlers.netset', effect = 'no-ban' }]",
            "no-ban",
        ),
    ] {
        folder.replace("admin.toml", &format!("version = 1\n[ban]\n{key}\n"));
        for args in [
            &["check", "--config", &*config][..],
            &["--config", &*config],
        ] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_guard"));
            let output = command.args(args).output().unwrap();
            let error = crate::support::text(&output.stderr);
            assert!(!output.status.success(), "{args:?} {key}");
            assert!(
                error.contains(named) && error.contains("admin.toml"),
                "{error}"
            );
        }
    }
}
