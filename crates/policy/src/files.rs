//! Reads the files of a policy: the document and its lists.

use std::path::{Path, PathBuf};

use gabion_core::Escaped;
use gabion_inspect::{BanFile, ConfigPath, List, OnListError};

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
    on_error: OnListError,
    /// The file, if its path can be resolved.
    pub(crate) file: Option<KnownFile>,
    text: Result<String, String>,
}

const SKIP_HELP: &str = "`{ file = \"NAME\", on_error = \"skip\" }` skips the unreadable lines of a list, with a warning";

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
    named: impl Iterator<Item = &'n BanFile>,
    base: Option<&Path>,
) -> Vec<ListFile> {
    let mut remaining = budget::LIST_BYTES;
    let files = named.map(|named| {
        let list = ListFile::read(named, base, remaining);
        let length = list.text.as_ref().map_or(0, |text| text.len() as u64);
        remaining = remaining.saturating_sub(length);
        list
    });
    files.collect()
}

/// Parses the lists. An invalid one becomes an empty list, so that the others keep their index. Returns
/// the errors, and warnings of skipped lines.
pub(crate) fn parse(files: &[ListFile]) -> (Vec<List>, Vec<Issue>, Vec<Issue>) {
    let mut lists = Vec::with_capacity(files.len());
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for (index, file) in files.iter().enumerate() {
        let path = ConfigPath::new("ban", "files").entry(index);
        match file.parse() {
            Ok((list, skipped)) => {
                lists.push(list);
                warnings.extend(skipped.map(|message| Issue::new(path, message)));
            }
            Err(message) => {
                let mut error = Issue::new(path, message);
                error.help = file.text.is_ok().then(|| SKIP_HELP.into());
                errors.push(error);
                lists.extend(List::parse(&file.name, ""));
            }
        }
    }
    (lists, errors, warnings)
}

// === impl ListFile ===

impl ListFile {
    /// The maximum number of skipped lines that a warning names.
    const MAX_NAMED: usize = 8;

    /// Parses the list. Returns a warning if lines were skipped, or the error.
    fn parse(&self) -> Result<(List, Option<String>), String> {
        let text = self.text.as_ref().map_err(|error| {
            let name = Escaped(self.name.as_bytes());
            format!("cannot read list `{name}`: {error}")
        })?;
        let parsed = match self.on_error {
            OnListError::Skip => List::parse_lossy(&self.name, text),
            _ => List::parse(&self.name, text).map(|list| (list, Vec::new())),
        };
        let (list, skipped) = parsed.map_err(|error| error.to_string())?;
        let named = skipped
            .iter()
            .take(Self::MAX_NAMED)
            .map(ToString::to_string);
        let named = named.collect::<Vec<_>>().join("; ");
        let rest = if skipped.len() > Self::MAX_NAMED {
            "; …"
        } else {
            ""
        };
        let warning = format!(
            "unreadable lines skipped ({}): {named}{rest}",
            skipped.len()
        );
        let warning = (!skipped.is_empty()).then_some(warning);
        Ok((list, warning))
    }

    fn read(named: &BanFile, base: Option<&Path>, remaining: u64) -> Self {
        let (name, on_error) = (named.file.clone(), named.on_error);
        let path = base.map_or_else(|| PathBuf::from(&name), |base| base.join(&name));
        if path.is_relative() && base.is_none() {
            let error = "its path must be absolute, because the policy was not loaded from a file";
            return Self {
                name,
                on_error,
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
        let text = bytes.and_then(|bytes| match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            // The replacement characters are in comments, or make their lines unreadable.
            Err(error) if on_error == OnListError::Skip => {
                Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = error.as_bytes().get(..valid).unwrap_or_default();
                let line = before.split(|&byte| byte == b'\n').count();
                Err(format!("invalid UTF-8 in line {line}"))
            }
        });
        Self {
            name,
            on_error,
            file: Some(file),
            text,
        }
    }
}
