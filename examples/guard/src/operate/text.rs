//! Text for people.

use std::fmt::Write as _;

use gabion_admin::{Status, SubsystemStatus};
use serde::Serialize;

/// The most characters of a reason in a table.
const MAX_REASON: usize = 80;

/// Formats a value as JSON with a line feed.
pub(super) fn json(value: &impl Serialize) -> String {
    // The values have only text keys, so this does not fail.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Formats a reason, which may quote an attack: control characters and invisible ones would act in a terminal.
pub(super) fn shown(reason: Option<&str>) -> String {
    let reason = escaped(reason.unwrap_or_default());
    match reason.char_indices().nth(MAX_REASON) {
        None => reason,
        Some((end, _)) => format!("{}…", reason.get(..end).unwrap_or_default()),
    }
}

/// Escapes what is not printable, such as control characters and marks that change the direction of text.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' => escaped.push(c),
            _ => escaped.extend(c.escape_debug()),
        }
    }
    escaped
}

/// Formats the state of a guard.
pub(super) fn status(status: &Status) -> String {
    let Status {
        version,
        uptime_seconds,
        ready,
        policy,
        observes_for_seconds,
        bans,
        sessions,
        store,
        shared,
        ..
    } = status;
    let uptime = gabion::policy::Period(std::time::Duration::from_secs(*uptime_seconds));
    let readiness = if *ready { "ready" } else { "draining" };
    let mut text = format!("guard {version}, up {uptime}, {readiness}\n");
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let warnings = match policy.warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        count => format!(", {count} warnings"),
    };
    line(
        "policy",
        format!(
            "{}, generation {}{warnings}",
            escaped(&policy.name),
            policy.generation
        ),
    );
    if *observes_for_seconds > 0 {
        let left =
            format!("NOTHING IS ENFORCED for {observes_for_seconds} s: all rules only observe");
        line("mode", left);
    }
    line(
        "bans",
        format!(
            "{} of at most {}, {} exemptions",
            bans.count, bans.capacity, bans.allows
        ),
    );
    line(
        "sessions",
        format!("{sessions} open WebSockets and event streams"),
    );
    line("store", subsystem(store));
    line("shared", subsystem(shared));
    if let Some(rejected) = &policy.rejected {
        line(
            "rejected",
            format!("at {}, the policy above stays in force:", rejected.at),
        );
        for error in rejected.errors.lines() {
            let _ = writeln!(text, "  {}", error.replace(char::is_control, "?"));
        }
    }
    text
}

fn subsystem(status: &SubsystemStatus) -> String {
    let health = if status.healthy { "" } else { ", FAILS" };
    let detail = status.detail.as_deref().map(escaped);
    let detail = detail
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    format!("{}{health}{detail}", escaped(&status.kind))
}
