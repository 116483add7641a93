//! The requests that a limit holds against their client, so that they can ban it.

use gabion_core::{Attribution, Facts, KnownHeader};
use http::Method;

use crate::asset_extension::is_asset_extension;

/// The beginnings of the agents of browsers. Every browser in use that loads images names `Mozilla`.
const BROWSERS: [&[u8]; 2] = [b"Mozilla/", b"Opera/"];

/// The agent that `CloudFront` sends instead of the one of its client, unless it is set up to forward that.
const CLOUDFRONT: &[u8] = b"Amazon CloudFront";

/// Returns `true` if the request can be held against its client: no page that a visitor opens makes a
/// browser send it.
///
/// [`Attribution::Forgeable`] is refined by what browsers add to the requests that pages cause: `Origin` to
/// each POST, unless a page of the same origin suppresses it (Fetch, 3.2), and `User-Agent` and
/// `Accept-Language` to each request. A page cannot remove them, and cannot change `User-Agent` in a request
/// to another origin without a preflight.
///
/// # Limits
///
/// A browser before Firefox 70 sends no `Origin` with a form. A client that takes over the headers of a
/// browser is not counted for GET.
pub(super) fn is_attributable(facts: &Facts<'_>, attribution: Attribution) -> bool {
    let is_certain = match attribution {
        Attribution::Certain => true,
        Attribution::Forgeable { .. } => false,
        Attribution::CrossSite => return false,
    };
    match *facts.method {
        Method::GET | Method::HEAD => (is_certain || is_by_tool(facts)) && !is_asset(facts),
        Method::POST => is_certain || facts.has_site_report() || !is_agent_replaced(facts),
        _ => is_certain,
    }
}

/// Returns `true` if the `User-Agent` names a program other than a browser, and no header of a browser
/// contradicts it.
fn is_by_tool(facts: &Facts<'_>) -> bool {
    let mut agents = facts.index.lines(KnownHeader::UserAgent);
    let names_tool = |agent: &[u8]| {
        let is_browser = BROWSERS.iter().any(|browser| agent.starts_with(browser));
        !agent.is_empty() && !is_browser
    };
    facts.index.contains(KnownHeader::UserAgent)
        && agents.all(names_tool)
        && !is_agent_replaced(facts)
        && !facts.has_site_report()
        && !facts.index.contains(KnownHeader::AcceptLanguage)
}

/// Returns `true` if a CDN replaced the `User-Agent`, and thus may have removed a report.
fn is_agent_replaced(facts: &Facts<'_>) -> bool {
    let mut agents = facts.index.lines(KnownHeader::UserAgent);
    agents.any(|agent| agent == CLOUDFRONT)
}

/// Returns `true` if the path ends in the extension of an asset.
fn is_asset(facts: &Facts<'_>) -> bool {
    let extension = facts.path.last_segment().extension();
    extension.is_some_and(is_asset_extension)
}
