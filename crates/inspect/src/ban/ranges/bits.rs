//! Addresses as numbers, so that a network is an interval.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An address as a number.
///
/// `bits` is the length of a prefix, at most the width of the address.
pub(super) trait Bits: Copy + Ord {
    /// The last address of the network around this one.
    fn last(self, bits: u8) -> Self;

    /// The address after this one; `None` at the end of the space.
    fn next(self) -> Option<Self>;

    /// The sixteen leading bits.
    fn head(self) -> u16;

    /// The network around this address.
    fn network(self, bits: u8) -> IpNet;
}

macro_rules! impl_bits {
    ($number:ty, $addr:ty, $net:ty) => {
        impl Bits for $number {
            fn last(self, bits: u8) -> Self {
                self | Self::MAX.checked_shr(bits.into()).unwrap_or(0)
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn head(self) -> u16 {
                let [high, low, ..] = self.to_be_bytes();
                u16::from_be_bytes([high, low])
            }

            fn network(self, bits: u8) -> IpNet {
                let addr = <$addr>::from_bits(self);
                let net = <$net>::new(addr, bits).unwrap_or_else(|_| addr.into());
                net.trunc().into()
            }
        }
    };
}

impl_bits!(u32, Ipv4Addr, Ipv4Net);
impl_bits!(u128, Ipv6Addr, Ipv6Net);
