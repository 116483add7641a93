//! A client network as a table key.

use std::hash::{Hash, Hasher};

use ipnet::IpNet;

/// A client network with a cheap `Hash`, used as a table key.
///
/// The derived hash of [`IpNet`] feeds the hasher in pieces, which costs twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) IpNet);

/// Family tags in the hash, so that an IPv4 and an IPv6 network never hash the same words.
const V4: u64 = 4 << 56;
const V6: u64 = 6 << 56;

impl Hash for Network {
    fn hash<H: Hasher>(&self, to: &mut H) {
        match self.0 {
            IpNet::V4(network) => {
                let bits = u64::from(u32::from(network.addr()));
                to.write_u64(V4 | bits << 8 | u64::from(network.prefix_len()));
            }
            IpNet::V6(network) => {
                to.write_u64(V6 | u64::from(network.prefix_len()));
                to.write_u128(network.addr().into());
            }
        }
    }
}
