//! A parsed TOML document as a tree of values with spans.

use std::{mem, ops::Range};

use gabion_inspect::ConfigPath;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Error, ValueDeserializer},
};

/// A parsed document in which every key and value has its span.
#[derive(Clone, Debug)]
pub(crate) struct TomlTree<'t> {
    root: Spanned<DeValue<'t>>,
}

/// The path from the root of a document to a value.
pub(crate) type Path = Vec<PathSegment>;

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathSegment {
    Key(String),
    Entry(usize),
}

impl<'t> TomlTree<'t> {
    /// Parses as much of `text` as possible, and returns the syntax errors.
    pub(crate) fn parse(text: &'t str) -> (Self, Vec<Error>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let span = table.span();
        let root = Spanned::new(span, DeValue::Table(table.into_inner()));
        (Self { root }, errors)
    }

    /// Deserializes the whole document.
    pub(crate) fn deserialize<T: Deserialize<'t>>(&self) -> Result<T, Error> {
        T::deserialize(ValueDeserializer::from(self.root.clone()))
    }

    /// The path of the narrowest key or value that contains `span`, the deepest of equals; the root
    /// if there is none.
    ///
    /// Children are visited even if their table does not contain `span`, because the span of a table
    /// with a header is that of the header.
    pub(crate) fn innermost(&self, span: &Range<usize>) -> Path {
        if *span == self.root.span() {
            return Path::new();
        }
        let mut best = (usize::MAX, Path::new());
        visit(&self.root, &mut Path::new(), &mut |path, node| {
            let contains = node.start <= span.start && span.end <= node.end;
            if contains && node.len() <= best.0 {
                best = (node.len(), path.clone());
            }
        });
        best.1
    }

    /// The span of the widest value that ends at `end`: the text after an unclosed bracket.
    pub(crate) fn widest_ending_at(&self, end: usize) -> Range<usize> {
        let mut widest = end..end;
        visit(&self.root, &mut Path::new(), &mut |_, node| {
            if node.end == end && node.len() > widest.len() {
                widest = node;
            }
        });
        widest
    }

    /// The span of `path`, or of its innermost ancestor that exists.
    pub(crate) fn locate(&self, path: &ConfigPath) -> Range<usize> {
        let key = |key: &str| (!key.is_empty()).then(|| PathSegment::Key(key.to_owned()));
        let section = path.section.split('.').map(key);
        let within = [
            path.rule.map(PathSegment::Entry),
            key(path.key),
            path.entry.map(PathSegment::Entry),
        ];
        let mut node = &self.root;
        for step in section.chain(within).flatten() {
            match child(node.get_ref(), &step) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.span()
    }

    /// The value at `path`.
    pub(crate) fn get(&self, path: &[PathSegment]) -> Option<&Spanned<DeValue<'t>>> {
        let mut steps = path.iter();
        steps.try_fold(&self.root, |node, step| child(node.get_ref(), step))
    }

    /// Removes the value at `path`; returns `true` if there was one.
    pub(crate) fn remove(&mut self, path: &[PathSegment]) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let mut steps = parents.iter();
        let parent = steps.try_fold(&mut self.root, |node, step| child_mut(node.get_mut(), step));
        match (parent.map(Spanned::get_mut), last) {
            (Some(DeValue::Table(table)), PathSegment::Key(key)) => {
                table.remove(key.as_str()).is_some()
            }
            (Some(DeValue::Array(array)), PathSegment::Entry(removed))
                if *removed < array.len() =>
            {
                let entries = mem::replace(array, DeArray::new()).into_iter().enumerate();
                *array = entries
                    .filter(|(index, _)| index != removed)
                    .map(|(_, entry)| entry)
                    .collect();
                true
            }
            _ => false,
        }
    }

    /// Sets `key` at the root, and replaces the value that is there.
    pub(crate) fn set(&mut self, key: &'static str, value: Spanned<DeValue<'t>>) {
        if let DeValue::Table(table) = self.root.get_mut() {
            table.insert(Spanned::new(value.span(), key.into()), value);
        }
    }

    /// Sets `key` of the table at `path` to a string without a place in the text. Returns `true` if
    /// there is such a table.
    pub(crate) fn set_text(
        &mut self,
        path: &[PathSegment],
        key: &'static str,
        text: String,
    ) -> bool {
        let mut steps = path.iter();
        let node = steps.try_fold(&mut self.root, |node, step| child_mut(node.get_mut(), step));
        let Some(DeValue::Table(table)) = node.map(Spanned::get_mut) else {
            return false;
        };
        let value = Spanned::new(0..0, DeValue::String(text.into()));
        table.insert(Spanned::new(0..0, key.into()), value);
        true
    }
}

fn child<'d, 't>(node: &'d DeValue<'t>, step: &PathSegment) -> Option<&'d Spanned<DeValue<'t>>> {
    match (node, step) {
        (DeValue::Table(table), PathSegment::Key(key)) => table.get(key.as_str()),
        (DeValue::Array(array), PathSegment::Entry(entry)) => array.get(*entry),
        _ => None,
    }
}

fn child_mut<'d, 't>(
    node: &'d mut DeValue<'t>,
    step: &PathSegment,
) -> Option<&'d mut Spanned<DeValue<'t>>> {
    match (node, step) {
        (DeValue::Table(table), PathSegment::Key(key)) => table.get_mut(key.as_str()),
        (DeValue::Array(array), PathSegment::Entry(entry)) => array.get_mut(*entry),
        _ => None,
    }
}

/// Calls `visitor` with the span of every key and value below `value`, parents first.
fn visit(
    value: &Spanned<DeValue<'_>>,
    path: &mut Path,
    visitor: &mut impl FnMut(&Path, Range<usize>),
) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                path.push(PathSegment::Key(key.get_ref().clone().into_owned()));
                visitor(path, key.span());
                visitor(path, value.span());
                visit(value, path, visitor);
                path.pop();
            }
        }
        DeValue::Array(array) => {
            for (index, entry) in array.iter().enumerate() {
                path.push(PathSegment::Entry(index));
                visitor(path, entry.span());
                visit(entry, path, visitor);
                path.pop();
            }
        }
        _ => {}
    }
}
