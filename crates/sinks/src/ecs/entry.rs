//! Groups of fields that several kinds of lines share.

use std::{fmt, net::IpAddr, time::SystemTime};

use gabion_core::{Cause, ClientIp, Escaped, Mode, Reason, Redacted};
use ipnet::IpNet;

use super::{Ecs, json::JsonObject};
use crate::pseudonym::{Scrubbed, client_network};

/// A line that is being written.
pub(super) struct Entry<'e, 'o> {
    pub(super) ecs: &'e Ecs,
    pub(super) object: JsonObject<'o>,
}

/// The categorization fields of ECS.
pub(super) struct Classification {
    pub(super) kind: &'static str,
    pub(super) category: &'static [&'static str],
    pub(super) types: &'static [&'static str],
    pub(super) action: &'static str,
    /// `None` if the event has no outcome.
    pub(super) outcome: Option<&'static str>,
}

/// An address with the network that counts as its client.
#[derive(Clone, Copy)]
pub(super) struct Address {
    addr: IpAddr,
    network: IpNet,
}

// === impl Entry ===

impl<'e, 'o> Entry<'e, 'o> {
    pub(super) fn begin(
        ecs: &'e Ecs,
        at: SystemTime,
        dataset: &'static str,
        out: &'o mut Vec<u8>,
    ) -> Self {
        let mut object = JsonObject::begin(out);
        object.text("@timestamp", humantime::format_rfc3339_millis(at));
        object.text("ecs.version", Ecs::ECS_VERSION);
        object.number("gabion.schema", Ecs::SCHEMA);
        object.text("event.dataset", dataset);
        Self { ecs, object }
    }

    pub(super) fn end(self) {
        self.object.end();
    }

    pub(super) fn kind(&mut self, kind: &Classification) {
        let object = &mut self.object;
        object.text("event.kind", kind.kind);
        object.texts("event.category", kind.category);
        object.texts("event.type", kind.types);
        object.text("event.action", kind.action);
        object.optional("event.outcome", kind.outcome);
    }

    /// The client.
    pub(super) fn client(&mut self, client: impl Into<Address>) {
        self.address(("client.ip", "client.address"), client.into());
    }

    /// The remote address of the socket.
    pub(super) fn peer(&mut self, peer: impl Into<Address>) {
        self.address(("source.ip", "source.address"), peer.into());
    }

    fn address(&mut self, (ip, pseudonym): (&str, &str), address: Address) {
        match self.ecs.pseudonyms() {
            Some(pseudonyms) => self.object.text(pseudonym, pseudonyms.of(address.network)),
            None => self.object.text(ip, address.addr),
        }
    }

    /// A network that is banned or exempted.
    pub(super) fn network(&mut self, key: &str, network: IpNet) {
        self.object
            .text(key, Scrubbed(self.ecs.pseudonyms(), network));
    }

    /// Path and query.
    pub(super) fn target(&mut self, target: &[u8]) {
        if target.is_empty() {
            return;
        }
        let shown = self.shown(target);
        let (path, query) = shown.split_once('?').unwrap_or((&shown, ""));
        self.object.text("url.path", path);
        self.object
            .optional("url.query", Some(query).filter(|query| !query.is_empty()));
    }

    /// A target or a request line, redacted.
    pub(super) fn shown(&self, target: &[u8]) -> String {
        if self.ecs.shows_secrets {
            Escaped(target).to_string()
        } else {
            Redacted(target).to_string()
        }
    }

    pub(super) fn rule(&mut self, rule: impl fmt::Display) {
        self.object.text("rule.id", rule);
    }

    /// The rule, the reason and the matched bytes.
    pub(super) fn cause(&mut self, cause: &Cause) {
        self.rule(&cause.rule);
        let pseudonyms = self.ecs.pseudonyms();
        self.object
            .text("event.reason", Scrubbed(pseudonyms, &cause.reason));
        let view = cause.view.map(|view| view.to_string());
        self.object.optional("gabion.view", view);
        // Others are matched in headers, queries and messages, which may hold passwords.
        let is_public = cause.view.is_some() || cause.reason == Reason::Agent;
        if is_public || self.ecs.shows_secrets {
            let evidence = Some(&cause.evidence).filter(|evidence| !evidence.is_empty());
            self.object.optional("gabion.evidence", evidence);
        }
    }

    pub(super) fn generation(&mut self, generation: u64) {
        self.object.number("gabion.policy.generation", generation);
    }

    pub(super) fn mode(&mut self, mode: Mode) {
        self.object.text("gabion.mode", mode);
    }

    /// The text for people, with no address if there are pseudonyms.
    pub(super) fn message(&mut self, message: impl fmt::Display) {
        let message = Scrubbed(self.ecs.pseudonyms(), message);
        self.object.text("message", message);
    }

    /// A text of a length that is bounded by its event.
    pub(super) fn scrubbed(&mut self, key: &str, text: impl fmt::Display) {
        self.object.text(key, Scrubbed(self.ecs.pseudonyms(), text));
    }
}

// === impl Address ===

impl From<&ClientIp> for Address {
    fn from(client: &ClientIp) -> Self {
        Self {
            addr: client.addr(),
            network: client.network(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(addr: IpAddr) -> Self {
        Self {
            addr,
            network: client_network(addr),
        }
    }
}
