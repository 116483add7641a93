//! Properties that hold for every input, called laws. Fuzz targets, property tests and the replay of fuzzing
//! findings check them.
//!
//! The argument of a law is the input that its fuzz target derives from bytes: the bytes themselves, a
//! text, or a struct that [`arbitrary`] decodes. The last field of such a struct is the unchanged rest of
//! the input.

mod chain;
mod client;
mod cost;
mod frames;
mod head;
mod json_depth;
mod limit;
mod list;
mod message;
mod path;
mod policy;
mod protocol;
mod target;

pub use chain::{ChainInput, chain};
pub use client::{ClientInput, client_identity};
pub use cost::{Weight, clean_head, cost, policies, weigh};
pub use frames::{frames, frames_with};
pub use head::read as read_head;
pub use limit::{LimitInput, TimedRequest, limits};
pub use list::list_files;
pub use message::{MessageInput, messages};
pub use path::path_views;
pub use policy::policy_document;
pub use protocol::protocol_heads;
pub use target::{Law, TARGETS};
