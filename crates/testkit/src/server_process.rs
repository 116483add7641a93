//! A third-party server, started for one test.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{TempFolder, program};

/// The number of checks for the start of a server, 50 ms apart.
const CHECKS: usize = 1200;

/// A running server, with its files in a temporary folder.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    folder: TempFolder,
}

impl ServerProcess {
    /// Runs `server` in `folder`, and returns after its log contains `ready`. The server ends with
    /// this value, or with the thread that started it. If `setpriv`, which ensures that, is not
    /// installed, prints `SKIPPED` and returns `None`.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test writes the log of its server"
    )]
    pub async fn start(
        folder: TempFolder,
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
        for _ in 0..CHECKS {
            if running.log().contains(ready) {
                return Some(running);
            }
            let ended = running.child.try_wait().unwrap();
            assert_eq!(ended, None, "{}", running.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} does not start:\n{}", server.display(), running.log());
    }

    /// The log so far.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test reads the log of its server"
    )]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
