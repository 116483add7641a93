//! The built-in policy, adapted to the kind of server behind the guard.

use clap::ValueEnum;
use gabion::policy::{Pack, ServerKind};

/// The policy for a server of unknown kind.
const GENERIC: &str = include_str!("default.toml");

/// The line of [`GENERIC`] that is replaced by the kind of the server.
const NO_KIND: &str = "# behind = \"generic\"";

/// The lines of [`GENERIC`] that a policy for a known server lacks.
const UNKNOWN_KIND: &str = "\
# The kind of your server is unknown, so most packs only log: a request for /index.php passes. For a server without
# PHP, move \"no-php\" to `packs`, and so on; or write this file again with `guard init --behind SERVER`.
";

/// The line of [`GENERIC`] that is replaced by the demo's trusted proxies.
const NO_PROXIES: &str = "trusted_proxies = []";

/// Lets requests from this machine name another client in `X-Forwarded-For`, so that bans and
/// limits, from which loopback clients are exempt, can be tried with curl.
const DEMO_PROXIES: &str = "trusted_proxies = [\"127.0.0.0/8\", \"::1\"]";

/// The rules that only the demo has.
const DEMO_RULES: &str = include_str!("demo.toml");

/// A test case for servers without PHP.
const NO_PHP: &str = r#"
[[expect]]
request = "GET /index.ph%70;x=1"
verdict = "deny"
rule = "no-php/scripts"
"#;

/// The value of `--behind`: the kind of server behind the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(
    clippy::doc_markdown,
    reason = "`--help` shows these lines as they stand"
)]
pub(crate) enum UpstreamServer {
    /// axum or another Rust server
    Axum,
    /// ASP.NET
    Dotnet,
    /// nginx
    Nginx,
    /// Node.js
    Node,
    /// PHP other than WordPress
    Php,
    /// Django, Flask or FastAPI
    Python,
    /// Ruby on Rails
    Rails,
    /// Spring Boot with Spring Security
    Spring,
    /// Static files only
    Static,
    /// Tomcat or another Java server
    Tomcat,
    /// WordPress
    Wordpress,
}

/// Returns the policy for `server`; [`GENERIC`] if it is `None`.
pub(crate) fn for_server(server: Option<UpstreamServer>) -> String {
    match server {
        None => GENERIC.to_owned(),
        Some(server) => {
            let kind = format!("behind = \"{}\"", server.kind());
            with_packs(&server.packs(), &[Pack::Leftovers]).replace(NO_KIND, &kind)
        }
    }
}

/// Returns the policy of the demo. The demo runs no PHP, so the pack `no-php` is enforced.
pub(crate) fn for_demo() -> String {
    let enforced = [Pack::Never, Pack::NoPhp];
    let observed: Vec<_> = Pack::ALL
        .into_iter()
        .filter(|pack| !enforced.contains(pack))
        .collect();
    with_packs(&enforced, &observed).replace(NO_PROXIES, DEMO_PROXIES) + DEMO_RULES
}

/// Returns [`GENERIC`] with other packs.
fn with_packs(packs: &[Pack], observe: &[Pack]) -> String {
    let names = |packs: &[Pack]| packs.iter().map(|pack| pack.name()).collect::<Vec<_>>();
    let mut text: String = GENERIC
        .replace(UNKNOWN_KIND, "")
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

// === impl UpstreamServer ===

impl UpstreamServer {
    /// Returns the packs that deny no path which such a server serves.
    ///
    /// [`Pack::Leftovers`] is never among them: the kind of a server does not determine which files it
    /// offers for download.
    fn packs(self) -> Vec<Pack> {
        let conflicts: &[Pack] = match self {
            Self::Dotnet => &[Pack::NoAsp],
            Self::Tomcat | Self::Spring => &[Pack::NoJsp],
            Self::Php => &[Pack::NoPhp],
            Self::Wordpress => &[Pack::NoPhp, Pack::NoWordpress],
            _ => &[],
        };
        let fits = |pack: &Pack| *pack != Pack::Leftovers && !conflicts.contains(pack);
        Pack::ALL.into_iter().filter(fits).collect()
    }

    /// Returns the [`ServerKind`] that reads paths as such a server does.
    const fn kind(self) -> ServerKind {
        match self {
            Self::Tomcat => ServerKind::Tomcat,
            Self::Spring => ServerKind::Spring,
            Self::Php | Self::Wordpress => ServerKind::Php,
            Self::Node => ServerKind::Node,
            Self::Axum => ServerKind::Axum,
            Self::Python => ServerKind::Python,
            Self::Nginx => ServerKind::Nginx,
            Self::Dotnet | Self::Rails | Self::Static => ServerKind::Generic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_stands_in_the_generic_policy_once() {
        for line in [NO_KIND, NO_PROXIES, UNKNOWN_KIND] {
            assert_eq!(GENERIC.matches(&format!("\n{line}")).count(), 1, "{line}");
        }
    }

    /// Returns [`GENERIC`] with the commented keys of `[server]` in force, behind a balancer.
    fn with_hosts() -> String {
        let lines = GENERIC.lines().map(|line| match line.strip_prefix("# ") {
            Some(key) if key.starts_with("hosts =") || key.starts_with("health_") => key,
            _ => line,
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        text.replace(NO_PROXIES, "trusted_proxies = [\"10.0.0.0/8\"]")
    }

    #[test]
    fn health_checks_by_address_pass_once_the_commented_keys_are_in_force() {
        let cases = [
            ("/health", "user-agent = \"any\"", "pass"),
            ("/", "user-agent = \"ELB-HealthChecker/2.0\"", "pass"),
            ("/", "user-agent = \"GoogleHC/1.0\"", "pass"),
            ("/", "user-agent = \"kube-probe/1.30\"", "pass"),
            ("/", "user-agent = \"any\"", "deny"),
            ("/health", "x-forwarded-for = \"203.0.113.9\"", "deny"),
        ];
        let cases = cases.map(|(path, header, verdict)| {
            format!(
                "\n[[expect]]\nrequest = \"GET {path}\"\nfrom = \"10.0.0.1\"\nverdict = \"{verdict}\"\n\
                 headers = {{ host = \"10.0.3.7:8080\", {header} }}\n"
            )
        });
        let text = with_hosts();
        assert_eq!(text.matches("\nhealth_").count(), 2, "{text}");
        gabion::policy::check(&(text + &cases.concat()), "the policy", None).unwrap();
    }

    #[test]
    fn handshake_of_a_foreign_page_with_cookies_is_refused_by_every_built_in_policy() {
        let handshake = |origin: &str, verdict: &str| {
            format!(
                "\n[[expect]]\nrequest = \"GET /socket\"\nverdict = \"{verdict}\"\n\
                 headers = {{ host = \"app.example\", cookie = \"a=1\", origin = \"{origin}\", \
                 upgrade = \"websocket\", connection = \"Upgrade\", sec-websocket-version = \"13\", \
                 sec-websocket-key = \"dGhlIHNhbXBsZSBub25jZQ==\" }}\n"
            )
        };
        let servers = UpstreamServer::value_variants().iter().copied().map(Some);
        for server in servers.chain([None]) {
            let mut text = for_server(server);
            text += &handshake("https://app.example", "pass");
            text += &handshake("https://evil.example", "deny");
            gabion::policy::check(&text, "the policy", None).unwrap();
        }
    }

    #[test]
    fn demo_policy_passes_its_own_tests() {
        gabion::policy::check(&for_demo(), "the demo policy", None).unwrap();
    }
}
