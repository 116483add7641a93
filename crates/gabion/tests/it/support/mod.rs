//! Shared helpers: adapters from [`gabion::Guard`] to the servers of `gabion-testkit`.

pub(crate) mod access_log;
pub(crate) mod deflate;
pub(crate) mod echo;
pub(crate) mod guarded_proxy;
pub(crate) mod in_process;
pub(crate) mod site;
