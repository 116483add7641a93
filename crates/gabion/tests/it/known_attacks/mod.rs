//! Attacks that are known by name, against the whole guard, with a server behind it that lies.
//!
//! Each module says where the attack is told of, and what must hold however the server answers. Beside
//! each stands an honest exchange of the same shape, which must pass.

mod body_nobody_expects;
mod body_nobody_read;
mod expectation;
mod hidden_headers;
mod length_beside_coding;
mod old_version_coding;
mod smuggled_h2c;
mod stage;
mod success_is_no_switch;
mod switch_nobody_asked_for;
mod tunnel_before_its_switch;
mod two_answers;
mod wrong_websocket_version;
