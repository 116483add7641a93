//! The built-in policy, fitted to what stands behind the guard.

use clap::ValueEnum;
use gabion::policy::{Pack, ServerKind};

/// The policy of a guard that knows nothing of the server behind.
const ANY: &str = include_str!("default.toml");

/// Where that policy leaves open which server it is.
const UNNAMED: &str = "# behind = \"generic\"";

/// A case for servers without PHP.
const NO_PHP: &str = r#"
[[expect]]
request = "GET /index.ph%70;x=1"
verdict = "deny"
rule = "no-php/scripts"
"#;

/// What stands behind the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(
    clippy::doc_markdown,
    reason = "`--help` shows these lines as they stand"
)]
pub(crate) enum Behind {
    /// axum, or another Rust server
    Axum,
    /// ASP.NET
    Dotnet,
    /// nginx
    Nginx,
    /// Node.js
    Node,
    /// PHP that is no WordPress
    Php,
    /// Django, Flask, FastAPI
    Python,
    /// Ruby on Rails
    Rails,
    /// Spring Boot with Spring Security
    Spring,
    /// Files only
    Static,
    /// Tomcat, or another Java server
    Tomcat,
    /// WordPress
    Wordpress,
}

/// The policy for what stands behind; for any server where nothing is said.
pub(crate) fn policy(behind: Option<Behind>) -> String {
    match behind {
        None => ANY.to_owned(),
        Some(behind) => {
            let named = format!("behind = \"{}\"", behind.kind());
            fit(&behind.packs(), &[Pack::Leftovers]).replace(UNNAMED, &named)
        }
    }
}

/// The policy of a guard that was given none. Its demo runs no PHP.
pub(crate) fn built_in(is_demo: bool) -> String {
    if !is_demo {
        return ANY.to_owned();
    }
    let acting = [Pack::Never, Pack::NoPhp];
    let rest: Vec<_> = Pack::ALL
        .into_iter()
        .filter(|pack| !acting.contains(pack))
        .collect();
    fit(&acting, &rest)
}

/// The built-in policy with other packs.
fn fit(packs: &[Pack], observe: &[Pack]) -> String {
    let names = |packs: &[Pack]| packs.iter().map(|pack| pack.name()).collect::<Vec<_>>();
    let mut text: String = ANY
        .lines()
        .map(|line| match line.split(' ').next() {
            Some("packs") => format!("packs = {:?}\n", names(packs)),
            Some("observe") => format!("observe = {:?}\n", names(observe)),
            _ => format!("{line}\n"),
        })
        .collect();
    if packs.contains(&Pack::NoPhp) {
        text.push_str(NO_PHP);
    }
    text
}

impl Behind {
    /// The packs that refuse nothing of such a server.
    ///
    /// [`Pack::Leftovers`] is none of them: what a server offers to download is not known by its
    /// kind.
    fn packs(self) -> Vec<Pack> {
        let hits: &[Pack] = match self {
            Self::Dotnet => &[Pack::NoAsp],
            Self::Php => &[Pack::NoPhp],
            Self::Wordpress => &[Pack::NoPhp, Pack::NoWordpress],
            _ => &[],
        };
        let fits = |pack: &Pack| *pack != Pack::Leftovers && !hits.contains(pack);
        Pack::ALL.into_iter().filter(fits).collect()
    }

    /// How such a server reads paths.
    const fn kind(self) -> ServerKind {
        match self {
            Self::Tomcat => ServerKind::Tomcat,
            Self::Spring => ServerKind::Spring,
            Self::Php | Self::Wordpress => ServerKind::Php,
            Self::Node => ServerKind::Node,
            Self::Nginx => ServerKind::Nginx,
            Self::Axum | Self::Dotnet | Self::Python | Self::Rails | Self::Static => {
                ServerKind::Generic
            }
        }
    }
}
