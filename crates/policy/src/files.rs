//! The files of a policy: the document, and the lists that it names.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
};

use gabion_core::Escaped;
use gabion_inspect::{ConfigPath, List};

use crate::{PolicyError, budget, diagnostic::SourceText, issue::Issue};

/// A list as it was read, or why it was not.
#[derive(Debug)]
pub(crate) struct ListFile {
    name: String,
    pub(crate) path: PathBuf,
    text: Result<String, String>,
}

/// Reads a document.
pub(crate) fn document(path: &Path, name: &str) -> Result<String, PolicyError> {
    let nothing = SourceText { name, text: "" };
    let bytes = read(path, budget::DOCUMENT_BYTES)
        .map_err(|error| nothing.refuse(&format!("the document cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let source = SourceText { name, text: &text };
        PolicyError::new(vec![
            source.error(at..at + 1, "the document is not UTF-8 here"),
        ])
    })
}

/// Reads the lists that a document names, beside the document in `base`.
pub(crate) fn lists<'n>(
    names: impl Iterator<Item = &'n String>,
    base: Option<&Path>,
) -> Vec<ListFile> {
    let mut room = budget::LIST_BYTES;
    let listed = names.map(|name| {
        let path = base.map_or_else(|| PathBuf::from(name), |base| base.join(name));
        let text = if path.is_relative() && base.is_none() {
            Err("a policy that is not a file needs absolute names of lists".to_owned())
        } else {
            text(&path, room)
        };
        room = room.saturating_sub(text.as_ref().map_or(0, |text| text.len() as u64));
        ListFile {
            name: name.clone(),
            path,
            text,
        }
    });
    listed.collect()
}

/// Parses lists that were read; one that is faulty counts as empty, so that each keeps its place.
pub(crate) fn parse(files: &[ListFile]) -> (Vec<List>, Vec<Issue>) {
    let mut lists = Vec::with_capacity(files.len());
    let mut issues = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let parsed = match &file.text {
            Ok(text) => List::parse(&file.name, text).map_err(|error| error.to_string()),
            Err(error) => {
                let name = Escaped(file.name.as_bytes());
                Err(format!("list `{name}` cannot be read: {error}"))
            }
        };
        match parsed {
            Ok(list) => lists.push(list),
            Err(why) => {
                issues.push(Issue::new(ConfigPath::new("ban", "files").entry(at), why));
                lists.extend(List::parse(&file.name, ""));
            }
        }
    }
    (lists, issues)
}

/// Stands for the content of a document and its lists, to see whether anything has changed.
pub(crate) fn digest(document: &str, lists: &[ListFile]) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    for list in lists {
        list.name.hash(&mut hasher);
        list.text.hash(&mut hasher);
    }
    hasher.finish()
}

fn text(path: &Path, most: u64) -> Result<String, String> {
    let bytes = read(path, most).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("byte {at} is not UTF-8")
    })
}

/// Reads a regular file of at most `most` bytes: a pipe or a device could keep us waiting, or
/// never end.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a policy's files are read"
)]
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!(
            "more than the {most} bytes that there is room for"
        )));
    }
    Ok(bytes)
}
