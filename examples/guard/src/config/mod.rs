//! The configuration file, `guard.toml`: the options of the command line, and those that need more than a line:
//! several groups of servers, and routes.

mod changes;
mod conversion;
mod document;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use gabion::policy::DocumentErrors;
use gabion_proxy::{Router, UpstreamGroup};

use crate::cli::RunArgs;
pub(crate) use changes::Changes;
use conversion::Conversion;
pub(crate) use document::ConfigDocument;

/// What a guard runs with, from a configuration file or the command line.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The options that have one value.
    pub(crate) args: RunArgs,
    /// The groups of servers. Empty for the demo.
    pub(crate) upstreams: Vec<NamedGroup>,
    /// The services: the first for requests without a route, then one for each route.
    pub(crate) services: Vec<ServiceSettings>,
    /// Selects one of the services.
    pub(crate) router: Router<usize>,
    /// The content of the file; `None` without one.
    pub(crate) document: Option<ConfigDocument>,
}

/// A group of servers, with its name in the configuration file.
#[derive(Clone, Debug)]
pub(crate) struct NamedGroup {
    pub(crate) name: String,
    pub(crate) group: UpstreamGroup,
}

/// The index of a group of servers, and the file of an additional policy.
#[derive(Debug, Default)]
pub(crate) struct ServiceSettings {
    pub(crate) upstream: usize,
    pub(crate) route: RouteKey,
    pub(crate) policy: Option<PathBuf>,
}

/// The requests of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouteKey {
    host: Option<String>,
    path: Option<String>,
}

// === impl Settings ===

impl Settings {
    /// Takes the settings from the command line, or from the file that it names.
    pub(crate) fn from_args(args: RunArgs) -> Result<Self, Box<dyn Error>> {
        if let Some(path) = &args.config {
            return Self::read(path);
        }
        let group = args.upstream.group()?;
        let named = |group| NamedGroup {
            name: String::new(),
            group,
        };
        Ok(Self {
            args,
            upstreams: group.map(named).into_iter().collect(),
            services: vec![ServiceSettings::default()],
            router: Router::new(0),
            document: None,
        })
    }

    /// Reads a configuration file. Paths in it are relative to its folder.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        Self::parse(path, &read_text(path)?)
    }

    /// Takes the settings from the text of the configuration file at `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Box<dyn Error>> {
        let name = path.display().to_string();
        let (document, errors) = DocumentErrors::read::<ConfigDocument>(text, &name);
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        let mut settings = Conversion { base, errors }.settings(&document)?;
        settings.args.config = Some(path.to_owned());
        Ok(settings)
    }

    /// Returns `true` if the built-in demo is the server.
    pub(crate) const fn is_demo(&self) -> bool {
        self.upstreams.is_empty()
    }

    /// The keys that differ from those of the versions in effect ([`Changes`]). Without files, none do.
    pub(crate) fn changes(&self, current: &ConfigDocument, started: &ConfigDocument) -> Changes {
        let new = self.document.as_ref();
        new.map_or_else(Changes::default, |new| Changes::new(new, current, started))
    }
}

/// Reads a configuration file. The error names it.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "at the start, and after a change"
    )]
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
