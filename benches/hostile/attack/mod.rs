//! Hostile clients of one kind, in a child process of lower priority.
//!
//! The child gets [`ROLE`], the name of the kind, the address of the proxy and the number of clients. Each client
//! that is cut connects again, until a line on the standard input; from then on, the child waits until the last
//! connection is cut, at a twentieth of the rate. It ends with the last connection, or at the end of the input,
//! and prints the [`Cuts`].

mod http1;
mod http2;
mod websocket;

use std::{
    cell::Cell,
    env,
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    rc::Rc,
    thread,
    time::Duration,
};

use gabion_benches::process::{OTHER_CORE, pinned};
use tokio::{
    net::TcpStream,
    runtime::Builder,
    select,
    sync::mpsc,
    task::{JoinSet, LocalSet},
    time::{Instant, sleep},
};

use crate::{
    address::{Addresses, connect},
    kind::{Attack, Kind},
};

/// The argument that runs this program as hostile clients.
pub(crate) const ROLE: &str = "attack";

/// The child process. Dropping it ends all its connections.
pub(crate) struct Running(Child);

/// The ends of hostile connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cuts {
    /// The number of connections that were opened.
    pub(crate) opened: u32,
    /// The number of connections that are still open.
    pub(crate) open: u32,
    /// The longest time until a connection was cut, since its client made the last regular progress.
    pub(crate) longest: Duration,
}

/// The state of all clients of the child.
#[derive(Debug, Default)]
struct State {
    opened: Cell<u32>,
    open: Cell<u32>,
    longest: Cell<Duration>,
    /// `true` once clients do not connect again.
    waits: Cell<bool>,
}

/// A hostile client with an open connection.
struct Client<'s> {
    kind: &'static Kind,
    stream: TcpStream,
    state: &'s State,
    /// The time from which the deadline counts.
    since: &'s Cell<Instant>,
}

/// The time in which the first connections are opened, and the pause of a client before the next one.
const RAMP: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(1);

/// A client that does not read announces a small window, so that the kernel holds little of the response.
const SMALL_BUFFER: u32 = 4096;

/// Attacks until the end of the standard input, and prints the [`Cuts`].
pub(crate) fn run(kind: &str, addr: &str, clients: &str) {
    let kind = Kind::named(kind).expect("the name of a kind");
    let addr = addr.parse().expect("an address");
    let clients = clients.parse().expect("a number of clients");
    let (sender, mut lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let state = Rc::<State>::default();
    let runtime = Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        let mut slots = JoinSet::new();
        for nth in 0..clients {
            slots.spawn_local(slot(kind, addr, (nth, clients), Rc::clone(&state)));
        }
        loop {
            select! {
                line = lines.recv() => match line {
                    Some(_) => state.waits.set(true),
                    None => return,
                },
                ended = slots.join_next() => match ended {
                    Some(ended) => ended.expect("no client panics"),
                    None => return,
                },
            }
        }
    });
    println!(
        "{} {} {}",
        state.opened.get(),
        state.open.get(),
        state.longest.get().as_millis()
    );
}

/// Keeps one connection open, until the attack waits for its end.
async fn slot(kind: &'static Kind, addr: SocketAddr, (nth, clients): (u32, u32), state: Rc<State>) {
    let nth_address = u8::try_from(nth % u32::from(kind.addresses)).expect("a small number");
    let from = Addresses::find().hostile(nth_address);
    let reads = !matches!(kind.attack, Attack::Unread | Attack::SlowReader);
    let buffer = (!reads).then_some(SMALL_BUFFER);
    sleep(RAMP * nth / clients).await;
    while !state.waits.get() {
        if let Ok(stream) = connect(addr, from, buffer).await {
            state.opened.update(|opened| opened + 1);
            state.open.update(|open| open + 1);
            let since = Cell::new(Instant::now());
            let client = Client {
                kind,
                stream,
                state: &state,
                since: &since,
            };
            // An error is the end of the connection, too.
            let _ = client.attack().await;
            state.open.update(|open| open - 1);
            state
                .longest
                .update(|longest| longest.max(since.get().elapsed()));
        }
        sleep(PAUSE).await;
    }
}

// === impl Client ===

impl Client<'_> {
    /// Attacks until the connection is cut.
    async fn attack(self) -> io::Result<()> {
        let rate = self.kind.rate;
        match self.kind.attack {
            Attack::SlowHead => self.slow_head().await,
            Attack::SlowBody => self.slow_body().await,
            Attack::Unread => self.read_slowly(0).await,
            Attack::SlowReader => self.read_slowly(rate).await,
            Attack::Idle => self.idle().await,
            Attack::PartialHead => self.partial_head().await,
            Attack::DeniedTargets => self.long_targets("GET /.git/").await,
            Attack::FailedUpstream => self.long_targets("POST /fail?").await,
            Attack::Inflation => self.inflation().await,
            Attack::Fragments => self.fragment().await,
            Attack::UnreadStreams
            | Attack::StalledStreams
            | Attack::IdleStreams
            | Attack::Settings
            | Attack::Pings
            | Attack::WindowUpdates
            | Attack::RapidReset
            | Attack::Continuation
            | Attack::Headers
            | Attack::EmptyData => self.http2().await,
        }
    }
}

// === impl Running ===

impl Running {
    /// Starts `clients` hostile clients.
    pub(crate) fn start(kind: &Kind, addr: SocketAddr, clients: u32) -> Self {
        let mut command = Command::new("nice");
        // The priority of honest clients and of the upstream server on the same core is higher, so that the
        // load of the attack itself does not delay them.
        command
            .args(["-n", "15"])
            .arg(env::current_exe().expect("this program"));
        command.args([ROLE, kind.name, &addr.to_string(), &clients.to_string()]);
        let mut command = pinned(OTHER_CORE, &command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("taskset is of util-linux"))
    }

    /// Waits until the last connection is cut, for `most` at the longest.
    pub(crate) fn wait(mut self, most: Duration) -> Cuts {
        let mut stdin = self.0.stdin.take().expect("a pipe");
        // If all have ended already, nobody reads.
        let _ = stdin.write_all(b"wait\n");
        let start = std::time::Instant::now();
        while start.elapsed() < most && self.0.try_wait().expect("a child").is_none() {
            thread::sleep(Duration::from_millis(100));
        }
        drop(stdin);
        let mut report = String::new();
        let stdout = self.0.stdout.as_mut().expect("a pipe");
        stdout.read_to_string(&mut report).expect("the report");
        let mut figures = report
            .split_whitespace()
            .map(|figure| figure.parse().expect("a number"));
        let mut figure = || figures.next().expect("three numbers");
        Cuts {
            opened: figure(),
            open: figure(),
            longest: Duration::from_millis(figure().into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
