//! Each client has its own budget. No header, cookie or second address enlarges it.

use crate::support::in_process::{InProcess, get, guarded};
use gabion_testkit::TestRequest;

fn server(rule: &str) -> InProcess {
    guarded(&format!(
        r#"
        version = 1
        [client]
        trusted_proxies = ["10.0.0.0/8"]
        [[limit]]
        id = "x"
        rate = "5/m"
        mode = "enforce"
        {rule}
        "#
    ))
}

/// The number of 200 requests made by `request` that pass.
fn passed(server: &InProcess, request: impl Fn(usize) -> TestRequest) -> usize {
    (0..200)
        .filter(|&n| server.send(request(n)).status == 200)
        .count()
}

/// A different client for each number.
fn client(n: usize) -> String {
    format!("198.51.100.{n}")
}

fn backend(chain: &str) -> TestRequest {
    get("/").from("10.0.0.1").xff(chain)
}

#[test]
fn clients_behind_a_balancer_have_a_budget_each() {
    let server = server("");
    assert_eq!(passed(&server, |n| backend(&client(n))), 200);
    for n in [0, 100, 199] {
        assert_eq!(passed(&server, |_| backend(&client(n))), 4, "one is used");
    }
}

#[test]
fn forged_chain_does_not_change_the_client() {
    for forged in [
        |n| get("/").xff(&client(n)),
        |n| get("/").header("forwarded", &format!("for={}", client(n))),
        |n| get("/").header("x-real-ip", &client(n)),
        |n| backend(&format!("{}, 203.0.113.9", client(n))),
        |n| backend(&client(n)).xff("203.0.113.9"),
        |n| get("/").from(&format!("2001:db8::{n:x}")),
    ] as [fn(usize) -> TestRequest; 6]
    {
        assert_eq!(passed(&server(""), forged), 5, "{:?}", forged(7));
    }
}

#[test]
fn balancer_itself_is_not_limited() {
    assert_eq!(
        passed(&server(""), |_| get("/health").from("10.0.0.1")),
        200
    );
}

#[test]
fn clients_that_the_balancer_does_not_name_share_a_budget() {
    for chain in [
        |_| "unknown".to_owned(),
        |n| format!("{}, unknown", client(n)),
        |_| String::new(),
        |_| ", ,".to_owned(),
    ] as [fn(usize) -> String; 4]
    {
        let server = server("");
        assert_eq!(passed(&server, |n| backend(&chain(n))), 5, "{}", chain(7));
        assert_eq!(passed(&server, |_| get("/health").from("10.0.0.1")), 200);
    }
    for empty in [
        |n| backend(&format!("{},", client(n))),
        |n| backend(&format!("{}, , 10.0.0.2", client(n))),
        |n| backend(&client(n)).xff(""),
    ] as [fn(usize) -> TestRequest; 3]
    {
        let server = server("");
        assert_eq!(passed(&server, empty), 200, "a budget each");
        assert_eq!(passed(&server, |_| empty(7)), 4, "{:?}", empty(7));
    }
}

#[test]
fn forwarding_header_does_not_exempt_a_private_client() {
    let server = guarded(
        r#"
        version = 1
        [client]
        private = true
        [[limit]]
        id = "x"
        rate = "3/m"
        mode = "enforce"
        "#,
    );
    let request = |n: usize| {
        let request = get("/").from("192.168.0.9");
        match n % 4 {
            0 => request,
            1 => request.xff(&client(n)),
            2 => request.header("x-real-ip", &client(n)),
            _ => request.header("forwarded", "for=unknown"),
        }
    };
    assert_eq!(passed(&server, request), 3);
}

#[test]
fn invented_tokens_share_the_ceiling_of_their_address() {
    let token = |n: usize| get("/").header("authorization", &format!("Bearer {n}"));
    let cookie = |n: usize| get("/").header("cookie", &format!("a=b; sid={n}"));
    let path = |n: usize| get(&format!("/{n}"));
    let by = |key: &str| server(&format!("key = \"{key}\""));
    assert_eq!(passed(&by("header:authorization"), token), 50);
    assert_eq!(passed(&by("cookie:sid"), cookie), 50);
    assert_eq!(passed(&by("path"), path), 50);
    assert_eq!(
        passed(
            &server("key = ['client', 'cookie:sid']\nceiling = 2"),
            cookie
        ),
        10
    );
    assert_eq!(
        passed(&by("header:authorization"), |_| get("/")),
        5,
        "no token: by address"
    );
}

#[test]
fn token_has_one_budget_for_all_addresses() {
    let server = server("key = 'header:authorization'");
    let request = |n: usize| {
        get("/")
            .from(&client(n))
            .header("authorization", "Bearer stolen")
    };
    assert_eq!(passed(&server, request), 5);
}

#[test]
fn addresses_of_one_network_share_a_budget() {
    let by = server("key = 'prefix'");
    assert_eq!(passed(&by, |n| get("/").from(&client(n))), 5);
    assert_eq!(
        passed(&by, |n| get("/").from(&format!("2001:db8:7:{n:x}::1"))),
        5
    );
    assert_eq!(
        passed(&server("key = 'global'"), |n| get("/").from(&client(n))),
        5
    );
}

#[test]
fn preflight_requests_have_their_own_limit() {
    let server = server("");
    let preflight = |_| {
        let request = get("/")
            .method("OPTIONS")
            .header("origin", "https://app.example");
        request.header("access-control-request-method", "DELETE")
    };
    assert_eq!(passed(&server, preflight), 50);
    assert_eq!(passed(&server, |_| get("/").method("DELETE")), 5);
}
