//! What stands behind the guard.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of server that reads what passes, by how it reads paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerKind {
    /// Any: only what no honest client of any server sends is refused.
    Generic,
    /// Tomcat, or another servlet container, without Spring Security.
    Tomcat,
    /// Spring with Spring Security, whose `StrictHttpFirewall` refuses the same, later and louder.
    /// Without it, [`Tomcat`](Self::Tomcat) fits.
    Spring,
    /// PHP, under Apache, nginx or itself.
    Php,
    /// Node.js.
    Node,
    /// nginx: files, or one more proxy.
    Nginx,
}

impl ServerKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Generic,
        Self::Tomcat,
        Self::Spring,
        Self::Php,
        Self::Node,
        Self::Nginx,
    ];
}

/// As a document says it.
impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generic => "generic",
            Self::Tomcat => "tomcat",
            Self::Spring => "spring",
            Self::Php => "php",
            Self::Node => "node",
            Self::Nginx => "nginx",
        })
    }
}
