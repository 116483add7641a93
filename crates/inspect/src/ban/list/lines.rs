//! The line formats: netset, plain addresses, ranges, feeds with counts, and Spamhaus text.

use std::net::IpAddr;

use gabion_core::Evidence;
use ipnet::{IpSubnets, Ipv4Subnets, Ipv6Subnets};

use super::{
    entries::Entries,
    error::{ListProblem, ParseError, Position},
};

pub(super) fn read(text: &str) -> Result<Entries, ParseError> {
    let mut entries = Entries::default();
    for (index, line) in text.lines().enumerate() {
        // Only blanks or an ASCII entry precede the column, so that bytes and characters agree.
        let at = |column| Position::new(index, column);
        let (entry, _comment) = line.split_once(['#', ';']).unwrap_or((line, ""));
        let entry = entry.trim_ascii_end();
        let field = entry.trim_ascii_start();
        if field.is_empty() {
            continue;
        }
        let start = at(entry.len() - field.len());
        let blank = |c: char| c.is_ascii_whitespace();
        let (first, count) = field.split_once(blank).unwrap_or((field, ""));
        push(&mut entries, first, start)?;
        let count = count.trim_ascii_start();
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            let problem = ListProblem::Trailing(Evidence::new(count.as_bytes()));
            return Err(at(entry.len() - count.len()).error(problem));
        }
    }
    Ok(entries)
}

/// Adds a network, an address, or each of the networks that make up a range.
fn push(entries: &mut Entries, text: &str, at: Position) -> Result<(), ParseError> {
    let Some((first, last)) = ends(text) else {
        return entries.parse(text, at);
    };
    let Some(mut range) = subnets(first, last) else {
        return Err(at.error(ListProblem::Range(Evidence::new(text.as_bytes()))));
    };
    range.try_for_each(|network| entries.push(network, at))
}

fn ends(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (first, last) = text.split_once('-')?;
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
