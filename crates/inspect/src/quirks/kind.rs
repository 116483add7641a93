//! Kinds of guarded servers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of the guarded server, by its path resolution. Selects the checks of
/// [`ServerQuirks`](crate::ServerQuirks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerKind {
    /// Any server: only spellings that no honest client sends are denied.
    Generic,
    /// Tomcat or another servlet container, without Spring Security.
    Tomcat,
    /// Spring with Spring Security, whose `StrictHttpFirewall` rejects the same spellings later,
    /// with a logged exception. Use [`Tomcat`](Self::Tomcat) for Spring without it.
    Spring,
    /// PHP with Apache, nginx or its own server.
    Php,
    /// Node.js. Use [`Express`](Self::Express) for Express, which does not use `new URL`.
    Node,
    /// Express on Node.js.
    Express,
    /// axum or another Rust server whose router takes the path as sent.
    Axum,
    /// Django, Flask or `FastAPI`, whose routers take the decoded path.
    Python,
    /// nginx, for files or as another proxy.
    Nginx,
}

impl ServerKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Generic,
        Self::Tomcat,
        Self::Spring,
        Self::Php,
        Self::Node,
        Self::Express,
        Self::Axum,
        Self::Python,
        Self::Nginx,
    ];
}

/// Writes the name used in policy documents.
impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generic => "generic",
            Self::Tomcat => "tomcat",
            Self::Spring => "spring",
            Self::Php => "php",
            Self::Node => "node",
            Self::Express => "express",
            Self::Axum => "axum",
            Self::Python => "python",
            Self::Nginx => "nginx",
        })
    }
}
