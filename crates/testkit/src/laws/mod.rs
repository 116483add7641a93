//! What must hold for every input: asked by fuzz targets, by property tests, and by the replay of
//! what fuzzing found.
//!
//! A law takes what its target makes of bytes: the bytes themselves, a text, or a struct that
//! [`arbitrary`] reads, whose last field is the rest of the input as it stands.

mod chain;
mod client;
mod cost;
mod frames;
mod head;
mod limit;
mod list;
mod path;
mod policy;
mod protocol;
mod target;

pub use chain::{Ask, chain};
pub use client::{Claim, client_identity};
pub use cost::{Weight, cost, weigh};
pub use frames::{frames, frames_of};
pub use limit::{Plan, Step, limits};
pub use list::list_files;
pub use path::path_views;
pub use policy::policy_document;
pub use protocol::protocol_heads;
pub use target::{Law, TARGETS};
