//! The enforcing service: judges the head of each request and enforces the verdict.
//!
//! A request reaches the inner service if
//! 1. the connection source finds the peer address;
//! 2. no inspector panics, or the policy's `on_fault` lets such requests pass;
//! 3. the verdict is not an enforced denial.
//!
//! Every verdict except `Pass` becomes an event. After the exchange, denied or not, the inspectors
//! receive its outcome.
//!
//! A response that is a stream of events is registered as a session: it ends if its client is
//! banned or its path is denied.
//!
//! A request that reaches the service stays HTTP or becomes a WebSocket: other offers in `Upgrade`,
//! such as `h2c`, are removed.
//!
//! Whatever the reply, a temporary denial carries `Retry-After`, a denied upgrade closes the
//! connection, and a denied gRPC call is answered in gRPC's format. Limits that the policy shows
//! are in the headers of every response.

mod denial;
mod event_stream;
mod exchange;
mod future;
mod grpc;
mod judgment;
mod layer;
mod metering;
mod observed;
mod offer;
mod outcome;
mod permit;
mod quota;
mod remote;
mod remote_wait;
mod required_headers;
mod service;
mod target;

pub use future::ResponseFuture;
pub use layer::{GuardLayer, guard_layer};
pub use service::GuardService;
