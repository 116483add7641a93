//! A headless Chromium.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::TempFolder;

/// Returns the DOM of the page at `url` after 5 s of virtual time in headless Chromium, with a new
/// profile. Every host name resolves to loopback.
///
/// # Panics
///
/// If Chromium cannot be run.
pub async fn dump_dom(chromium: &Path, url: String) -> String {
    static VISITS: AtomicU32 = AtomicU32::new(0);
    let visit = VISITS.fetch_add(1, Ordering::Relaxed);
    let profile = TempFolder::new(&format!("chromium-{visit}"));
    let mut command_line = Command::new("timeout");
    command_line.arg("60").arg(chromium).stdin(Stdio::null());
    command_line.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-popup-blocking",
        "--disable-sync",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * 127.0.0.1",
        "--virtual-time-budget=5000",
    ]);
    command_line.arg(format!("--user-data-dir={}", profile.path().display()));
    command_line.args(["--dump-dom", &url]);
    let run = tokio::task::spawn_blocking(move || command_line.output().unwrap());
    String::from_utf8_lossy(&run.await.unwrap().stdout).into_owned()
}
