//! A string or a list of strings.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A list of strings that deserializes from a list or from a single string, in rules such as
/// [`DenyRule`](crate::DenyRule).
///
/// Dereferences to a slice.
///
/// # Examples
///
/// ```
/// use gabion_inspect::DenyRule;
///
/// let one: DenyRule = toml::from_str("id = 'php'\nextensions = 'php'")?;
/// assert_eq!(one.extensions.len(), 1);
/// let many: DenyRule = toml::from_str("id = 'php'\nextensions = ['php', 'php7']")?;
/// assert_eq!(many.extensions.len(), 2);
/// assert!(toml::from_str::<DenyRule>("id = 'php'\nextensions = 7").is_err());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;
        impl<'de> de::Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: de::Error>(self, one: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![one.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        from.deserialize_any(OneOrManyVisitor)
    }
}

impl Deref for OneOrMany {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl<S: Into<String>> FromIterator<S> for OneOrMany {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }
}
