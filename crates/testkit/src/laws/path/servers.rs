//! The ways in which servers and proxies interpret a path.

use super::reference::{
    backslash_as_slash, cut_at_query, cut_host, cut_params, decode, decode_unreserved,
    merge_slashes, resolve_dots,
};

/// A server or proxy with the path that it reads in a path.
type Server = (&'static str, fn(&[u8]) -> Vec<u8>);

/// Servers by the path on which they select a resource.
const SERVERS: [Server; 6] = [
    // Express, and `url.parse` of Node.js.
    ("axum", <[u8]>::to_vec),
    ("Flask", decode),
    ("Node.js, new URL", new_url),
    ("nginx", |path| {
        resolve_dots(&merge_slashes(&decode(path))).0
    }),
    ("nginx, merge_slashes off", |path| {
        resolve_dots(&decode(path)).0
    }),
    ("Tomcat", |path| {
        resolve_dots(&merge_slashes(&decode(&cut_params(path)))).0
    }),
];

/// Proxies by the path that the next server receives.
const PROXIES: [Server; 4] = [
    ("as sent", <[u8]>::to_vec),
    ("new URL", new_url),
    ("nginx, proxy_pass http://server$uri", |path| {
        cut_at_query(&resolve_dots(&merge_slashes(&decode(path))).0)
    }),
    (
        "nginx, merge_slashes off, proxy_pass http://server$uri",
        |path| cut_at_query(&resolve_dots(&decode(path)).0),
    ),
];

/// Returns the path that each server reads behind each proxy, with their names.
pub(super) fn readings(path: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    PROXIES.iter().flat_map(move |(proxy, forward)| {
        let forwarded = forward(path);
        let read = move |(server, read): &Server| (format!("{proxy}; {server}"), read(&forwarded));
        SERVERS.iter().map(read)
    })
}

/// The path in `new URL` of Node.js and of browsers, apart from escapes (WHATWG URL, path state).
fn new_url(path: &[u8]) -> Vec<u8> {
    let path = cut_host(&backslash_as_slash(&cut_at_query(path)));
    resolve_dots(&decode_unreserved(&path)).0
}
