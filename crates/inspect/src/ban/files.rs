//! The list files that `[ban]` names.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A list of [`BanFile`]s that deserializes from a list or from a single one.
///
/// Dereferences to a slice.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{BanConfig, OnListError};
///
/// let one: BanConfig = toml::from_str("files = 'drop.netset'")?;
/// assert_eq!(one.files[0].on_error, OnListError::Refuse);
/// let many: BanConfig =
///     toml::from_str("files = ['a.netset', { file = 'b.netset', on_error = 'skip' }]")?;
/// assert_eq!(many.files[1].file, "b.netset");
/// assert_eq!(many.files[1].on_error, OnListError::Skip);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BanFiles(Vec<BanFile>);

/// A list file, and the treatment of its unreadable lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BanFile {
    /// The name of the file, relative to the policy document.
    pub file: String,
    /// The treatment of unreadable lines.
    pub on_error: OnListError,
    /// The effect on the clients in the list.
    pub effect: ListEffect,
}

/// The effect of a list file on the clients in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ListEffect {
    /// They are denied.
    #[default]
    Deny,
    /// Rules may deny their requests, but never ban them, nor a network with one of them: for the published
    /// ranges of search engines, whose crawlers follow links that attackers plant.
    NoBan,
}

/// The treatment of unreadable lines in a list file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnListError {
    /// The list is refused, and with it the policy.
    #[default]
    Refuse,
    /// The lines are skipped, and a warning names them ([`List::parse_lossy`](crate::List::parse_lossy)).
    Skip,
}

/// The table form of a [`BanFile`].
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename = "list file")]
struct Table {
    file: String,
    #[serde(default)]
    on_error: OnListError,
    #[serde(default)]
    effect: ListEffect,
}

// === impl BanFiles ===

impl<'de> Deserialize<'de> for BanFiles {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct FilesVisitor;
        impl<'de> de::Visitor<'de> for FilesVisitor {
            type Value = BanFiles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file name, a table with `file`, or a list of them")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<BanFiles, E> {
                Ok([name].into_iter().collect())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<BanFiles, A::Error> {
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok([table].into_iter().collect())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<BanFiles, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(BanFiles)
            }
        }
        from.deserialize_any(FilesVisitor)
    }
}

impl Deref for BanFiles {
    type Target = [BanFile];

    fn deref(&self) -> &[BanFile] {
        &self.0
    }
}

impl<F: Into<BanFile>> FromIterator<F> for BanFiles {
    fn from_iter<I: IntoIterator<Item = F>>(files: I) -> Self {
        Self(files.into_iter().map(Into::into).collect())
    }
}

// === impl BanFile ===

impl<'de> Deserialize<'de> for BanFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct FileVisitor;
        impl<'de> de::Visitor<'de> for FileVisitor {
            type Value = BanFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file name, or a table with `file`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<BanFile, E> {
                Ok(name.into())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<BanFile, A::Error> {
                Table::deserialize(de::value::MapAccessDeserializer::new(map)).map(Into::into)
            }
        }
        from.deserialize_any(FileVisitor)
    }
}

impl Serialize for BanFile {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if *self == Self::from(self.file.as_str()) {
            return self.file.serialize(to);
        }
        let Self {
            file,
            on_error,
            effect,
        } = self.clone();
        Table {
            file,
            on_error,
            effect,
        }
        .serialize(to)
    }
}

impl From<&str> for BanFile {
    fn from(file: &str) -> Self {
        file.to_owned().into()
    }
}

impl From<String> for BanFile {
    fn from(file: String) -> Self {
        Self {
            file,
            on_error: OnListError::default(),
            effect: ListEffect::default(),
        }
    }
}

impl From<Table> for BanFile {
    fn from(table: Table) -> Self {
        Self {
            file: table.file,
            on_error: table.on_error,
            effect: table.effect,
        }
    }
}
