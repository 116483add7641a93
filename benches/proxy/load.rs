//! What is asked, and what it costs.

use std::{fmt, fs, path::PathBuf, process::Command};

use gabion_benches::{
    process::{OTHER_CORE, Running, pinned},
    reference::CLIENT,
};
use gabion_testkit::program;

/// wrk, and for how long it asks.
pub(crate) struct Load {
    wrk: PathBuf,
    script: PathBuf,
    seconds: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A page, with the headers of a browser.
    Get,
    /// A form of a KiB.
    Form,
    /// JSON of 4 KiB.
    Json,
    /// What a rule denies.
    SampleRequest,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Processor time of the proxy for each request, in microseconds.
    pub(crate) micros: f64,
    pub(crate) per_second: f64,
}

/// Connections, as many as a small site has at a time.
const CONNECTIONS: &str = "64";

const SCRIPT: &str = r#"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
wrk.headers["Accept-Language"] = "en-US,en;q=0.5"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
wrk.headers["Cookie"] = "session=0123456789abcdef0123456789abcdef"
wrk.headers["X-Forwarded-For"] = "CLIENT"
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
    /// None, aloud, where there is no wrk.
    pub(crate) fn new(seconds: u64) -> Option<Self> {
        let wrk = program("wrk")?;
        let script = std::env::temp_dir().join(format!("gabion-proxy-{}.lua", std::process::id()));
        fs::write(&script, SCRIPT.replace("CLIENT", CLIENT)).expect("a file");
        Some(Self {
            wrk,
            script,
            seconds,
        })
    }

    /// Asks a proxy, which `has_rules` against probes or not, for as much as it gives.
    pub(crate) fn put_on(&self, running: &Running, has_rules: bool, asked: Asked) -> Run {
        let mut wrk = Command::new(&self.wrk);
        wrk.args([
            "-t1",
            "-c",
            CONNECTIONS,
            "-d",
            &format!("{}s", self.seconds),
        ]);
        wrk.arg("-s").arg(&self.script);
        wrk.arg(format!("http://{}{}", running.addr, asked.path()));
        wrk.args(["--", asked.name()]);
        let before = running.cpu();
        let output = pinned(OTHER_CORE, &wrk).output().expect("wrk runs");
        let spent = running.cpu() - before;
        let said = String::from_utf8_lossy(&output.stdout);
        let requests = figure(&said, " requests in ").expect("wrk says how many");
        let failed = figure(&said, "Non-2xx or 3xx responses: ").unwrap_or_default();
        let denied = if has_rules && asked == Asked::SampleRequest {
            requests
        } else {
            0.0
        };
        // Those under way at the end are counted by one of the two figures only.
        assert!((denied - failed).abs() < 100.0, "{said}");
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of some seconds")]
        let (spent, seconds) = (spent as f64, self.seconds as f64);
        Run {
            micros: spent / 1e3 / requests,
            per_second: requests / seconds,
        }
    }
}

/// The number before or after `words`.
fn figure(said: &str, words: &str) -> Option<f64> {
    let (before, after) = said.split_once(words)?;
    let before = before.split_whitespace().next_back()?;
    let after = after.split_whitespace().next()?;
    before.parse().or_else(|_| after.parse()).ok()
}

/// The run in the middle.
pub(crate) fn median(runs: &mut [Run]) -> Run {
    runs.sort_by(|one, other| one.micros.total_cmp(&other.micros));
    runs[runs.len() / 2]
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.script);
    }
}

impl Asked {
    pub(crate) const ALL: [Self; 4] = [Self::Get, Self::Form, Self::Json, Self::SampleRequest];

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Form => "form",
            Self::Json => "json",
            Self::SampleRequest => "probe",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::SampleRequest => "/wp-login.php",
            _ => "/articles/2026/11?page=2&order=newest",
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
