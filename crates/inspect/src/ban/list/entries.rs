//! The networks of a list while it is parsed.

use gabion_core::Evidence;
use ipnet::IpNet;

use super::{
    List,
    error::{ListProblem, ParseError, Position},
};
use crate::{Network, NetworkError};

/// The networks parsed so far, with their lines.
#[derive(Default)]
pub(super) struct Entries(Vec<(IpNet, u32)>);

// === impl Entries ===

impl Entries {
    /// Adds a network, unless it covers a whole address space or the list is full.
    pub(super) fn push(&mut self, network: IpNet, at: Position) -> Result<(), ParseError> {
        if network.prefix_len() == 0 {
            return Err(at.error(ListProblem::WholeSpace(network)));
        }
        if self.0.len() == List::MAX_ENTRIES {
            return Err(at.error(ListProblem::TooMany));
        }
        self.0.push((network, at.line));
        Ok(())
    }

    /// Parses a network or an address and adds it.
    pub(super) fn parse(&mut self, text: &str, at: Position) -> Result<(), ParseError> {
        match text.parse() {
            Ok(network) => self.push(Network::net(network), at),
            Err(NetworkError::Syntax(_)) => {
                Err(at.error(ListProblem::Syntax(Evidence::new(text.as_bytes()))))
            }
            Err(other) => Err(at.error(ListProblem::Network(other))),
        }
    }

    /// The number of networks.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Drops the networks from the `len`th on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(super) fn into_networks(self) -> Vec<(IpNet, u32)> {
        self.0
    }
}
