//! The address that the guard listens on.

use crate::support::Guard;

#[tokio::test]
async fn second_guard_on_an_address_is_refused_unless_it_shares_the_port() {
    let first = Guard::start(&[]).await;
    let addr = first.addr().to_string();

    let mut second = Guard::spawn(&addr, &[]);
    assert!(!second.wait_for_exit().await.success());
    let error = second.log();
    let expected = format!("cannot listen on {addr}: Address already in use");
    assert!(
        error.contains(&expected) && error.contains("--share-port"),
        "{error}"
    );

    let sharing = Guard::start_on(&addr, &["--share-port"]).await;
    assert_eq!(sharing.addr(), first.addr());
    assert_eq!(first.status("/").await, 200);
}
