//! What the promises share.

pub(crate) mod house;
pub(crate) mod in_process;
pub(crate) mod log;
pub(crate) mod sockets;
