//! WebSockets after the handshake: open sessions, their limits, and why they end.

pub use gabion_core::{
    CloseReason, MessageKinds, SessionEvent, SessionId, SessionKind, SessionLimits,
};
pub use gabion_tower::Sessions;
pub use hyper::rt::Timer;
