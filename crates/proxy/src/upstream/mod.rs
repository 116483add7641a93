//! The servers that requests are forwarded to: how each is reached, and which one takes a request.
//!
//! - [`Upstream`] is one server, parsed from a URL.
//! - [`UpstreamGroup`] is a set of equivalent servers with shared state: requests in progress, failures and
//!   health. Clones share it, so that the workers of one process eject a failed server together.
//! - [`Balancer`] chooses the server for a request, as [`UpstreamOptions`] say.
//! - [`Connector`] connects: over TCP with name resolution, over a Unix socket, with or without TLS.

mod balance;
mod balancer;
mod connector;
mod ejection;
mod group;
mod health_check;
mod member;
mod millis;
mod options;
mod own_addresses;
mod resolve;
mod status;
mod target;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;

pub use balance::Balance;
pub(crate) use balancer::{Balancer, NoCandidate, Tried};
pub(crate) use connector::{ConnectError, Connector, UpstreamStream};
pub use ejection::Ejection;
pub(crate) use group::Group;
pub use group::{UpstreamGroup, UpstreamGroupError};
pub use health_check::{HealthCheck, HealthCheckError};
pub(crate) use member::{Lease, Member};
pub use options::{RetryBudget, StartWait, UpstreamOptions};
pub use own_addresses::{OwnAddressError, OwnAddresses};
pub(crate) use resolve::Resolution;
pub(crate) use target::{Address, HttpVersion};
pub use target::{Upstream, UpstreamParseError};
pub use tls::{UpstreamTls, UpstreamTlsError};
