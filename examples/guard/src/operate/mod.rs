//! The commands of an operator, carried out by a running guard through its admin API.

mod args;
mod bans;
mod client;
mod table;
mod text;

use std::{
    error::Error,
    fs,
    io::{self, Read as _, Write as _},
    path::{self, Path},
};

use gabion::policy::RequestExplanation;
use gabion_admin::{
    AllowRow, Allowed, Allows, BanRow, Banned, Bans, CheckOutcome, Checked, Forgotten,
    ImportCounts, Lifted, Status, Token,
};
use serde_json::json;

use args::{AllowArgs, AllowsFormat, BanArgs, BansArgs, StatusFormat, UnbanArgs};
pub(crate) use args::{EndpointArgs, Operation};
use client::Client;

/// Carries out a command.
pub(crate) fn run(operation: &Operation) -> Result<(), Box<dyn Error>> {
    let text = match operation {
        Operation::Ban(args) => ban(args)?,
        Operation::Unban(args) => unban(args)?,
        Operation::Bans(args) => list(args)?,
        Operation::Allow(args) => allow(args)?,
        Operation::Allows { format, endpoint } => allows(*format, endpoint)?,
        Operation::Status { format, endpoint } => status(*format, endpoint)?,
        Operation::Forget { addr, endpoint } => {
            let body = json!({ "address": addr });
            let forgotten: Forgotten = Client::new(endpoint)?.post("/v1/forget", &body)?;
            format!("everything about {} is forgotten\n", forgotten.network)
        }
        Operation::Import { file, endpoint } => import(file, endpoint)?,
        Operation::Export { endpoint } => Client::new(endpoint)?.get_text("/v1/export")?,
        Operation::Token => Token::generate()? + "\n",
    };
    // A pipe that is closed early, as by `head`, is no error.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn ban(args: &BanArgs) -> Result<String, Box<dyn Error>> {
    let body = json!({ "address": args.addr, "for": args.period, "reason": args.why });
    let Banned {
        ban,
        already_banned,
        ..
    } = Client::new(&args.endpoint)?.post("/v1/bans", &body)?;
    let already = if already_banned {
        " (it was banned already; the later end counts)"
    } else {
        ""
    };
    Ok(format!(
        "{} is banned until {}{already}\n",
        ban.network, ban.until
    ))
}

fn unban(args: &UnbanArgs) -> Result<String, Box<dyn Error>> {
    let client = Client::new(&args.endpoint)?;
    let path = match args.addr {
        Some(addr) => format!("/v1/bans/{addr}"),
        None => format!("/v1/bans?{}", serde_urlencoded::to_string(args.filter())?),
    };
    let Lifted { lifted, .. } = client.delete(&path)?;
    let lines = lifted
        .iter()
        .map(|ban| format!("{} is not banned any more\n", ban.network));
    let total = format!("{} lifted\n", counted(lifted.len(), "ban"));
    Ok(lines.chain(args.addr.is_none().then_some(total)).collect())
}

fn list(args: &BansArgs) -> Result<String, Box<dyn Error>> {
    let query = serde_urlencoded::to_string(args.filter())?;
    let bans: Bans = Client::new(&args.endpoint)?.get(&format!("/v1/bans?{query}"))?;
    let now = table::now();
    Ok(args.format.write(&bans, now))
}

fn allow(args: &AllowArgs) -> Result<String, Box<dyn Error>> {
    let client = Client::new(&args.endpoint)?;
    let Some(period) = &args.period else {
        let ended: Forgotten = client.delete(&format!("/v1/allows/{}", args.addr))?;
        return Ok(format!("{} is not exempt any more\n", ended.network));
    };
    let body = json!({ "address": args.addr, "for": period, "reason": args.why });
    let Allowed { allow, lifted, .. } = client.post("/v1/allows", &body)?;
    let exempt = format!(
        "{} is exempt from denials, limits and bans until {}\n",
        allow.network, allow.until
    );
    let lifted = lifted
        .iter()
        .map(|network| format!("the ban of {network} is lifted\n"));
    Ok([exempt].into_iter().chain(lifted).collect())
}

fn allows(format: AllowsFormat, endpoint: &EndpointArgs) -> Result<String, Box<dyn Error>> {
    let Allows { allows, .. } = Client::new(endpoint)?.get("/v1/allows")?;
    Ok(match format {
        AllowsFormat::Json => text::json(&allows),
        AllowsFormat::Table if allows.is_empty() => "no exemptions\n".to_owned(),
        AllowsFormat::Table => {
            let now = table::now();
            let row = |allow: &AllowRow| {
                vec![
                    allow.network.clone(),
                    table::left(allow.until, now),
                    allow.since.to_string(),
                    text::shown(allow.reason.as_deref()),
                ]
            };
            let rows: Vec<_> = allows.iter().map(row).collect();
            table::write(&["NETWORK", "LEFT", "SINCE", "WHY"], &rows)
        }
    })
}

fn status(format: StatusFormat, endpoint: &EndpointArgs) -> Result<String, Box<dyn Error>> {
    let status: Status = Client::new(endpoint)?.get("/v1/status")?;
    Ok(match format {
        StatusFormat::Json => text::json(&status),
        StatusFormat::Text => text::status(&status),
    })
}

fn import(file: &Path, endpoint: &EndpointArgs) -> Result<String, Box<dyn Error>> {
    let client = Client::new(endpoint)?;
    let lines = read(file)?;
    let counts: ImportCounts = client.post_lines("/v1/import", lines)?;
    Ok(format!(
        "{} placed, {} banned already, {} ended, {} exempt by the policy\n",
        counted(counts.placed, "ban"),
        counts.already_banned,
        counts.ended,
        counts.exempt
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command reads the file named on the command line"
)]
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let error = |error| format!("{}: {error}", file.display());
    if file == Path::new("-") {
        let mut lines = Vec::new();
        return match io::stdin().read_to_end(&mut lines) {
            Ok(_) => Ok(lines),
            Err(error) => Err(format!("standard input: {error}")),
        };
    }
    fs::read(file).map_err(error)
}

/// Prints what a reload of a running guard would do; an error unless it would take effect.
pub(crate) fn check(policy: Option<&Path>, endpoint: &EndpointArgs) -> Result<(), Box<dyn Error>> {
    let client = Client::new(endpoint)?;
    let body = match policy {
        None => json!({}),
        // The guard itself reads it, with the lists beside it.
        Some(policy) if client.is_local() => json!({ "path": path::absolute(policy)? }),
        Some(policy) => {
            let text = read(policy)?;
            json!({ "policy": String::from_utf8(text)? })
        }
    };
    let Checked {
        outcome,
        summary,
        messages,
        ..
    } = client.post("/v1/check", &body)?;
    let name = match policy {
        Some(policy) => policy.display().to_string(),
        None => "the policy of the running guard".to_owned(),
    };
    // Diagnostics have lines of their own, and quote control characters themselves.
    let messages = messages.join("\n\n");
    let separator = if messages.is_empty() { "" } else { "\n\n" };
    match outcome {
        CheckOutcome::Invalid => Err(messages.into()),
        CheckOutcome::Shrinks => {
            let reason = "a reload would be refused for what the policy removes";
            Err(format!("{messages}\n\n{name}: {reason}").into())
        }
        CheckOutcome::Accepted => {
            let summary = summary.unwrap_or_default();
            println!("{messages}{separator}{name}: a reload would be accepted: {summary}");
            Ok(())
        }
    }
}

/// Returns the explanation of a request by a running guard.
pub(crate) fn explain(
    request: &serde_json::Value,
    endpoint: &EndpointArgs,
) -> Result<RequestExplanation, Box<dyn Error>> {
    Client::new(endpoint)?.post("/v1/explain", request)
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A ban as the cells of a table.
fn cells(ban: &BanRow, now: std::time::SystemTime) -> Vec<String> {
    vec![
        ban.network.clone(),
        table::left(ban.until, now),
        ban.rule.clone(),
        ban.offenses.to_string(),
        ban.since.to_string(),
        text::shown(ban.reason.as_deref()),
    ]
}
