//! The request target that the service receives.

use std::ptr;

use gabion_core::{Forward, PathViews};
use http::{Request, Uri, uri::PathAndQuery};

use crate::ConnectionSource;

/// Rewrites the path of `request` into the form that the policy forwards.
///
/// A target from which a router has stripped a prefix stays unchanged: the rest is not the path
/// that was judged.
pub(super) fn rewrite_target<B>(
    request: &mut Request<B>,
    forward: Forward,
    connection: &dyn ConnectionSource,
) {
    let is_uncut = ptr::eq(
        connection.target(request.extensions(), request.uri()),
        request.uri(),
    );
    if forward == Forward::Canonical
        && is_uncut
        && let Some(uri) = canonical(request.uri())
    {
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
