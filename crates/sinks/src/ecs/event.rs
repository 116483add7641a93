//! Lines of events.

use gabion_core::{
    BanChange, BanEvent, Cause, ClaimRemovedEvent, ConnectionRefusedEvent, Denial, DiagnosisEvent,
    Escaped, Event, FaultEvent, Mode, ProbeHitEvent, ProxyFailureEvent, RequestEvent,
    RequestEventKind, SessionEvent, UnparsableEvent,
};

use super::{
    entry::{Classification, Entry},
    own::own,
};

/// The kind of an event about a client.
const fn alert(action: &'static str, types: &'static [&'static str]) -> Classification {
    Classification {
        kind: "alert",
        category: &["intrusion_detection", "web"],
        types,
        action,
        outcome: None,
    }
}

// === impl Entry ===

impl Entry<'_, '_> {
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Request(event) => self.request(event),
            Event::Ban(event) => self.ban(event),
            Event::Audit(event) => self.audit(event),
            Event::Policy(event) => self.policy(event),
            Event::Fault(event) => self.fault(event),
            Event::ProbeHit(event) => self.probe_hit(event),
            Event::Session(event) => self.session(event),
            Event::Diagnosis(event) => self.diagnosis(event),
            Event::ClaimRemoved(event) => self.claim_removed(event),
            Event::Unparsable(event) => self.unparsable(event),
            Event::ConnectionRefused(event) => self.connection_refused(event),
            Event::ProxyFailure(event) => self.proxy_failure(event),
            Event::Store(event) => self.store(event),
            Event::Upstream(event) => self.upstream(event),
            Event::Log(event) => self.log(event),
            Event::Suppressed(event) => self.suppressed(*event),
            Event::UntrustedProxy(peer) => {
                self.kind(&own("untrusted-proxy", &["error"]));
                self.peer(*peer);
                self.message(event);
            }
            Event::Setup(fix) => {
                self.kind(&own("setup-error", &["error"]));
                self.object.text("message", fix);
            }
            // A kind that a later version of the core adds.
            other => {
                self.kind(&own("other", &["info"]));
                self.message(other);
            }
        }
    }

    fn request(&mut self, event: &RequestEvent) {
        match &event.kind {
            RequestEventKind::Denied(denial) => self.denied(event, denial),
            RequestEventKind::Allowed(cause) => {
                self.kind(&Classification {
                    kind: "event",
                    outcome: Some("success"),
                    ..alert("request-allowed", &["access", "allowed"])
                });
                self.head(event);
                self.cause(cause);
                self.message(format_args!("allowed: {}", cause.reason));
            }
            RequestEventKind::Fault(words) => {
                self.kind(&alert("request-fault", &["error"]));
                self.head(event);
                self.panic(words);
            }
            kind => {
                self.kind(&alert("request", &["info"]));
                self.head(event);
                self.message(kind);
            }
        }
    }

    fn denied(&mut self, event: &RequestEvent, denial: &Denial) {
        let is_enforced = denial.mode == Mode::Enforce;
        self.kind(&if is_enforced {
            Classification {
                outcome: Some("failure"),
                ..alert("request-denied", &["access", "denied"])
            }
        } else {
            alert("request-would-be-denied", &["access", "info"])
        });
        if let Some(id) = denial.event {
            self.object.text("event.id", id);
        }
        self.head(event);
        self.cause(&denial.cause);
        self.mode(denial.mode);
        let answered = if is_enforced {
            Some(denial.status)
        } else {
            event.answered
        };
        if let Some(status) = answered {
            self.object
                .number("http.response.status_code", status.as_u16());
        }
        if let Some(diagnosis) = denial.diagnosis {
            self.object.text("gabion.diagnosis", diagnosis);
        }
        let status = denial.status.as_u16();
        let Cause { rule, reason, .. } = &denial.cause;
        let result = match denial.mode {
            Mode::Enforce => "denied",
            Mode::Observe => "would have been denied",
        };
        self.message(format_args!("{result} ({status}) by rule {rule}: {reason}"));
    }

    /// The client, the method and the target.
    fn head(&mut self, event: &RequestEvent) {
        self.client(&event.client);
        self.peer(event.peer);
        self.method_and_target(event.method.as_str(), &event.target);
        self.generation(event.generation);
    }

    fn method_and_target(&mut self, method: &str, target: &[u8]) {
        self.object
            .text("http.request.method", Escaped(method.as_bytes()));
        self.target(target);
    }

    fn panic(&mut self, words: &str) {
        let words = Escaped(words.as_bytes());
        self.scrubbed("error.message", words);
        self.message("panic while handling the request");
    }

    fn ban(&mut self, event: &BanEvent) {
        self.kind(&match &event.change {
            BanChange::Placed | BanChange::Evicted(_) => alert("client-banned", &["start"]),
            BanChange::Surrounding(_) => alert("network-banned", &["start"]),
            BanChange::SurroundingObserved(_) => alert("network-would-be-banned", &["info"]),
            BanChange::Observed => alert("client-would-be-banned", &["info"]),
            BanChange::Suspected { .. } => alert("client-suspected", &["info"]),
            _ => alert("ban-withheld", &["info"]),
        });
        self.client(&event.client);
        let offense = &event.offense;
        self.rule(&offense.rule);
        self.mode(offense.mode);
        match &event.change {
            BanChange::Evicted(network) => self.network("gabion.ban.evicted", *network),
            BanChange::Surrounding(network) | BanChange::SurroundingObserved(network) => {
                self.network("gabion.ban.network", *network);
            }
            BanChange::Suspected { paths, needed } => {
                self.object.number("gabion.ban.paths", *paths);
                self.object.number("gabion.ban.paths_needed", *needed);
            }
            BanChange::Withheld(why) => self.scrubbed("event.reason", why),
            _ => {}
        }
        self.object
            .number("gabion.ban.seconds", offense.ban_for.as_secs());
        self.object.number("gabion.ban.offenses", event.offenses);
        if let Some(reason) = &offense.reason {
            self.offense_reason(offense.rule.as_str(), reason);
        }
        self.message(event);
    }

    /// The reason of a scan is its score and its signals: `105: scanner probe bare`.
    fn offense_reason(&mut self, rule: &str, reason: &str) {
        let end = reason.floor_char_boundary(BanEvent::MAX_REASON);
        let reason = reason.get(..end).unwrap_or(reason);
        let scan = Some(reason).filter(|_| rule == "scan");
        let scan = scan.and_then(|reason| reason.split_once(": "));
        let scan = scan.and_then(|(score, signals)| Some((score.parse::<u32>().ok()?, signals)));
        match scan {
            Some((score, signals)) => {
                self.object.number("gabion.scan.score", score);
                self.object.texts("gabion.scan.signals", signals.split(' '));
            }
            None => self.scrubbed("gabion.ban.reason", Escaped(reason.as_bytes())),
        }
    }

    fn fault(&mut self, event: &FaultEvent) {
        self.kind(&alert("inspector-fault", &["error"]));
        self.client(&event.client);
        self.generation(event.generation);
        self.panic(&event.words);
    }

    fn probe_hit(&mut self, event: &ProbeHitEvent) {
        self.kind(&Classification {
            outcome: Some("success"),
            ..alert("probe-answered", &["access", "allowed"])
        });
        self.client(&event.client);
        self.method_and_target(event.method.as_str(), &event.target);
        self.cause(&event.cause);
        let status = event.status.as_u16();
        self.object.number("http.response.status_code", status);
        self.message(format_args!("the server answered {status} to a probe"));
    }

    fn session(&mut self, event: &SessionEvent) {
        self.kind(&alert("session-closed", &["end", "denied"]));
        self.client(&event.client);
        self.target(&event.path);
        self.mode(event.mode);
        self.generation(event.generation);
        self.object.text("gabion.session.id", event.session);
        self.scrubbed("event.reason", &event.ending);
        self.message(format_args!("session {}: {}", event.result(), event.ending));
    }

    fn diagnosis(&mut self, event: &DiagnosisEvent) {
        self.kind(&Classification {
            kind: "event",
            category: &["web"],
            ..alert("websocket-diagnosis", &["info"])
        });
        self.client(event.client);
        self.target(&event.path);
        self.object.text("gabion.diagnosis", event.diagnosis);
        self.object
            .text("gabion.diagnosis_advice", event.diagnosis.advice());
        self.scrubbed("event.reason", &event.seen);
        self.message(event.diagnosis);
    }

    fn claim_removed(&mut self, event: &ClaimRemovedEvent) {
        self.kind(&alert("claim-removed", &["info"]));
        self.peer(event.peer);
        self.object
            .text("gabion.claim.header", Escaped(event.header.as_bytes()));
        self.object
            .boolean("gabion.claim.peer_is_trusted", event.is_trusted);
        self.message(event);
    }

    fn unparsable(&mut self, event: &UnparsableEvent) {
        self.kind(&Classification {
            outcome: Some("failure"),
            ..alert("request-unparsable", &["access", "denied"])
        });
        self.peer(event.peer);
        self.rule(event.part.id());
        if let Some(status) = event.part.status() {
            self.object
                .number("http.response.status_code", status.as_u16());
        }
        let line = self.shown(&event.line);
        self.object.optional("gabion.request_line", Some(line));
        self.object.text("event.reason", event.part);
        self.message(format_args!("refused: not a request: {}", event.part));
    }

    fn connection_refused(&mut self, event: &ConnectionRefusedEvent) {
        self.kind(&Classification {
            category: &["network"],
            outcome: Some("failure"),
            ..alert("connection-refused", &["connection", "denied"])
        });
        self.peer(event.peer);
        self.object.text("event.reason", event.limit);
        self.message(event);
    }

    fn proxy_failure(&mut self, event: &ProxyFailureEvent) {
        self.kind(&Classification {
            kind: "event",
            category: &["web"],
            types: &["error"],
            action: "proxy-failure",
            outcome: Some("failure"),
        });
        if let Some(client) = event.client {
            self.client(client);
        }
        self.method_and_target(event.method.as_str(), &event.target);
        let status = event.status.as_u16();
        self.object.number("http.response.status_code", status);
        self.object.text("gabion.upstream", &event.upstream);
        self.scrubbed("error.message", &event.error);
        self.message(format_args!(
            "answered {status} by the proxy: {}",
            event.error
        ));
    }
}
