//! The load over HTTPS: full handshakes (openssl), and requests over HTTP/1.1 and HTTP/2 (h2load).

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use gabion_benches::process::{OTHER_CORE, Running, pinned};
use gabion_testkit::program;

use crate::load::{BROWSER, PAGE, Run, figure};

/// The load generators, and the duration of one run.
pub(crate) struct TlsLoad {
    openssl: PathBuf,
    h2load: PathBuf,
    seconds: u64,
}

/// What the clients of a run do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TlsWorkload {
    /// Full handshakes of TLS 1.3 (RFC 8446, 2), without a request.
    Handshake,
    /// A GET over HTTP/1.1, on connections that are kept.
    Http1,
    /// A GET over HTTP/2, on connections that are kept.
    Http2,
}

/// The number of clients that open connections, one after the other each.
const CLIENTS: usize = 8;

// === impl TlsLoad ===

impl TlsLoad {
    /// Finds the load generators. Prints a note and returns `None` if one is not installed.
    pub(crate) fn new(seconds: u64) -> Option<Self> {
        Some(Self {
            openssl: program("openssl")?,
            h2load: program("h2load")?,
            seconds,
        })
    }

    /// Loads a proxy at its maximum rate.
    pub(crate) fn measure(&self, running: &Running, workload: TlsWorkload) -> Run {
        let before = running.cpu();
        let done = match workload {
            TlsWorkload::Handshake => self.handshakes(running),
            TlsWorkload::Http1 => self.requests(running, "http/1.1", &["--h1", "-c", "64"]),
            TlsWorkload::Http2 => self.requests(running, "h2", &["-c", "16", "-m", "4"]),
        };
        Run::new(running.cpu() - before, done, self.seconds)
    }

    /// Completes handshakes of new sessions, and returns their number.
    fn handshakes(&self, running: &Running) -> f64 {
        let mut client = Command::new(&self.openssl);
        client.args(["s_time", "-new", "-tls1_3", "-connect"]);
        client.args([
            &running.addr.to_string(),
            "-time",
            &self.seconds.to_string(),
        ]);
        let mut client = pinned(OTHER_CORE, &client);
        client.stdout(Stdio::piped()).stderr(Stdio::piped());
        let clients: Vec<Child> = (0..CLIENTS)
            .map(|_| client.spawn().expect("openssl runs"))
            .collect();
        let count = |client: Child| {
            let stdout = succeeded(&client.wait_with_output().expect("openssl ends"));
            figure(&stdout, " connections in ").expect("openssl prints the number of connections")
        };
        clients.into_iter().map(count).sum()
    }

    /// Sends requests over one protocol, and returns the number of successful responses.
    fn requests(&self, running: &Running, protocol: &str, connections: &[&str]) -> f64 {
        let mut h2load = Command::new(&self.h2load);
        h2load.args(["-t1", "-D", &self.seconds.to_string()]);
        h2load.args(connections);
        for (name, value) in BROWSER {
            h2load.arg(format!("--header={name}: {value}"));
        }
        let target = PAGE;
        h2load.arg(format!("https://{}{target}", running.addr));
        let output = pinned(OTHER_CORE, &h2load).output().expect("h2load runs");
        let stdout = succeeded(&output);
        let negotiated = ["TLS Protocol: TLSv1.3", "Application protocol: "].map(|label| {
            let line = stdout.lines().find(|line| line.starts_with(label));
            line.unwrap_or_else(|| panic!("no `{label}`: {stdout}"))
        });
        assert!(negotiated[1].ends_with(protocol), "{stdout}");
        let passed = figure(&stdout, " 2xx").expect("h2load prints the responses");
        for failures in [" 3xx", " 4xx", " 5xx"] {
            assert_eq!(figure(&stdout, failures), Some(0.0), "{stdout}");
        }
        passed
    }
}

/// Returns what a program printed. Panics with its errors if it failed.
fn succeeded(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes a self-signed certificate (ECDSA, P-256) into `folder`: `chain.pem`, `key.pem`, and `pair.pem` with both.
/// Prints a note and returns `None` if openssl is not installed.
pub(crate) fn write_certificate(folder: &Path) -> Option<()> {
    let mut openssl = Command::new(program("openssl")?);
    openssl.current_dir(folder);
    openssl.args([
        "req",
        "-x509",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=app.example",
    ]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-addext", "subjectAltName=DNS:app.example"]);
    openssl.args(["-out", "chain.pem", "-keyout", "key.pem"]);
    succeeded(&openssl.output().expect("openssl runs"));
    let read = |name| std::fs::read_to_string(folder.join(name)).expect("openssl wrote it");
    let pair = read("chain.pem") + &read("key.pem");
    std::fs::write(folder.join("pair.pem"), pair).expect("a file");
    Some(())
}

// === impl TlsWorkload ===

impl TlsWorkload {
    pub(crate) const ALL: [Self; 3] = [Self::Handshake, Self::Http1, Self::Http2];
}

impl fmt::Display for TlsWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Handshake => "handshake",
            Self::Http1 => "GET, HTTP/1.1",
            Self::Http2 => "GET, HTTP/2",
        })
    }
}
