//! Files that are left on a server by accident: files whose name begins with a dot, and copies of pages
//! and databases. The names do not score, since downloads have some of them, too; a response that serves
//! one is reported as a probe hit.

use gabion_core::{Cause, Facts, Reason, RuleId, Segment};
use http::Method;

use crate::short_name::{lowercase_number, number};

const RULE: RuleId = RuleId::builtin("scan/leftover");

/// Extensions of copies that editors and administrators make of a file.
const COPIES: [u64; 7] = [
    number(b"bak"),
    number(b"bk"),
    number(b"old"),
    number(b"orig"),
    number(b"save"),
    number(b"swp"),
    number(b"sql"),
];

/// Extensions of archives, which are downloads as well: reported after the name of a page or a site only.
const ARCHIVES: [u64; 5] = [
    number(b"zip"),
    number(b"tgz"),
    number(b"gz"),
    number(b"rar"),
    number(b"7z"),
];

const PAGES: [&[u8]; 14] = [
    b"php", b"html", b"htm", b"asp", b"aspx", b"jsp", b"py", b"rb", b"json", b"xml", b"yml",
    b"yaml", b"ini", b"conf",
];

const SITES: [&[u8]; 16] = [
    b"backup",
    b"backups",
    b"bak",
    b"database",
    b"db",
    b"dump",
    b"htdocs",
    b"old",
    b"public_html",
    b"site",
    b"source",
    b"src",
    b"web",
    b"website",
    b"www",
    b"wwwroot",
];

/// Returns the reason why the request reads such a file. `last` is the last segment of the path.
pub(crate) fn cause(facts: &Facts<'_>, last: Segment<'_>) -> Option<Cause> {
    let is_by_ending = || match last.bytes() {
        [b'.', ..] | [.., b'~'] => true,
        _ => last.extension().is_some_and(is_of_leftovers),
    };
    let may_be = !facts.path.has_one_form() || is_by_ending();
    let reads = *facts.method == Method::GET;
    (may_be && reads).then(|| in_views(facts, &RULE, is_leftover))?
}

/// Returns the reason why the request is for the settings of one environment, such as
/// `.env.production`, which is a probe by `rule`. `last` is the last segment of the path.
pub(super) fn settings(facts: &Facts<'_>, last: Segment<'_>, rule: &RuleId) -> Option<Cause> {
    let may_be = !facts.path.has_one_form() || last.bytes().first() == Some(&b'.');
    may_be.then(|| in_views(facts, rule, is_settings))?
}

fn is_of_leftovers(extension: &[u8]) -> bool {
    let extension = lowercase_number(extension);
    COPIES.contains(&extension) || ARCHIVES.contains(&extension)
}

#[cold]
fn in_views(facts: &Facts<'_>, rule: &RuleId, matches: fn(&[u8]) -> bool) -> Option<Cause> {
    facts.path.iter().find_map(|view| {
        let name = view.path.rsplit(|&byte| byte == b'/').next()?;
        let cause = || Cause::in_path(rule.clone(), Reason::Name, name, view.transformations);
        matches(name).then(cause)
    })
}

fn is_settings(name: &[u8]) -> bool {
    const START: &[u8] = b".env.";
    let start = name.get(..START.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(START))
}

fn is_leftover(name: &[u8]) -> bool {
    match name {
        [] | [b'.' | b'~'] | [b'.', b'.', ..] => false,
        [b'.', ..] => !name.eq_ignore_ascii_case(b".well-known"),
        [.., b'~'] => true,
        _ => split(name).is_some_and(|(stem, extension)| {
            let extension = lowercase_number(extension);
            COPIES.contains(&extension) || ARCHIVES.contains(&extension) && is_of_site(stem)
        }),
    }
}

fn is_of_site(stem: &[u8]) -> bool {
    match split(stem) {
        Some((stem, tar)) if tar.eq_ignore_ascii_case(b"tar") => is_of_site(stem),
        Some((_, extension)) => is_one_of(extension, &PAGES),
        None => is_one_of(stem, &SITES),
    }
}

/// Splits a name at its last dot.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    let (stem, extension) = name.split_at_checked(dot)?;
    Some((stem, extension.get(1..)?))
}

fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_pages_are_leftovers_and_downloads_are_not() {
        for name in [
            ".env.azure",
            ".htaccess",
            ".DS_Store",
            "config.json.old",
            "index.php~",
            "wp-config.php.bk",
            "x.bak",
            "page.html.ORIG",
            ".config.swp",
            "dump.sql",
            "backup.zip",
            "WWW.tar.gz",
            "index.php.zip",
            "db.tgz",
        ] {
            assert!(is_leftover(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "...",
            ".well-known",
            "index.html",
            "app-1.2.3.zip",
            "fonts.tar.gz",
            "old",
            "~",
            "sql",
            "backup",
            "holiday.zip",
            "archive.7z",
            "bold",
        ] {
            assert!(!is_leftover(name.as_bytes()), "{name}");
        }
    }
}
