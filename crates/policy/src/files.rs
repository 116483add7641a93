//! Reads the files of a policy: the document and its lists.

use std::path::{Path, PathBuf};

use gabion_core::Escaped;
use gabion_inspect::{ConfigPath, List};

use crate::{
    PolicyError, budget,
    diagnostic::SourceText,
    issue::Issue,
    known_file::{KnownFile, SizeLimit},
};

/// The text of a list file, or the error that occurred.
#[derive(Debug)]
pub(crate) struct ListFile {
    name: String,
    /// The file, if its path can be resolved.
    pub(crate) file: Option<KnownFile>,
    text: Result<String, String>,
}

/// Reads a document; `name` is its file name in errors.
pub(crate) fn document(path: &Path, name: &str) -> (KnownFile, Result<String, PolicyError>) {
    let limit = SizeLimit {
        bytes: budget::DOCUMENT_BYTES,
        name: "the limit for a document",
    };
    let (file, bytes) = KnownFile::read(path.to_owned(), limit);
    let empty = SourceText { name, text: "" };
    let bytes =
        bytes.map_err(|error| empty.file_error(&format!("cannot read the document: {error}")));
    let text = bytes.and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| {
            let start = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let source = SourceText { name, text: &text };
            let message = "invalid UTF-8 in the document";
            PolicyError::new(vec![source.error(start..start + 1, message)])
        })
    });
    (file, text)
}

/// Reads the lists of a document, relative to the document's directory `base`.
pub(crate) fn lists<'n>(
    names: impl Iterator<Item = &'n String>,
    base: Option<&Path>,
) -> Vec<ListFile> {
    let mut remaining = budget::LIST_BYTES;
    let files = names.map(|name| {
        let list = ListFile::read(name, base, remaining);
        let length = list.text.as_ref().map_or(0, |text| text.len() as u64);
        remaining = remaining.saturating_sub(length);
        list
    });
    files.collect()
}

/// Parses the lists. An invalid one becomes an empty list, so that the others keep their index.
pub(crate) fn parse(files: &[ListFile]) -> (Vec<List>, Vec<Issue>) {
    let mut lists = Vec::with_capacity(files.len());
    let mut issues = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let parsed = match &file.text {
            Ok(text) => List::parse(&file.name, text).map_err(|error| error.to_string()),
            Err(error) => {
                let name = Escaped(file.name.as_bytes());
                Err(format!("cannot read list `{name}`: {error}"))
            }
        };
        match parsed {
            Ok(list) => lists.push(list),
            Err(message) => {
                let path = ConfigPath::new("ban", "files").entry(index);
                issues.push(Issue::new(path, message));
                lists.extend(List::parse(&file.name, ""));
            }
        }
    }
    (lists, issues)
}

// === impl ListFile ===

impl ListFile {
    fn read(name: &str, base: Option<&Path>, remaining: u64) -> Self {
        let path = base.map_or_else(|| PathBuf::from(name), |base| base.join(name));
        let name = name.to_owned();
        if path.is_relative() && base.is_none() {
            let error = "its path must be absolute, because the policy was not loaded from a file";
            return Self {
                name,
                file: None,
                text: Err(error.to_owned()),
            };
        }
        let limit = SizeLimit {
            bytes: remaining,
            name: "what remains of the limit for all lists",
        };
        let (file, bytes) = KnownFile::read(path, limit);
        let bytes = bytes.map_err(|error| error.to_string());
        let text = bytes.and_then(|bytes| {
            String::from_utf8(bytes).map_err(|error| {
                let offset = error.utf8_error().valid_up_to();
                format!("invalid UTF-8 at byte {offset}")
            })
        });
        Self {
            name,
            file: Some(file),
            text,
        }
    }
}
