//! The client is found by one header of a CDN or by the number of hops, and never by an untrusted
//! header.

use crate::support::in_process::{InProcess, get, guarded};

fn server(client: &str) -> InProcess {
    guarded(&format!(
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
        let server = server(&format!("header = \"{header}\""));
        let request = |from: &str| get("/").from(from).header(header, value);
        assert_eq!(
            server.verdict(request("10.0.0.1")),
            "403 ban/list",
            "{header}"
        );
        assert_eq!(
            server.verdict(request("198.51.100.1")),
            "200",
            "{header} by a stranger"
        );
        let forged = request("10.0.0.1").header(header, "198.51.100.2");
        assert_eq!(
            server.verdict(forged),
            "200",
            "{header} twice names no client"
        );
        let other = get("/").from("10.0.0.1").xff("203.0.113.9");
        assert_eq!(server.verdict(other), "200", "{header} and no other");
    }
}

#[test]
fn hops_are_counted_regardless_of_their_addresses() {
    let server = server("hops = 2");
    let request = |line: &str| get("/").from("10.0.0.1").xff(line);
    assert_eq!(
        server.verdict(request("6.6.6.6, 203.0.113.9, 198.51.100.2")),
        "403 ban/list"
    );
    assert_eq!(
        server.verdict(request("203.0.113.9, 6.6.6.6, 198.51.100.2")),
        "200"
    );
}
