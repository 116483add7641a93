use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpListener, time::Instant};

use super::{examine, stage::Stage};

#[tokio::test]
async fn name_without_an_address_is_named() {
    let examined = examine(&["ws://no-such-host.invalid/ws"]).await;
    examined.fails(
        "name",
        &["no-such-host.invalid has no address"],
        "a record A or AAAA for no-such-host.invalid",
    );
}

#[tokio::test]
async fn closed_port_is_told_from_a_firewall() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let examined = examine(&[&format!("ws://{addr}/")]).await;
    let words = [
        &*addr.to_string(),
        "refuses",
        "nothing listens on that port",
    ];
    examined.fails("connect", &words, &format!("look for {addr}"));
}

#[tokio::test]
async fn answer_without_an_end_is_read_to_a_bound_and_shown_in_part() {
    for (begin, more, step, words) in [
        (
            "HTTP/1.1 200 OK\r\nx: ",
            "and on ",
            "GET",
            ["W13", "no valid HTTP"],
        ),
        (
            "HTTP/1.1 200 OK\r\n",
            "x: y\r\n",
            "GET",
            ["W13", "no valid HTTP"],
        ),
        ("", "garbage", "GET", ["W13", "no valid HTTP"]),
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            "and on ",
            "handshake",
            ["W09", "and on and on"],
        ),
    ] {
        let endless = Stage::raw(move |mut socket| async move {
            let _ = socket.write_all(begin.as_bytes()).await;
            let more = more.repeat(1000);
            while socket.write_all(more.as_bytes()).await.is_ok() {}
        });
        let (endless, began) = (endless.await, Instant::now());
        let examined = examine(&[&endless.url("ws")]).await;
        // Not as long as an answer is waited for.
        assert!(
            began.elapsed() < Duration::from_secs(9),
            "{}",
            examined.said
        );
        examined.fails(step, &words, "");
        assert!(examined.said.len() < 2000, "{}", examined.said);
    }
}
