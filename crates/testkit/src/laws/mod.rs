//! What must hold for every input: asked by fuzz targets, by property tests, and by the replay of
//! what fuzzing found.

mod path;
#[cfg(feature = "policy")]
mod policy;

pub use path::path_views;
#[cfg(feature = "policy")]
pub use policy::policy_document;
