//! An agent that calls itself a scanner. Most do not; those that do are sure.
//!
//! The idea of such a list is the OWASP Core Rule Set's (Apache-2.0, `scanners-user-agents.data`);
//! these are the names that the tools' own sources give them, collected anew.

use super::{Sign, Signal, Weight};

pub(super) const SIGNAL: Signal = Signal {
    name: "scanner",
    weight: 60,
    counts: Weight::Alone,
    sign: Sign::Head {
        own: true,
        seen: |look| look.agents.scanner,
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
