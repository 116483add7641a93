//! Why a WebSocket does not open, or does not stay open: the way of a client from the URL to an
//! echo, step by step, with what each step finds and what to change.
//!
//! What a server sends is data: it is shown cut and escaped, and every wait has an end. A line that
//! bears a code (`W06`) is always a failure; the guide tells what the codes mean.

mod advice;
mod door;
mod exchange;
mod handshake;
mod idle;
mod reach;
mod report;
mod talk;
mod target;

use std::{error::Error, io, time::Duration};

use clap::Args;
use gabion::event::Diagnosis;
use tokio::runtime;

use crate::cli::seconds;
use advice::Advice;
use door::Door;
use exchange::Header;
use report::{Finding, Report};
use talk::Socket;
use target::{Origin, Target};

/// A WebSocket to examine.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The WebSocket, as a client names it: `ws://HOST/PATH` or `wss://HOST/PATH`
    url: Target,
    /// The page that opens it: its origin is sent along, as browsers do
    #[arg(long, value_name = "URL")]
    page: Option<Origin>,
    /// The origin to send, where it is not the page's
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<Origin>,
    /// Another header to send, such as 'Cookie: session=1'
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// Then hold the socket this long without a word, and say who cuts it
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<Duration>,
    /// Ping this often meanwhile
    #[arg(long, value_name = "SECONDS", value_parser = interval, requires = "idle")]
    ping: Option<Duration>,
}

/// Examines it; an error where anything is wrong.
pub(crate) fn examine(asked: &Doctor) -> Result<(), Box<dyn Error>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = Report::new(io::stdout());
    runtime.block_on(walk(asked, &mut report));
    Ok(report.close()?)
}

/// The whole way; `None` where it ends early. The report knows why.
async fn walk(asked: &Doctor, report: &mut Report) -> Option<()> {
    read_url(asked, report);
    let addr = reach::reach(&asked.url, report).await?;
    let door = Door::find(asked, addr, report).await?;
    handshake::look(asked, &door, report).await?;
    let opened = handshake::knock(asked, &door, report).await?;
    let mut socket = Socket::of(opened).await;
    socket.try_out(report).await?;
    socket.close().await;
    if let Some(idle) = asked.idle {
        // Another one: the service may have closed the first at a text that it does not know.
        match handshake::open(asked, &door, asked.origin()).await {
            Ok(opened) => idle::hold(Socket::of(opened).await, idle, asked.ping, report).await,
            Err(refusal) => report.failed("idle", refusal.finding(asked, &door).await),
        }
    }
    Some(())
}

/// What the URL alone says.
fn read_url(asked: &Doctor, report: &mut Report) {
    let url = &asked.url;
    if url.is_mistaken() {
        let given = url.given();
        let said = format!(
            "{given}:// asks for a page; a WebSocket is opened with {url}; going on with that"
        );
        report.failed(
            "URL",
            Finding::coded(Diagnosis::PlainGet, said, Advice::PlainGet(url.to_string())),
        );
    } else {
        report.ok("URL", url);
    }
    let Some(page) = asked
        .page
        .as_ref()
        .filter(|page| page.is_secure() && !url.tls())
    else {
        return;
    };
    if url.is_loopback() {
        report.note(
            "page",
            format_args!("{page} may open {url} only as long as it is this machine's own"),
        );
        return;
    }
    let said =
        format!("{page} is https, and browsers block ws:// from there (mixed content): use wss://");
    report.failed(
        "page",
        Finding::coded(Diagnosis::MixedContent, said, Advice::Scheme(url.secure())),
    );
}

/// A time between pings.
fn interval(text: &str) -> Result<Duration, String> {
    let every = seconds(text)?;
    if every.is_zero() {
        return Err("a ping each 0 s would never end".to_owned());
    }
    Ok(every)
}

// === impl Doctor ===

impl Doctor {
    /// The origin that a browser would send.
    const fn origin(&self) -> Option<&Origin> {
        match &self.origin {
            Some(origin) => Some(origin),
            None => self.page.as_ref(),
        }
    }

    /// Whether a header of the user's lists `token`.
    fn sends(&self, name: &str, token: &[u8]) -> bool {
        self.headers.iter().any(|header| header.lists(name, token))
    }
}
