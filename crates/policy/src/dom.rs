//! Places in a parsed document, and what stands there.

use std::{mem, ops::Range};

use gabion_inspect::ConfigPath;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Error, ValueDeserializer},
};

/// A parsed document whose every key and value knows its span.
#[derive(Clone, Debug)]
pub(crate) struct Dom<'t> {
    root: Spanned<DeValue<'t>>,
}

/// The way from the root of a document to a value.
pub(crate) type Path = Vec<PathSegment>;

/// One step of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathSegment {
    Key(String),
    Entry(usize),
}

impl<'t> Dom<'t> {
    /// Parses as much of `text` as can be parsed.
    pub(crate) fn parse(text: &'t str) -> (Self, Vec<Error>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let span = table.span();
        let root = Spanned::new(span, DeValue::Table(table.into_inner()));
        (Self { root }, errors)
    }

    /// Reads the whole as a `T`.
    pub(crate) fn read<T: Deserialize<'t>>(&self) -> Result<T, Error> {
        T::deserialize(ValueDeserializer::from(self.root.clone()))
    }

    /// The narrowest key or value that holds `span`, the deepest of several; the root where none
    /// does.
    ///
    /// Children are looked at even where their table does not hold `span`: the span of a table
    /// with a header is that of the header.
    pub(crate) fn innermost(&self, span: &Range<usize>) -> Path {
        if *span == self.root.span() {
            return Path::new();
        }
        let mut best = (usize::MAX, Path::new());
        visit(&self.root, &mut Path::new(), &mut |path, node| {
            let holds = node.start <= span.start && span.end <= node.end;
            if holds && node.len() <= best.0 {
                best = (node.len(), path.clone());
            }
        });
        best.1
    }

    /// The widest value that ends at `end`: what an unclosed bracket has swallowed.
    pub(crate) fn widest_to(&self, end: usize) -> Range<usize> {
        let mut widest = end..end;
        visit(&self.root, &mut Path::new(), &mut |_, node| {
            if node.end == end && node.len() > widest.len() {
                widest = node;
            }
        });
        widest
    }

    /// The span of `place`, or of the innermost of its ancestors that exists.
    pub(crate) fn locate(&self, place: &ConfigPath) -> Range<usize> {
        let key = |key: &str| (!key.is_empty()).then(|| PathSegment::Key(key.to_owned()));
        let section = place.section.split('.').map(key);
        let within = [
            place.rule.map(PathSegment::Entry),
            key(place.key),
            place.entry.map(PathSegment::Entry),
        ];
        let mut at = &self.root;
        for step in section.chain(within).flatten() {
            match child(at.get_ref(), &step) {
                Some(next) => at = next,
                None => break,
            }
        }
        at.span()
    }

    /// What stands at `path`.
    pub(crate) fn get(&self, path: &[PathSegment]) -> Option<&Spanned<DeValue<'t>>> {
        let mut steps = path.iter();
        steps.try_fold(&self.root, |at, step| child(at.get_ref(), step))
    }

    /// Takes out what stands at `path`; says whether anything did.
    pub(crate) fn remove(&mut self, path: &[PathSegment]) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let mut steps = parents.iter();
        let parent = steps.try_fold(&mut self.root, |at, step| child_mut(at.get_mut(), step));
        match (parent.map(Spanned::get_mut), last) {
            (Some(DeValue::Table(table)), PathSegment::Key(key)) => {
                table.remove(key.as_str()).is_some()
            }
            (Some(DeValue::Array(array)), PathSegment::Entry(gone)) if *gone < array.len() => {
                let entries = mem::replace(array, DeArray::new()).into_iter().enumerate();
                *array = entries
                    .filter(|(at, _)| at != gone)
                    .map(|(_, entry)| entry)
                    .collect();
                true
            }
            _ => false,
        }
    }

    /// Puts `value` at the root, in place of what stands there.
    pub(crate) fn put(&mut self, key: &'static str, value: Spanned<DeValue<'t>>) {
        if let DeValue::Table(table) = self.root.get_mut() {
            table.insert(Spanned::new(value.span(), key.into()), value);
        }
    }
}

fn child<'d, 't>(of: &'d DeValue<'t>, step: &PathSegment) -> Option<&'d Spanned<DeValue<'t>>> {
    match (of, step) {
        (DeValue::Table(table), PathSegment::Key(key)) => table.get(key.as_str()),
        (DeValue::Array(array), PathSegment::Entry(entry)) => array.get(*entry),
        _ => None,
    }
}

fn child_mut<'d, 't>(
    of: &'d mut DeValue<'t>,
    step: &PathSegment,
) -> Option<&'d mut Spanned<DeValue<'t>>> {
    match (of, step) {
        (DeValue::Table(table), PathSegment::Key(key)) => table.get_mut(key.as_str()),
        (DeValue::Array(array), PathSegment::Entry(entry)) => array.get_mut(*entry),
        _ => None,
    }
}

/// Shows `see` the span of every key and value below `value`, parents first.
fn visit(value: &Spanned<DeValue<'_>>, path: &mut Path, see: &mut impl FnMut(&Path, Range<usize>)) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                path.push(PathSegment::Key(key.get_ref().clone().into_owned()));
                see(path, key.span());
                see(path, value.span());
                visit(value, path, see);
                path.pop();
            }
        }
        DeValue::Array(array) => {
            for (at, entry) in array.iter().enumerate() {
                path.push(PathSegment::Entry(at));
                see(path, entry.span());
                visit(entry, path, see);
                path.pop();
            }
        }
        _ => {}
    }
}
