//! Lines of the access log.

use gabion_core::{AccessRecord, Escaped, Mode, WebSocketPhase};
use http::Version;

use super::entry::{Classification, Entry};
use crate::host::without_userinfo;

// === impl Entry ===

impl Entry<'_, '_> {
    pub(super) fn access(&mut self, request: &AccessRecord<'_>) {
        let is_denied = (request.denial).is_some_and(|denial| denial.mode == Mode::Enforce);
        let is_error = request.status.is_client_error() || request.status.is_server_error();
        self.kind(&Classification {
            kind: "event",
            category: &["web"],
            types: if is_denied {
                &["access", "denied"]
            } else {
                &["access"]
            },
            action: match request.websocket {
                None => "request",
                Some(WebSocketPhase::Open) => "websocket-opened",
                Some(WebSocketPhase::Close) => "websocket-closed",
            },
            outcome: Some(if is_error { "failure" } else { "success" }),
        });
        let elapsed = u64::try_from(request.elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.object.number("event.duration", elapsed);
        if let Some(id) = request.denial.and_then(|denial| denial.event) {
            self.object.text("event.id", id);
        }
        if let Some(client) = &request.client {
            self.client(client);
        }
        if let Some(peer) = request.peer {
            self.peer(peer);
        }
        self.request_head(request);
        let status = request.status.as_u16();
        self.object.number("http.response.status_code", status);
        self.object
            .number("http.response.body.bytes", request.bytes);
        if let Some(denial) = request.denial {
            self.rule(denial.rule);
            self.mode(denial.mode);
        }
        self.object.optional("gabion.upstream", request.upstream);
    }

    fn request_head(&mut self, request: &AccessRecord<'_>) {
        let method = Escaped(request.method.as_str().as_bytes());
        self.object.text("http.request.method", method);
        let version = match request.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            Version::HTTP_3 => "3",
            _ => "1.1",
        };
        self.object.text("http.version", version);
        let host = Escaped(without_userinfo(request.host));
        self.object.optional("url.domain", Some(host));
        self.target(request.target);
        let referer = self.shown(request.referer);
        self.object.optional("http.request.referrer", Some(referer));
        let agent = Escaped(request.user_agent);
        self.object.optional("user_agent.original", Some(agent));
    }
}
