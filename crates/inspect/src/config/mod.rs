//! Value types and errors shared by the configs of all inspectors.

mod byte_rate;
mod byte_size;
mod error;
mod network;
mod one_or_many;
mod period;
pub(crate) mod rule_compiler;
pub mod serde_mode;

pub use byte_rate::{ByteRate, ByteRateError, ByteRateLimit};
pub use byte_size::{ByteSize, ByteSizeError};
pub use error::{ConfigError, ConfigErrors, ConfigPath, Problem};
pub use network::{Network, NetworkError};
pub use one_or_many::OneOrMany;
pub use period::{Period, PeriodError};

/// Implements serde for a type as a string, by its `FromStr` and `Display`.
macro_rules! serde_as_text {
    ($type:ty, $expecting:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                from.deserialize_str(Text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    };
}
pub(crate) use serde_as_text;
