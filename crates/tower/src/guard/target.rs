//! The request target that the service receives.

use gabion_core::PathViews;
use http::{Request, Uri, uri::PathAndQuery};

/// Rewrites the path of `request` into its canonical form.
pub(super) fn make_canonical<B>(request: &mut Request<B>) {
    if let Some(uri) = canonical(request.uri()) {
        *request.uri_mut() = uri;
    }
}

/// Returns `uri` with its canonical path, or `None` if the path is canonical already or there is
/// none.
fn canonical(uri: &Uri) -> Option<Uri> {
    let raw = uri.path().as_bytes();
    let canonical_path = PathViews::new(raw).canonical();
    if *canonical_path == *raw {
        return None;
    }
    let mut target = canonical_path.into_owned();
    if let Some(query) = uri.query() {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target).ok()?);
    Uri::from_parts(parts).ok()
}
