//! Request targets as bytes over sockets. A denied target never reaches the upstream, a passed one
//! reaches it once and as judged, and honest targets are served for every kind of upstream.

pub(crate) mod columns;
mod honest;
mod raw;

use gabion::inspect::PathViews;

/// The request line that the upstream must receive for `target`, with its path as sent or
/// canonical.
fn request_line(target: &[u8], is_canonical: bool) -> Vec<u8> {
    let origin = origin_form(target);
    let end = origin.iter().position(|&byte| byte == b'?');
    let (path, query) = origin.split_at(end.unwrap_or(origin.len()));
    let spelled = if is_canonical {
        PathViews::new(path).canonical().into_owned()
    } else {
        path.to_vec()
    };
    [b"GET ", &*spelled, query, b" HTTP/1.1"].concat()
}

/// The target without scheme, authority and fragment, `/` if it has no path, and every other byte
/// as sent.
fn origin_form(target: &[u8]) -> Vec<u8> {
    let end = target.iter().position(|&byte| byte == b'#');
    let target = &target[..end.unwrap_or(target.len())];
    if target.starts_with(b"/") {
        return target.to_vec();
    }
    let scheme = target.windows(3).position(|three| three == b"://");
    let rest = &target[scheme.expect("an absolute form") + 3..];
    match rest.iter().position(|&byte| b"/?".contains(&byte)) {
        Some(path) if rest[path] == b'/' => rest[path..].to_vec(),
        Some(query) => [b"/", &rest[query..]].concat(),
        None => b"/".to_vec(),
    }
}
