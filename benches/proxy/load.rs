//! The load over plain HTTP (wrk), and the processor time that it takes.

use std::{fmt, fs, path::PathBuf, process::Command};

use gabion_benches::{
    process::{OTHER_CORE, Running, pinned},
    reference::CLIENT,
};
use gabion_testkit::program;

/// The load generator wrk, and the duration of one run.
pub(crate) struct Load {
    wrk: PathBuf,
    script: PathBuf,
    seconds: u64,
}

/// The requests of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A GET with the headers of a browser.
    Get,
    /// A form of 1 KiB.
    Form,
    /// A JSON body of 4 KiB.
    Json,
    /// A request that a rule denies.
    Probe,
}

/// The result of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Processor time of the proxy for each request or handshake, in microseconds.
    pub(crate) micros: f64,
    /// Requests or handshakes per second.
    pub(crate) per_second: f64,
}

/// The number of connections, as on a small site.
const CONNECTIONS: &str = "64";

/// The headers of each request, as a browser behind a proxy sends them.
pub(crate) const BROWSER: [(&str, &str); 6] = [
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Cookie", "session=0123456789abcdef0123456789abcdef"),
    ("X-Forwarded-For", CLIENT),
];

/// The path of a request that passes.
pub(crate) const PAGE: &str = "/articles/2026/11?page=2&order=newest";

const SCRIPT: &str = r#"
function init(args)
  if args[1] == "form" then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
    wrk.body = string.rep("field=value&", 85) .. "end="
  elseif args[1] == "json" then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = "[" .. string.rep('{"key":"value"},', 255) .. '"the end."]'
  end
end
"#;

impl Load {
    /// Finds wrk. Prints a note and returns `None` if it is not installed.
    pub(crate) fn new(seconds: u64) -> Option<Self> {
        let wrk = program("wrk")?;
        let script = std::env::temp_dir().join(format!("gabion-proxy-{}.lua", std::process::id()));
        let headers = BROWSER.map(|(name, value)| format!("wrk.headers[{name:?}] = {value:?}\n"));
        fs::write(&script, headers.concat() + SCRIPT).expect("a file");
        Some(Self {
            wrk,
            script,
            seconds,
        })
    }

    /// Sends requests to a proxy at its maximum rate. If `has_rules`, it must deny all probes.
    pub(crate) fn measure(&self, running: &Running, has_rules: bool, workload: Workload) -> Run {
        let mut wrk = Command::new(&self.wrk);
        wrk.args([
            "-t1",
            "-c",
            CONNECTIONS,
            "-d",
            &format!("{}s", self.seconds),
        ]);
        wrk.arg("-s").arg(&self.script);
        wrk.arg(format!("http://{}{}", running.addr, workload.path()));
        wrk.args(["--", workload.name()]);
        let before = running.cpu();
        let output = pinned(OTHER_CORE, &wrk).output().expect("wrk runs");
        let cpu = running.cpu() - before;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let requests = figure(&stdout, " requests in ").expect("wrk prints the request count");
        let failed = figure(&stdout, "Non-2xx or 3xx responses: ").unwrap_or_default();
        let denied = if has_rules && workload == Workload::Probe {
            requests
        } else {
            0.0
        };
        // wrk counts requests in flight at the end in one of the two figures only.
        assert!((denied - failed).abs() < 100.0, "{stdout}");
        Run::new(cpu, requests, self.seconds)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.script);
    }
}

/// Parses the number before or after `label` in the output of a load generator.
pub(crate) fn figure(output: &str, label: &str) -> Option<f64> {
    let (before, after) = output.split_once(label)?;
    let before = before.split_whitespace().next_back()?;
    let after = after.split_whitespace().next()?;
    before.parse().or_else(|_| after.parse()).ok()
}

// === impl Run ===

impl Run {
    /// The run in which the proxy took `cpu` nanoseconds for `count` requests or handshakes.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of some seconds")]
    pub(crate) fn new(cpu: u64, count: f64, seconds: u64) -> Self {
        assert!(count > 0.0, "nothing was answered");
        Self {
            micros: cpu as f64 / 1e3 / count,
            per_second: count / seconds as f64,
        }
    }

    /// Returns the run with the median processor time.
    pub(crate) fn median(mut runs: Vec<Self>) -> Self {
        runs.sort_by(|one, other| one.micros.total_cmp(&other.micros));
        runs[runs.len() / 2]
    }
}

// === impl Workload ===

impl Workload {
    pub(crate) const ALL: [Self; 4] = [Self::Get, Self::Form, Self::Json, Self::Probe];

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Form => "form",
            Self::Json => "json",
            Self::Probe => "probe",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Probe => "/wp-login.php",
            _ => PAGE,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
