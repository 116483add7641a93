//! Redis over TLS.

use std::{net::TcpListener, time::Instant};

use gabion_testkit::RedisServer;

use super::{POLICY, Shared, agree, client};
use crate::https::{Authority, Files};

/// A Redis that accepts TLS only, with a certificate of its own authority.
struct TlsRedis {
    _server: RedisServer,
    authority: Authority,
    url: String,
}

impl TlsRedis {
    /// Starts the server with a certificate for `name`. `None` if it is not installed.
    fn start(test: &str, name: &str) -> Option<Self> {
        let authority = Authority::new(test);
        let Files { chain, key } = authority.write("redis", &[name]);
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let args = [
            "--bind",
            "127.0.0.1",
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &chain,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &authority.file(),
            "--tls-auth-clients",
            "no",
        ];
        Some(Self {
            _server: RedisServer::start(&args)?,
            authority,
            url: format!("rediss://127.0.0.1:{port}"),
        })
    }

    /// Starts a guard that trusts the authority in that file, or those of the system.
    async fn guard(&self, ca: Option<&str>) -> Shared {
        let ca = ca.map(|file| ["--redis-ca", file]);
        let args = ca.as_ref().map_or(&[][..], |args| &args[..]);
        Shared::start_at(&self.url, POLICY, args).await
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn bans_are_shared_over_tls_with_an_authority_of_ones_own() {
    let Some(redis) = TlsRedis::start("redis-tls", "127.0.0.1") else {
        return;
    };
    let ca = redis.authority.file();
    let guards = [redis.guard(Some(&ca)).await, redis.guard(Some(&ca)).await];
    guards[0].offend(&client(1)).await;
    guards[1].offend(&client(2)).await;
    let took = agree(&guards, &[client(1), client(2)], 403, Instant::now()).await;
    println!("over TLS, both guards refuse both clients after {took:?}");
    assert_eq!(guards[0].status(&client(3)).await, 200);
}

#[tokio::test]
async fn an_untrusted_certificate_of_redis_is_reported_and_the_guard_runs_without_it() {
    let Some(redis) = TlsRedis::start("redis-untrusted", "127.0.0.1") else {
        return;
    };
    let other = Authority::new("redis-other-authority");
    // Both authorities have one name.
    for (ca, why) in [
        (None, "UnknownIssuer"),
        (Some(other.file()), "BadSignature"),
    ] {
        let why = format!("invalid peer certificate: {why}");
        assert_refused(&redis, ca.as_deref(), &why).await;
    }
    // It verifies the host, too.
    let named = TlsRedis::start("redis-name", "redis.example").unwrap();
    let ca = named.authority.file();
    assert_refused(&named, Some(&ca), "not valid for name").await;
}

async fn assert_refused(redis: &TlsRedis, ca: Option<&str>, why: &str) {
    let one = redis.guard(ca).await;
    let line = one
        .guard
        .logged(["bans of other instances do not arrive", why])
        .await;
    assert!(line.contains(&redis.url["rediss://".len()..]), "{line}");
    one.offend(&client(1)).await;
    assert_eq!(one.status(&client(1)).await, 403, "its own ban");
    assert_eq!(one.status(&client(2)).await, 200);
    assert!(one.operate(&["status"]).contains(why));
}

#[test]
fn invalid_authorities_are_an_error_at_the_start() {
    let authority = Authority::new("redis-ca-errors");
    let url = authority.write_file("url", "rediss://127.0.0.1:1");
    let plain = authority.write_file("plain", "redis://127.0.0.1:1");
    let (valid, text) = (authority.file(), authority.write_file("text.pem", "no PEM"));
    for (url, ca, error) in [
        (&url, &text, "no certificate in PEM"),
        (&url, &"/missing.pem".to_owned(), "No such file"),
        (&plain, &valid, "`rediss://`"),
    ] {
        let args = [
            "--listen",
            "127.0.0.1:0",
            "--redis-url-file",
            url,
            "--redis-ca",
            ca,
        ];
        let output = crate::support::guard(args);
        let stderr = crate::support::text(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains(error),
            "{stderr}"
        );
        assert!(stderr.contains(ca.as_str()), "{stderr}");
    }
}
