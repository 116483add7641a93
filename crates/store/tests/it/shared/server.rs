//! A Redis server in a temporary folder, and instances that share their bans by it.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Weak},
};

use gabion_core::{BanSource, ChangeListener, UpdateOrigin};
use gabion_store::{SharedBans, SharedOptions};
use gabion_testkit::{Recorder, TempFolder, program};

use crate::support::{LONG, Table, wait_until};

/// A `redis-server` on a socket in its folder, without persistence. Dropping it kills it.
pub(super) struct RedisServer {
    program: PathBuf,
    folder: TempFolder,
    args: Vec<&'static str>,
    child: Child,
}

/// An instance: a table of bans and its exchange.
pub(super) struct Instance {
    pub(super) table: Arc<Table>,
    pub(super) shared: Arc<SharedBans>,
    pub(super) recorder: Arc<Recorder>,
}

// === impl RedisServer ===

impl RedisServer {
    /// `None` if no server is installed.
    pub(super) fn start(args: &[&'static str]) -> Option<Self> {
        let program = program("redis-server")?;
        let folder = TempFolder::new("redis");
        let child = spawn(&program, &folder, args);
        let server = Self {
            program,
            folder,
            args: args.to_vec(),
            child,
        };
        server.wait();
        Some(server)
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.file("socket"))
    }

    pub(super) fn options(&self) -> SharedOptions {
        SharedOptions::new(&self.url()).unwrap()
    }

    /// A connection for commands of a test.
    pub(super) fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url())
            .unwrap()
            .get_connection()
            .unwrap()
    }

    fn wait(&self) {
        wait_until("redis-server listens", || {
            let client = redis::Client::open(self.url()).unwrap();
            // A server that asks for a password listens, too.
            client.get_connection().map_or_else(
                |error| error.to_string().contains("NOAUTH"),
                |mut open| {
                    let pong: redis::RedisResult<String> = redis::cmd("PING").query(&mut open);
                    pong.map_or_else(
                        |error| error.to_string().contains("uthentication"),
                        |_| true,
                    )
                },
            )
        });
    }

    /// Kills the process: what it has in memory is lost.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.program, &self.folder, &self.args);
        self.wait();
    }

    /// Sends a signal such as `STOP`.
    pub(super) fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.child.id().to_string());
        let sent = Command::new("kill").args([signal, pid]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    pub(super) fn instance(&self) -> Instance {
        Instance::start(self.options(), Arc::default())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &PathBuf, folder: &TempFolder, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(["--port", "0", "--unixsocket", "socket", "--save", ""]);
    command.args(args).current_dir(folder.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

// === impl Instance ===

impl Instance {
    pub(super) fn start(options: SharedOptions, table: Arc<Table>) -> Self {
        let recorder = Arc::new(Recorder::default());
        let peer = Arc::clone(&table);
        let shared = SharedBans::start(options, recorder.clone(), move |update| {
            peer.apply_from(&update, UpdateOrigin::Peer);
        });
        let shared = Arc::new(shared.unwrap());
        let listener: Arc<dyn ChangeListener> = shared.clone();
        table.subscribe(Arc::downgrade(&listener));
        let source: Weak<dyn BanSource> = Arc::downgrade(&(table.clone() as Arc<dyn BanSource>));
        shared.attach(source);
        Self {
            table,
            shared,
            recorder,
        }
    }

    #[track_caller]
    pub(super) fn ready(self) -> Self {
        assert!(self.shared.wait_ready(LONG), "{:?}", self.shared.status());
        self
    }
}

/// Waits until all instances and a new one have the same bans, and returns their number.
#[track_caller]
pub(super) fn converge(server: &RedisServer, instances: &[Instance], at_least: usize) -> usize {
    let banned = |instance: &Instance| instance.table.banned();
    wait_until("the instances have the same bans", || {
        let first = banned(&instances[0]);
        let is_idle = |instance: &Instance| instance.shared.status().queued == 0;
        first.len() >= at_least
            && instances.iter().all(is_idle)
            && instances.iter().all(|instance| banned(instance) == first)
    });
    let new = server.instance().ready();
    wait_until("a new instance has the same bans", || {
        banned(&new) == banned(&instances[0])
    });
    banned(&new).len()
}
