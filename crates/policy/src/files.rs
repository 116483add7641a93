//! Reads the files of a policy: the document and its lists.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
};

use gabion_core::Escaped;
use gabion_inspect::{ConfigPath, List};

use crate::{PolicyError, budget, diagnostic::SourceText, issue::Issue};

/// The text of a list file, or the error that occurred.
#[derive(Debug)]
pub(crate) struct ListFile {
    name: String,
    pub(crate) path: PathBuf,
    text: Result<String, String>,
}

/// Reads a document; `name` is its file name in errors.
pub(crate) fn document(path: &Path, name: &str) -> Result<String, PolicyError> {
    let empty = SourceText { name, text: "" };
    let limit = budget::DOCUMENT_BYTES;
    let bytes = read(path, limit, "the limit for a document")
        .map_err(|error| empty.file_error(&format!("cannot read the document: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let source = SourceText { name, text: &text };
        let message = "invalid UTF-8 in the document";
        PolicyError::new(vec![source.error(start..start + 1, message)])
    })
}

/// Reads the lists of a document, relative to the document's directory `base`.
pub(crate) fn lists<'n>(
    names: impl Iterator<Item = &'n String>,
    base: Option<&Path>,
) -> Vec<ListFile> {
    let mut remaining = budget::LIST_BYTES;
    let files = names.map(|name| {
        let path = base.map_or_else(|| PathBuf::from(name), |base| base.join(name));
        let text = if path.is_relative() && base.is_none() {
            Err(
                "its path must be absolute, because the policy was not loaded from a file"
                    .to_owned(),
            )
        } else {
            read_list(&path, remaining)
        };
        let length = text.as_ref().map_or(0, |text| text.len() as u64);
        remaining = remaining.saturating_sub(length);
        ListFile {
            name: name.clone(),
            path,
            text,
        }
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

/// A hash of the content of a document and its lists, to detect changes.
pub(crate) fn digest(document: &str, lists: &[ListFile]) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    for list in lists {
        list.name.hash(&mut hasher);
        list.text.hash(&mut hasher);
    }
    hasher.finish()
}

fn read_list(path: &Path, limit: u64) -> Result<String, String> {
    let bytes = read(path, limit, "what remains of the limit for all lists");
    let bytes = bytes.map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        format!("invalid UTF-8 at byte {offset}")
    })
}

/// Reads a regular file of at most `limit` bytes, described by `limit_name` in the error. Pipes and
/// devices are refused, because reading them can block or never end.
#[expect(
    clippy::disallowed_methods,
    reason = "the only function that reads a policy's files"
)]
fn read(path: &Path, limit: u64, limit_name: &str) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!(
            "larger than {limit} bytes, {limit_name}"
        )));
    }
    Ok(bytes)
}
