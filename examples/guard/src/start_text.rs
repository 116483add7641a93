//! The text on standard output at the start.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use crate::{admin::AdminApi, demo, serve::Parts};

/// Prints where the proxy listens, what it protects, and commands to try.
pub(crate) fn print(parts: &Parts<'_>, addrs: &[SocketAddr], admin: &AdminApi) {
    let mut text = Vec::new();
    // Writing to memory does not fail, and a closed standard output must not end the process.
    let _ = write_text(&mut text, parts, addrs, admin);
    if parts.settings.args.log.uses_stdout() {
        // A log of lines is there.
        let _ = io::stderr().write_all(&text);
    } else {
        let _ = io::stdout().write_all(&text);
    }
}

fn write_text(
    out: &mut impl Write,
    parts: &Parts<'_>,
    addrs: &[SocketAddr],
    admin: &AdminApi,
) -> io::Result<()> {
    let (args, is_demo) = (&parts.settings.args, parts.settings.is_demo());
    let [addr, with_tls @ ..] = addrs else {
        return Ok(());
    };
    writeln!(out, "guard listens on http://{addr}")?;
    for addr in with_tls {
        writeln!(
            out,
            "  HTTPS      https://{addr}, {}",
            parts.https.certificates()
        )?;
    }
    let what = if is_demo {
        ", the built-in demo: a page, JSON, a WebSocket echo"
    } else {
        ""
    };
    for named in &parts.site.current().upstreams {
        writeln!(out, "  upstream   {}{what}", named.group)?;
    }
    if is_demo {
        writeln!(out, "  WebSocket  ws://{addr}{}", demo::WEBSOCKET_PATH)?;
    }
    match &args.policy {
        Some(policy) => writeln!(
            out,
            "  policy     {}, reloaded when it changes or on SIGHUP",
            policy.display()
        )?,
        None => writeln!(
            out,
            "  policy     built in; `guard init` writes it to a file to edit"
        )?,
    }
    if let Some(addresses) = admin.addresses() {
        writeln!(out, "  admin      {addresses}; see `guard status --help`")?;
    }
    writeln!(out, "Try:")?;
    if is_demo {
        writeln!(out, "  open http://{addr}/ in a browser")?;
    } else {
        writeln!(
            out,
            "  curl -i http://{addr}/               the response of your server"
        )?;
    }
    writeln!(
        out,
        "  curl -i http://{addr}/.env           denied (403); the log names the rule"
    )?;
    let encoded = if is_demo {
        "index.ph%70"
    } else {
        "%2egit/HEAD"
    };
    writeln!(
        out,
        "  curl -i http://{addr}/{encoded}    denied as well: every spelling of a path is checked"
    )?;
    if is_demo && args.policy.is_none() {
        write_demo_text(out, *addr)?;
    }
    writeln!(out, "Press Ctrl-C to stop.")
}

/// Writes commands that show the rules of the demo's own policy.
fn write_demo_text(out: &mut impl Write, addr: SocketAddr) -> io::Result<()> {
    let path = demo::WEBSOCKET_PATH;
    writeln!(
        out,
        "  curl -i http://{addr}{path}             426 with the WebSocket address\n\
         Loopback and private clients are exempt from bans and limits. The demo policy trusts\n\
         X-Forwarded-For from this machine, so that curl can act as another client:"
    )?;
    let get = "curl -i -H 'X-Forwarded-For: 203.0.113";
    writeln!(
        out,
        "  {get}.7' 'http://{addr}/ban-me/[1-3]'        ban for 1 minute"
    )?;
    writeln!(
        out,
        "  {get}.7' http://{addr}/                      denied (403)"
    )?;
    writeln!(
        out,
        "  {get}.8' 'http://{addr}/api/status?[1-4]'    429 after 3 requests"
    )
}
