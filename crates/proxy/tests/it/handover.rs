//! Listening sockets pass from a process to its successor.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    num::NonZeroUsize,
    os::unix::net::UnixListener,
    sync::mpsc::{self, Receiver},
    thread,
};

use gabion_proxy::{Handover, Listener, ServeOptions, take_over};
use gabion_testkit::TempFolder;

/// Offers `socket` at `guard.sock` in `folder`; the receiver is told when it is replaced.
fn offer(folder: &TempFolder, socket: &TcpListener) -> (Handover, Receiver<()>) {
    let (sender, replaced) = mpsc::channel();
    let sockets = vec![socket.try_clone().unwrap()];
    let path = folder.path().join("guard.sock");
    let handover = Handover::offer(&path, sockets, move || sender.send(()).unwrap());
    (handover.unwrap(), replaced)
}

#[test]
fn connections_that_wait_are_accepted_by_the_successor() {
    let folder = TempFolder::new("handover-queue");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let (handover, replaced) = offer(&folder, &socket);
    let mut waits = TcpStream::connect(addr).unwrap();
    waits.write_all(b"hello").unwrap();

    let mut predecessor = take_over(&folder.path().join("guard.sock"))
        .unwrap()
        .unwrap();
    assert!(
        predecessor
            .sockets("127.0.0.1:1".parse().unwrap())
            .is_empty()
    );
    let sockets = predecessor.sockets(addr);
    predecessor.replace().unwrap();
    replaced.recv().unwrap();
    drop((socket, handover));

    let (mut accepted, _) = sockets[0].accept().unwrap();
    let mut received = [0; 5];
    accepted.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"hello");
}

#[test]
fn predecessor_goes_on_if_its_successor_fails() {
    let folder = TempFolder::new("handover-failure");
    let path = folder.path().join("guard.sock");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (handover, replaced) = offer(&folder, &socket);
    drop(take_over(&path).unwrap().unwrap());
    let second = take_over(&path).unwrap().expect("the offer stands");
    assert!(replaced.try_recv().is_err());
    second.replace().unwrap();
    replaced.recv().unwrap();
    drop(handover);
}

#[test]
fn offer_replaces_that_of_a_predecessor_and_is_withdrawn() {
    let folder = TempFolder::new("handover-chain");
    let path = folder.path().join("guard.sock");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let (first, replaced) = offer(&folder, &socket);
    let mut predecessor = take_over(&path).unwrap().unwrap();
    let taken = predecessor.sockets(addr).pop().unwrap();
    let (second, _) = offer(&folder, &taken);
    predecessor.replace().unwrap();
    replaced.recv().unwrap();
    // That of the predecessor must not withdraw it.
    drop(first);
    assert!(take_over(&path).unwrap().is_some());
    drop(second);
    assert!(take_over(&path).unwrap().is_none());
    assert!(!path.exists());
}

#[test]
fn stale_socket_is_replaced_and_another_program_is_an_error() {
    let folder = TempFolder::new("handover-other");
    let path = folder.path().join("guard.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(take_over(&path).unwrap().is_none());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    drop(offer(&folder, &socket));

    let other = UnixListener::bind(&path).unwrap();
    let answer = thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian\n").unwrap();
    });
    let error = take_over(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not an offer of sockets: `SSH-2.0-OpenSSH_9.2p1 Debia`"
    );
    answer.join().unwrap();
}

#[test]
fn other_users_cannot_take_the_sockets() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempFolder::new("handover-mode");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let _offer = offer(&folder, &socket);
    let mode = folder.path().join("guard.sock").metadata().unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn more_sockets_than_one_message_holds_are_an_error() {
    let folder = TempFolder::new("handover-many");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let sockets = (0..254).map(|_| socket.try_clone().unwrap()).collect();
    let path = folder.path().join("guard.sock");
    let error = Handover::offer(&path, sockets, || {}).unwrap_err();
    assert!(error.to_string().contains("use fewer workers"), "{error}");
}

#[test]
fn workers_share_a_socket_that_cannot_have_another_beside_it() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let listener = Listener::from_sockets(vec![socket], ServeOptions::default()).unwrap();
    let three = NonZeroUsize::new(3).unwrap();
    let listener = listener.with_sockets(three).unwrap();
    assert_eq!(listener.sockets().len(), 3);
    let _client = TcpStream::connect(addr).unwrap();
    assert!(listener.sockets()[2].accept().is_ok());
    assert!(Listener::from_sockets(Vec::new(), ServeOptions::default()).is_err());
}
