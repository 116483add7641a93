use tokio::net::TcpListener;

use super::{
    examine,
    stage::{Stage, Then},
};

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

/// `localhost` has an address of each kind where the machine speaks IPv6; the server has one.
#[tokio::test]
async fn address_that_refuses_beside_one_that_answers_is_only_noted() {
    let stage = Stage::start(|asked| asked.opened(Then::Echo)).await;
    let url = stage.url("ws");
    let named = tokio::net::lookup_host(("localhost", stage.port()))
        .await
        .unwrap();
    let both = named
        .collect::<Vec<_>>()
        .iter()
        .any(std::net::SocketAddr::is_ipv6);
    let examined = examine(&[&url]).await;
    examined.is_well();
    examined.says("ok", "connect", &["127.0.0.1:"]);
    if both {
        examined.says("note", "connect", &["[::1]:", "refuses", "first"]);
    }
}
