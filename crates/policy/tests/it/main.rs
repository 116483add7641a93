//! What a policy promises, one module per promise.

mod chain;
mod errors;
mod expects;
mod files;
mod laws;
mod live;
mod shrink;
mod watch;
