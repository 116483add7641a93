//! The spellings that one kind of server reads otherwise than most.

use super::ServerKind::{self, Generic, Nginx, Node, Php, Spring, Tomcat};

/// A spelling, who reads it otherwise, and how.
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) why: &'static str,
    pub(super) behind: &'static [ServerKind],
    pub(super) is_in: fn(&[u8]) -> bool,
}

/// In the order in which they are asked: the surest sign of an attack first.
///
/// Measured on nginx 1.22.1, Tomcat 10.1.60 and Spring Security's `StrictHttpFirewall`; for PHP and
/// Node see each line.
pub(super) const CHECKS: [Check; 10] = [
    Check {
        id: "path/dot-params",
        why: "a dot segment with ;parameters is one to a servlet container, and a name to others",
        behind: &ServerKind::ALL,
        is_in: has_dot_params,
    },
    Check {
        id: "path/backslash",
        // Tomcat and Spring answer 400; Windows and the URL parser of browsers and Node
        // (WHATWG URL, path state) take it for a slash.
        why: "a backslash is a slash to some servers",
        behind: &[Generic, Tomcat, Spring, Php, Node],
        is_in: |path| path.contains(&b'\\') || has_escape(path, *b"5c"),
    },
    Check {
        id: "path/params",
        why: "a servlet container cuts ;parameters before it maps a path, others do not",
        behind: &[Tomcat, Spring],
        is_in: |path| has_params(path) || has_escape(path, *b"3b"),
    },
    Check {
        id: "path/encoded-slash",
        // nginx decodes it to match a location, and passes it on decoded where `proxy_pass` has a path.
        why: "an escaped slash is refused by servlet containers, and turned into a slash by nginx",
        behind: &[Tomcat, Spring, Nginx],
        is_in: |path| has_escape(path, *b"2f"),
    },
    Check {
        id: "path/encoded-percent",
        why: "an escaped percent sign becomes another escape once decoded; Spring refuses it",
        behind: &[Spring],
        is_in: |path| has_escape(path, *b"25"),
    },
    Check {
        id: "path/leading-slashes",
        // `new URL("//host/path", base)`: a path that begins so names a host (WHATWG URL).
        why: "a path that begins with two slashes names a host to Node's URL parser",
        behind: &[Node],
        is_in: |path| path.starts_with(b"//"),
    },
    Check {
        id: "path/double-slash",
        why: "an empty segment is dropped by some servers; Spring refuses it",
        behind: &[Spring],
        is_in: |path| path.windows(2).any(|two| two == b"//"),
    },
    Check {
        id: "path/dot-segments",
        why: "dot segments and escaped dots are left to browsers to resolve; Spring refuses them",
        behind: &[Spring],
        is_in: |path| has_escape(path, *b"2e") || segments(path).any(is_dots),
    },
    Check {
        id: "path/dots-at-end",
        // `/index.php/.` is `/index.php/` by RFC 3986, 5.2.4, and `/index.php` to Tomcat.
        why: "Tomcat drops the slash before a dot segment at the end",
        behind: &[Tomcat],
        is_in: has_dots_at_end,
    },
    Check {
        id: "path/dots-after-name",
        // `location /static { alias /srv/static/; }` serves `/srv/static/../x` for `/static../x`.
        why: "a directory whose name ends in .. climbs out of an nginx alias without its slash",
        behind: &[Nginx],
        is_in: has_dots_after_name,
    },
];

/// Whether any segment but `.` and `..` would be one without its parameters.
fn has_dot_params(path: &[u8]) -> bool {
    segments(path).any(|segment| {
        let name = segment.split(|&byte| byte == b';').next();
        name != Some(segment) && name.is_some_and(is_dots)
    })
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Whether any segment has parameters, but for the session that a servlet container writes itself
/// at the end of a link (Servlet 6.0, 7.1.3).
fn has_params(path: &[u8]) -> bool {
    without_session(path).contains(&b';')
}

fn without_session(path: &[u8]) -> &[u8] {
    const SESSION: &[u8] = b";jsessionid=";
    let Some(at) = path.iter().position(|&byte| byte == b';') else {
        return path;
    };
    let (before, params) = path.split_at(at);
    let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!".contains(byte);
    match params.strip_prefix(SESSION) {
        Some(id) if !id.is_empty() && id.iter().all(is_id) => before,
        _ => path,
    }
}

/// Whether the last segment is a dot segment, its dots escaped or not.
fn has_dots_at_end(path: &[u8]) -> bool {
    let last = segments(path).next_back().unwrap_or_default();
    let spelled: [&[u8]; 6] = [b".", b"..", b"%2e", b".%2e", b"%2e.", b"%2e%2e"];
    spelled.iter().any(|dots| last.eq_ignore_ascii_case(dots))
}

/// Whether any directory's name ends in `..` and is more than that.
fn has_dots_after_name(path: &[u8]) -> bool {
    let mut rest = segments(path).rev();
    let _last = rest.next();
    rest.any(|segment| segment.len() > 2 && segment.ends_with(b".."))
}

/// Whether `%` stands before these two digits, in any case.
fn has_escape(path: &[u8], digits: [u8; 2]) -> bool {
    let mut escapes = path.split(|&byte| byte == b'%').skip(1);
    escapes.any(|after| {
        after
            .get(..2)
            .is_some_and(|found| found.eq_ignore_ascii_case(&digits))
    })
}

fn segments(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}
