//! The client is found by one header of a CDN, or by the number of hops, and by no stranger's word.

use crate::support::in_process::{Wall, get};

fn wall(client: &str) -> Wall {
    Wall::of(&format!(
        "version = 1\n[client]\ntrusted_proxies = [\"10.0.0.0/8\"]\n{client}\n\
         [ban]\nnetworks = [\"203.0.113.9\", \"2001:db8::7\"]\n"
    ))
}

#[test]
fn one_header_names_the_client() {
    for (header, value) in [
        ("cf-connecting-ip", "203.0.113.9"),
        ("true-client-ip", "2001:db8::7"),
        ("x-real-ip", "203.0.113.9"),
        ("cloudfront-viewer-address", "203.0.113.9:46532"),
    ] {
        let wall = wall(&format!("header = \"{header}\""));
        let ask = |from: &str| get("/").from(from).header(header, value);
        assert_eq!(wall.verdict(ask("10.0.0.1")), "403 ban/list", "{header}");
        assert_eq!(
            wall.verdict(ask("198.51.100.1")),
            "200",
            "{header} by a stranger"
        );
        let forged = ask("10.0.0.1").header(header, "198.51.100.2");
        assert_eq!(wall.verdict(forged), "200", "{header} twice names nobody");
        let other = get("/").from("10.0.0.1").xff("203.0.113.9");
        assert_eq!(wall.verdict(other), "200", "{header} and no other");
    }
}

#[test]
fn hops_are_counted_whoever_they_are() {
    let wall = wall("hops = 2");
    let ask = |line: &str| get("/").from("10.0.0.1").xff(line);
    assert_eq!(
        wall.verdict(ask("6.6.6.6, 203.0.113.9, 198.51.100.2")),
        "403 ban/list"
    );
    assert_eq!(
        wall.verdict(ask("203.0.113.9, 6.6.6.6, 198.51.100.2")),
        "200"
    );
}
