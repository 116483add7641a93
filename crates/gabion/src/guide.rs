//! Longer reading: a module a subject.

#[doc = include_str!("../guide/paths.md")]
pub mod paths {}
#[doc = include_str!("../guide/websockets.md")]
pub mod websockets {}
