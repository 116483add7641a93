//! A path that no honest client requests from any server: secrets and version-control directories
//! deployed by accident, web shells, and management interfaces of routers and cameras.
//!
//! The list contains only names that no application serves. A response that serves one is reported as
//! a probe hit.

use std::sync::LazyLock;

use gabion_core::{Cause, Facts, RuleId, Segment};

use super::{Detector, Signal, Trigger, leftover};
use crate::{Config as _, Context, Deny, DenyRule, State};

pub(crate) const SIGNAL: Signal = Signal {
    name: "probe",
    weight: 35,
    trigger: Trigger::Alone,
    detector: Detector::Head {
        certain: false,
        matches: |features| features.is_probe,
    },
};

const RULE: RuleId = RuleId::builtin("scan/probe");

const NAMES: [&str; 21] = [
    ".env",
    ".git",
    ".svn",
    ".hg",
    ".aws",
    ".ssh",
    ".docker",
    ".htpasswd",
    ".bash_history",
    ".DS_Store",
    ".vscode",
    "id_rsa",
    "eval-stdin.php",
    "alfa.php",
    "wso.php",
    "c99.php",
    "r57.php",
    "phpinfo.php",
    "wlwmanifest.xml",
    "sftp-config.json",
    "wp-config.php.bak",
];

const PREFIXES: [&str; 6] = [
    "/HNAP1",
    "/boaform",
    "/GponForm",
    "/setup.cgi",
    "/cgi-bin/luci",
    "/owa/auth/x.js",
];

static PROBES: LazyLock<Option<Deny>> = LazyLock::new(|| {
    let rule = DenyRule::new(RULE.as_str()).names(NAMES).prefix(PREFIXES);
    [rule].compile(&Context::new(&State::scratch())).ok()
});

/// Returns the reason why the request is a probe. `last` is the last segment of the path.
pub(crate) fn cause(facts: &Facts<'_>, last: Segment<'_>) -> Option<Cause> {
    let named = PROBES.as_ref()?.find_known(&facts.path);
    let named = named.map(|denial| denial.cause);
    named.or_else(|| leftover::settings(facts, last, &RULE))
}
