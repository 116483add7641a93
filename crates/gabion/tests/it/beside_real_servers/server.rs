//! Servers that others wrote, each started for one test and ended with it.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use gabion_testkit::program;

use crate::support::in_process::Folder;

/// How often a server that starts is looked at, 50 ms apart.
const LOOKS: usize = 1200;

/// A running server, with all its files in a folder of its own.
pub(super) struct Server {
    child: Child,
    folder: Folder,
}

impl Server {
    /// Runs `program` in `folder`, and returns once it has said `ready`. It ends with this, or with
    /// the thread that started it; `None`, aloud, where what sees to that is not installed.
    #[expect(clippy::disallowed_methods, reason = "a test keeps what a server says")]
    pub(super) async fn start(
        folder: Folder,
        server: &Path,
        args: &[&str],
        ready: &str,
    ) -> Option<Self> {
        let bound = program("setpriv")?;
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(bound);
        command.args(["--pdeathsig", "KILL"]).arg(server).args(args);
        command.current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        let mut running = Self { child, folder };
        for _ in 0..LOOKS {
            if running.log().contains(ready) {
                return Some(running);
            }
            let ended = running.child.try_wait().unwrap();
            assert_eq!(ended, None, "{}", running.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} does not start:\n{}", server.display(), running.log());
    }

    /// What it has said.
    #[expect(clippy::disallowed_methods, reason = "a test reads what a server says")]
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
