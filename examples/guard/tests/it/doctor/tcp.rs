use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpListener, time::Instant};

use super::{examine, mock_server::MockServer};

#[tokio::test]
async fn name_without_an_address_is_reported() {
    let examination = examine(&["ws://no-such-host.invalid/ws"]).await;
    examination.assert_fails(
        "name",
        &["no-such-host.invalid has no address"],
        "an A or AAAA record for no-such-host.invalid",
    );
}

#[tokio::test]
async fn closed_port_is_reported_as_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let examination = examine(&[&format!("ws://{addr}/")]).await;
    let words = [
        &*addr.to_string(),
        "refuses",
        "nothing listens on that port",
    ];
    examination.assert_fails("connect", &words, &format!("should list {addr}"));
}

#[tokio::test]
async fn endless_response_is_read_to_a_limit_and_cut_in_the_report() {
    for (begin, more, step, words) in [
        (
            "HTTP/1.1 200 OK\r\nx: ",
            "and on ",
            "GET",
            ["W13", "not valid HTTP"],
        ),
        (
            "HTTP/1.1 200 OK\r\n",
            "x: y\r\n",
            "GET",
            ["W13", "not valid HTTP"],
        ),
        ("", "garbage", "GET", ["W13", "not valid HTTP"]),
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            "and on ",
            "handshake",
            ["W09", "and on and on"],
        ),
    ] {
        let endless = MockServer::raw(move |mut socket| async move {
            let _ = socket.write_all(begin.as_bytes()).await;
            let more = more.repeat(1000);
            while socket.write_all(more.as_bytes()).await.is_ok() {}
        });
        let (endless, began) = (endless.await, Instant::now());
        let examination = examine(&[&endless.url("ws")]).await;
        // Below the timeout for a response.
        assert!(
            began.elapsed() < Duration::from_secs(9),
            "{}",
            examination.stdout
        );
        examination.assert_fails(step, &words, "");
        assert!(examination.stdout.len() < 2000, "{}", examination.stdout);
    }
}
