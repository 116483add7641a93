//! `guard doctor`: diagnoses why a WebSocket does not open or does not stay open.
//!
//! It takes the steps of a client, from the URL to an echo, and prints the result of each step and
//! what to change. Bytes from the server are cut and escaped before they are printed, and every wait
//! has a timeout. A line with a code (`W06`) is always a failure; the guide has a table of the codes.

mod advice;
mod connector;
mod exchange;
mod handshake;
mod idle;
mod report;
mod socket;
mod target;
mod tcp;

use std::{error::Error, io, time::Duration};

use clap::Args;
use gabion::event::Diagnosis;
use tokio::runtime;

use crate::cli::seconds;
use advice::Advice;
use connector::Connector;
use exchange::Header;
use report::{Finding, Report};
use socket::Socket;
use target::{Origin, Target};

/// Options of `guard doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// URL of the WebSocket, as the client has it: `ws://HOST/PATH` or `wss://HOST/PATH`
    url: Target,
    /// URL of the page that opens the WebSocket; its origin is sent in `Origin`, as browsers do
    #[arg(long, value_name = "URL")]
    page: Option<Origin>,
    /// Origin to send instead of the origin of the page
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<Origin>,
    /// Additional request header, such as 'Cookie: session=1'; can be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// After the other steps, keep a WebSocket open and silent for this time, and report if it is cut
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<Duration>,
    /// Send a ping at this interval during --idle
    #[arg(long, value_name = "SECONDS", value_parser = ping_interval, requires = "idle")]
    ping: Option<Duration>,
}

/// Runs the diagnosis and prints it. Returns an error if a step fails.
pub(crate) fn run(args: &DoctorArgs) -> Result<(), Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = Report::new(io::stdout());
    runtime.block_on(diagnose(args, &mut report));
    Ok(report.finish()?)
}

/// Takes all steps; returns `None` after a failure that ends them early. The failure is in `report`.
async fn diagnose(args: &DoctorArgs, report: &mut Report) -> Option<()> {
    check_url(args, report);
    let addr = tcp::resolve_and_connect(&args.url, report).await?;
    let connector = Connector::check_tls(args, addr, report).await?;
    handshake::check_plain_get(args, &connector, report).await?;
    let opened = handshake::check(args, &connector, report).await?;
    let mut socket = Socket::new(opened).await;
    socket.check_ping_and_echo(report).await?;
    socket.close().await;
    if let Some(idle) = args.idle {
        // A second WebSocket: the service may have closed the first because of the test message.
        match handshake::open(args, &connector, args.origin()).await {
            Ok(opened) => idle::check(Socket::new(opened).await, idle, args.ping, report).await,
            Err(error) => report.failed("idle", error.finding(args, &connector).await),
        }
    }
    Some(())
}

/// Checks the scheme of the URL, alone and against the scheme of the page.
fn check_url(args: &DoctorArgs, report: &mut Report) {
    let url = &args.url;
    if url.is_http() {
        let scheme = url.given_scheme();
        let message = format!(
            "`{scheme}://` is the scheme of a page, not of a WebSocket; continuing with {url}"
        );
        report.failed(
            "URL",
            Finding::with_code(
                Diagnosis::PlainGet,
                message,
                Advice::PlainGet(url.to_string()),
            ),
        );
    } else {
        report.ok("URL", url);
    }
    let Some(page) = args
        .page
        .as_ref()
        .filter(|page| page.is_secure() && !url.tls())
    else {
        return;
    };
    if url.is_loopback() {
        report.note(
            "page",
            format_args!("{page} may open {url} only because it is on this machine (loopback)"),
        );
        return;
    }
    let message = format!(
        "{page} is https, and browsers block ws:// from https pages (mixed content): use wss://"
    );
    report.failed(
        "page",
        Finding::with_code(
            Diagnosis::MixedContent,
            message,
            Advice::Scheme(url.secure()),
        ),
    );
}

/// Parses an interval between pings: a positive number of seconds.
fn ping_interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    if interval.is_zero() {
        return Err("the interval between pings must be at least 1 s".to_owned());
    }
    Ok(interval)
}

// === impl DoctorArgs ===

impl DoctorArgs {
    /// Returns the origin that a browser would send: `--origin`, otherwise the origin of `--page`.
    const fn origin(&self) -> Option<&Origin> {
        match &self.origin {
            Some(origin) => Some(origin),
            None => self.page.as_ref(),
        }
    }

    /// Returns `true` if a `--header` with this name lists `token`.
    fn sends(&self, name: &str, token: &[u8]) -> bool {
        self.headers.iter().any(|header| header.lists(name, token))
    }
}
