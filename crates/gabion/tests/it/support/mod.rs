//! What the promises share.

pub(crate) mod frames;
pub(crate) mod hop;
pub(crate) mod house;
pub(crate) mod in_process;
pub(crate) mod log;
pub(crate) mod session_limits;
pub(crate) mod sockets;
