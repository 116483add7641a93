//! A user agent that names a scanner. Most scanners hide; those that do not are certain.
//!
//! The idea of such a list is from the OWASP Core Rule Set (Apache-2.0,
//! `scanners-user-agents.data`); these names were collected independently from the source code of
//! the tools.

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "scanner",
    weight: 60,
    trigger: Trigger::Alone,
    detector: Detector::Head {
        certain: true,
        matches: |features| features.agents.scanner,
    },
};

pub(super) const NAMES: [&str; 27] = [
    "acunetix",
    "arachni",
    "commix",
    "dirbuster",
    "dirsearch",
    "feroxbuster",
    "fuzz faster u fool",
    "gobuster",
    "jaeles",
    "joomscan",
    "masscan",
    "morfeus",
    "nessus",
    "netsparker",
    "nikto",
    "nmap scripting engine",
    "nuclei",
    "openvas",
    "qualys was",
    "skipfish",
    "sqlmap",
    "w3af",
    "wfuzz",
    "whatweb",
    "wpscan",
    "zgrab",
    "zmeu",
];
