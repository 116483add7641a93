//! Integration tests of the inspectors, one module per promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot continue must fail at once"
)]

mod message_rules_together_judge_as_alone;
