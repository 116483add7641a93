//! The target that the service behind is given.

use std::ptr;

use gabion_core::{Forward, PathViews};
use http::{Request, Uri, uri::PathAndQuery};

use crate::ConnectionSource;

/// Gives `request` the spelling of its path that the policy asks for.
///
/// A target that a router has cut stays as it is: what is left of it is not what was judged.
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

/// `uri` in its canonical spelling; `None` where that is how it is spelled, or it has none.
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
