//! The response to a denied request: an HTML page for browsers, text or JSON for other clients.

use gabion_testkit::{dump_dom, program};

use crate::support::Guard;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";

#[tokio::test]
async fn browser_gets_a_page_with_the_event_id_and_without_the_rule() {
    let guard = Guard::start(&[]).await;
    let mut wire = guard.connect().await;
    let page = wire.get("/x%3cb%3e/.env", BROWSER).await.unwrap();
    assert_eq!(page.status, 403);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    let html = page.text();
    assert!(html.contains("<h1>403 Forbidden</h1>"), "{html}");
    assert!(
        !html.contains("never/env") && !html.contains(".env"),
        "{html}"
    );
    let event = html.split_once("<dt>Event id</dt><dd>").unwrap().1;
    guard.logged(["rule=never/env", &event[..16]]).await;
}

#[tokio::test]
async fn other_clients_get_text_or_json() {
    let guard = Guard::start(&[]).await;
    let mut wire = guard.connect().await;
    for (accept, kind, begin) in [
        ("", "text/plain; charset=utf-8", "Forbidden\n"),
        (
            "Accept: */*\r\n",
            "text/plain; charset=utf-8",
            "Forbidden\n",
        ),
        (
            "Accept: application/json\r\n",
            "application/json",
            r#"{"error":"Forbidden""#,
        ),
        (
            "Accept: application/json, text/plain, */*\r\n",
            "text/plain; charset=utf-8",
            "Forbidden\n",
        ),
    ] {
        let response = wire.get("/.env", accept).await.unwrap();
        assert_eq!(response.status, 403);
        assert_eq!(response.headers["content-type"], kind, "{accept}");
        assert!(response.text().starts_with(begin), "{}", response.text());
        assert!(!response.headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn page_of_each_status_has_its_own_sentence() {
    let guard = Guard::start(&[]).await;
    for (target, status, words) in [
        ("/%00", 400, "could not read this request"),
        ("/ws", 426, "This address is a WebSocket"),
    ] {
        let page = guard.connect().await.get(target, BROWSER).await.unwrap();
        assert_eq!(page.status, status);
        assert!(page.text().contains(words), "{}", page.text());
    }
}

#[tokio::test]
async fn host_and_path_are_escaped_in_the_page() {
    let guard = Guard::start(&[]).await;
    let mut wire = guard.connect().await;
    // hyper itself rejects `<` in a target.
    let page = wire.get("/ws/&alert('1')", BROWSER).await;
    let html = page.unwrap().text();
    let address = "<dd>ws://localhost/ws/&amp;alert(&#39;1&#39;)</dd>";
    assert!(html.contains(address), "{html}");
}

#[tokio::test]
async fn chromium_applies_the_style_that_the_content_security_policy_names() {
    let Some(chromium) = program("chromium") else {
        return;
    };
    let guard = Guard::start(&[]).await;
    let html = dump_dom(&chromium, format!("http://{}/.env", guard.addr())).await;
    assert!(html.contains("<h1>403 Forbidden</h1>"), "{html}");
}
