//! The line formats: netset, plain addresses, ranges, feeds with counts, and Spamhaus text.

use std::net::IpAddr;

use gabion_core::Evidence;
use ipnet::{IpSubnets, Ipv4Subnets, Ipv6Subnets};

use super::{
    List,
    entries::Entries,
    error::{ListProblem, ParseError, Position},
};

pub(super) fn read(text: &str) -> Result<Entries, ParseError> {
    let mut entries = Entries::default();
    let (mut index, mut rest) = (0, text);
    while !rest.is_empty() {
        let (line, next) = split_before(rest, |byte| byte == b'\n');
        read_line(&mut entries, index, line)?;
        index += 1;
        rest = next.get(1..).unwrap_or_default();
    }
    Ok(entries)
}

/// Reads the lines that are valid. Returns the errors of the others, up to the one that the list is full
/// or has too many.
pub(super) fn read_lossy(text: &str) -> (Entries, Vec<ParseError>) {
    let mut entries = Entries::default();
    let mut errors = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let len = entries.len();
        let Err(error) = read_line(&mut entries, index, line) else {
            continue;
        };
        entries.truncate(len);
        let is_full = error.is_full();
        errors.push(error);
        if is_full || errors.len() > List::MAX_SKIPPED {
            break;
        }
    }
    (entries, errors)
}

fn read_line(entries: &mut Entries, index: usize, line: &str) -> Result<(), ParseError> {
    // Only blanks or an ASCII entry precede the column, so that bytes and characters agree.
    let at = |rest: &str| Position::new(index, line.len() - rest.len());
    let entry = line.trim_ascii_start();
    let (networks, rest) = split_before(entry, |byte| is_blank(byte) || is_comment(byte));
    if networks.is_empty() {
        return Ok(());
    }
    add(entries, networks, at(entry))?;
    let rest = rest.trim_ascii_start();
    let (count, _comment) = split_before(rest, is_comment);
    let count = count.trim_ascii_end();
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        let problem = ListProblem::Trailing(Evidence::new(count.as_bytes()));
        return Err(at(rest).error(problem));
    }
    Ok(())
}

/// Splits before the first byte for which `is_end` returns `true`; it must be ASCII.
fn split_before(text: &str, is_end: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(is_end);
    end.and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""))
}

const fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

const fn is_comment(byte: u8) -> bool {
    matches!(byte, b'#' | b';')
}

/// Adds a network, an address, or each of the networks that make up a range.
fn add(entries: &mut Entries, text: &str, at: Position) -> Result<(), ParseError> {
    let Some((first, last)) = ends(text) else {
        return entries.parse(text, at);
    };
    let Some(mut range) = subnets(first, last) else {
        return Err(at.error(ListProblem::Range(Evidence::new(text.as_bytes()))));
    };
    range.try_for_each(|network| entries.push(network, at))
}

fn ends(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (first, rest) = split_before(text, |byte| byte == b'-');
    let last = rest.strip_prefix('-')?;
    let addr = |text: &str| text.parse().ok().map(|addr: IpAddr| addr.to_canonical());
    Some((addr(first)?, addr(last)?))
}

/// Returns the smallest set of networks that covers exactly `first` to `last`.
fn subnets(first: IpAddr, last: IpAddr) -> Option<IpSubnets> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(Ipv4Subnets::new(first, last, 0).into())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(Ipv6Subnets::new(first, last, 0).into())
        }
        _ => None,
    }
}
