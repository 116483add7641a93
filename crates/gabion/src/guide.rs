//! Longer reading: a module a subject.

#[doc = include_str!("../guide/paths.md")]
pub mod paths {}
