//! A path that no honest client of any server asks for: secrets and histories deployed by accident,
//! shells, and the doors of routers and cameras.
//!
//! Here stand only names that no application serves, since what it serves would be told as a probe
//! that got somewhere.

use std::sync::LazyLock;

use gabion_core::{Cause, Facts};

use super::{Sign, Signal, Weight};
use crate::{Config as _, Context, Deny, DenyRule, State};

pub(crate) const SIGNAL: Signal = Signal {
    name: "probe",
    weight: 35,
    counts: Weight::Alone,
    sign: Sign::Head {
        own: false,
        seen: |look| look.probe.is_some(),
    },
};

const NAMES: [&str; 25] = [
    ".env",
    ".env.bak",
    ".env.local",
    ".env.prod",
    ".env.production",
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
    let rule = DenyRule::new("scan/probe").names(NAMES).prefix(PREFIXES);
    [rule].compile(&Context::new(&State::scratch())).ok()
});

/// Why the request is a probe.
pub(crate) fn cause(facts: &Facts<'_>) -> Option<Cause> {
    let denial = PROBES.as_ref()?.finds(facts)?;
    Some(denial.cause)
}
