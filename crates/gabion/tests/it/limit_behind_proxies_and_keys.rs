//! Each client has its own budget, and nobody makes more of one: by no header, cookie or address.

use crate::support::in_process::{Ask, Wall, get};

fn wall(rule: &str) -> Wall {
    Wall::of(&format!(
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

/// How many of 200 requests pass; `ask` makes each.
fn passed(wall: &Wall, ask: impl Fn(usize) -> Ask) -> usize {
    (0..200)
        .filter(|&n| wall.send(ask(n)).status == 200)
        .count()
}

/// A different client each time.
fn client(n: usize) -> String {
    format!("198.51.100.{n}")
}

fn behind(chain: &str) -> Ask {
    get("/").from("10.0.0.1").xff(chain)
}

#[test]
fn clients_behind_a_balancer_have_a_budget_each() {
    let wall = wall("");
    assert_eq!(passed(&wall, |n| behind(&client(n))), 200);
    for n in [0, 100, 199] {
        assert_eq!(passed(&wall, |_| behind(&client(n))), 4, "one is used");
    }
}

#[test]
fn forged_chain_makes_no_other_client() {
    for forged in [
        |n| get("/").xff(&client(n)),
        |n| get("/").header("forwarded", &format!("for={}", client(n))),
        |n| get("/").header("x-real-ip", &client(n)),
        |n| behind(&format!("{}, 203.0.113.9", client(n))),
        |n| behind(&client(n)).xff("203.0.113.9"),
        |n| get("/").from(&format!("2001:db8::{n:x}")),
    ] as [fn(usize) -> Ask; 6]
    {
        assert_eq!(passed(&wall(""), forged), 5, "{:?}", forged(7));
    }
}

#[test]
fn balancer_itself_is_not_limited() {
    assert_eq!(passed(&wall(""), |_| get("/health").from("10.0.0.1")), 200);
}

#[test]
fn invented_token_is_held_to_the_ceiling_of_its_address() {
    let token = |n: usize| get("/").header("authorization", &format!("Bearer {n}"));
    let cookie = |n: usize| get("/").header("cookie", &format!("a=b; sid={n}"));
    let path = |n: usize| get(&format!("/{n}"));
    let by = |key: &str| wall(&format!("key = \"{key}\""));
    assert_eq!(passed(&by("header:authorization"), token), 50);
    assert_eq!(passed(&by("cookie:sid"), cookie), 50);
    assert_eq!(passed(&by("path"), path), 50);
    assert_eq!(
        passed(&wall("key = ['client', 'cookie:sid']\nceiling = 2"), cookie),
        10
    );
    assert_eq!(
        passed(&by("header:authorization"), |_| get("/")),
        5,
        "no token: by address"
    );
}

#[test]
fn token_has_one_budget_wherever_it_is_used() {
    let wall = wall("key = 'header:authorization'");
    let ask = |n: usize| {
        get("/")
            .from(&client(n))
            .header("authorization", "Bearer stolen")
    };
    assert_eq!(passed(&wall, ask), 5);
}

#[test]
fn many_addresses_of_one_network_are_held_by_its_prefix() {
    let by = wall("key = 'prefix'");
    assert_eq!(passed(&by, |n| get("/").from(&client(n))), 5);
    assert_eq!(
        passed(&by, |n| get("/").from(&format!("2001:db8:7:{n:x}::1"))),
        5
    );
    assert_eq!(
        passed(&wall("key = 'global'"), |n| get("/").from(&client(n))),
        5
    );
}

#[test]
fn preflight_is_free_and_not_without_end() {
    let wall = wall("");
    let preflight = |_| {
        let ask = get("/")
            .method("OPTIONS")
            .header("origin", "https://app.example");
        ask.header("access-control-request-method", "DELETE")
    };
    assert_eq!(passed(&wall, preflight), 50);
    assert_eq!(passed(&wall, |_| get("/").method("DELETE")), 5);
}
