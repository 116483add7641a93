//! Known attacks against the whole guard, with a malicious upstream behind it.
//!
//! Each module cites its source and states the required behavior for any response of the upstream.
//! Each also has an honest exchange of the same shape, which must pass.

mod data_before_switch;
mod exchange;
mod expectation;
mod hidden_headers;
mod length_beside_coding;
mod old_version_coding;
mod response_splitting;
mod smuggled_h2c;
mod success_without_switch;
mod unexpected_body;
mod unread_body;
mod unrequested_switch;
mod wrong_websocket_version;
