use tokio::net::TcpListener;

use super::examine;

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
