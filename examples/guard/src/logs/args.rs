//! Command-line options of the logs, and the settings that only `guard.toml` has.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gabion::event::Rotation;
use serde::Deserialize;

/// Options of the logs of events and requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogArgs {
    /// Write events as JSON lines to this file, or to stdout
    #[arg(long, value_name = "FILE|stdout")]
    pub(crate) events_file: Option<PathBuf>,
    /// Write a line for each request to this file, or to stdout
    #[arg(long, value_name = "FILE|stdout")]
    pub(crate) access_log: Option<PathBuf>,
    /// Format of the access log
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) access_format: AccessFormatArg,
    #[arg(skip)]
    pub(crate) rotation: Rotation,
    /// The file with the key of pseudonyms.
    #[arg(skip)]
    pub(crate) pseudonyms: Option<PathBuf>,
}

/// The format of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AccessFormatArg {
    /// As Apache and nginx write it
    #[default]
    Combined,
    /// JSON, with the field names of the Elastic Common Schema
    Json,
}

// === impl LogArgs ===

impl LogArgs {
    /// Returns `true` if a log is written to standard output.
    pub(crate) fn uses_stdout(&self) -> bool {
        let stdout = Some(Path::new(super::STDOUT));
        [&self.events_file, &self.access_log]
            .iter()
            .any(|target| target.as_deref() == stdout)
    }
}
