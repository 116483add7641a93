//! The inspector traits, and the data that passes between an inspector and its caller.

mod explanation;
mod findings;
mod needs;
mod state;

use crate::{
    ClientIp, ControlKind, Facts, MessageDenials, MessageFacts, MessageKinds, Now, PathViews,
    Verdict,
};

pub use explanation::{Explanation, ExplanationStep};
pub use findings::{Findings, Outcome};
pub use needs::Needs;
pub use state::{RequestState, Slot, Slots};

/// Judges requests, and optionally their responses and open sessions.
///
/// Synchronous and infallible: configuration errors are reported when an inspector is compiled. An
/// inspector keeps no state except its own bounded tables. WebSocket messages are judged by an
/// [`InspectMessage`].
///
/// # Examples
///
/// ```
/// use gabion_core::{Denial, Facts, Inspect, RequestState, Verdict};
///
/// /// Denies requests with the header `x-debug`.
/// struct NoDebugging;
///
/// impl Inspect for NoDebugging {
///     fn name(&self) -> &'static str {
///         "debugging"
///     }
///
///     fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
///         match facts.headers.get("x-debug") {
///             Some(value) => Denial::forbidden("no-debugging", "header x-debug is not allowed")
///                 .with_evidence(value.as_bytes())
///                 .into(),
///             None => Verdict::Pass,
///         }
///     }
/// }
/// # use gabion_core::{ClientRules, Framing, Head, Now, PeerAddr, Scheme};
/// # use http::{HeaderMap, Method, Uri, Version};
/// # use std::time::{Duration, UNIX_EPOCH};
/// # fn judge(headers: &HeaderMap) -> Verdict {
/// #     let uri = Uri::from_static("/");
/// #     let head = Head {
/// #         method: &Method::GET,
/// #         uri: &uri,
/// #         version: Version::HTTP_11,
/// #         headers,
/// #         protocol: None,
/// #         framing: Framing::AsShown,
/// #         scheme: Scheme::Plain,
/// #     };
/// #     let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// #     let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// #     let facts = Facts::resolve(head, peer, &ClientRules::default(), now);
/// #     NoDebugging.inspect(&facts, &mut RequestState::new(&facts))
/// # }
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(judge(&headers), Verdict::Pass);
/// headers.insert("x-debug", "1".parse().unwrap());
/// assert_eq!(
///     judge(&headers).to_string(),
///     "denied (403): rule no-debugging: header x-debug is not allowed: `1`"
/// );
/// ```
pub trait Inspect: Send + Sync {
    /// The inspector's name in an [`Explanation`].
    fn name(&self) -> &'static str;

    /// The calls and data that the inspector uses. Evaluated once, when a policy is compiled: a call that
    /// it does not need is not made. Default: [`Needs::ALL`].
    fn needs(&self) -> Needs {
        Needs::ALL
    }

    /// Judges one request.
    ///
    /// A denial in [`crate::Mode::Observe`] may be returned (the enforcing service lets the request
    /// pass) or, to continue with further checks, recorded with [`RequestState::observe`].
    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict;

    /// Judges an open session again, after its client was banned or the policy was replaced.
    ///
    /// The arguments are the parts of the handshake that are kept: the client, as resolved then, and
    /// the path. Nothing is counted. An inspector that judges other parts of a request returns
    /// [`Verdict::Pass`], which is the default.
    fn recheck(&self, client: &ClientIp, path: &PathViews<'_>, now: Now) -> Verdict {
        let _ = (client, path, now);
        Verdict::Pass
    }

    /// Processes the outcome of an exchange, denied or not, and reports what it shows. Called once
    /// per exchange.
    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        let _ = (state, outcome, findings);
    }

    /// Judges like [`Inspect::inspect`] and records each step. An inspector composed of others
    /// forwards to theirs, so that the explanation comes from the same code as the judgment.
    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        let verdict = self.inspect(facts, state);
        steps.note(self.name(), &verdict);
        verdict
    }
}

/// Judges the messages that clients send on open WebSockets.
///
/// Synchronous and infallible, as [`Inspect`].
///
/// # Examples
///
/// ```
/// use gabion_core::{
///     InspectMessage, MessageDenial, MessageDenials, MessageFacts, MessageKinds, RuleId,
/// };
///
/// /// Denies text messages that contain a NUL byte.
/// struct NoNul;
///
/// impl InspectMessage for NoNul {
///     fn message_kinds(&self) -> MessageKinds {
///         MessageKinds::Text
///     }
///
///     fn inspect_message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
///         if message.payload.contains(&0) {
///             denials.add(MessageDenial::new(RuleId::builtin("no-nul"), "it contains NUL"));
///         }
///     }
/// }
/// # use gabion_core::{ClientRules, Now, PeerAddr};
/// # use std::time::{Duration, UNIX_EPOCH};
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// # let client = ClientRules::default().resolve(peer, &http::HeaderMap::new());
/// # let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// # let denied = |payload| {
/// #     let message = MessageFacts { client: &client, path: "/", is_text: true, payload, offset: 0, now };
/// #     let mut denials = MessageDenials::default();
/// #     NoNul.inspect_message(&message, &mut denials);
/// #     denials.are_final()
/// # };
///
/// assert!(denied(b"a\0b"));
/// assert!(!denied(b"ab"));
/// ```
pub trait InspectMessage: Send + Sync {
    /// The kinds of messages that are judged. Evaluated once, when a policy is compiled. Each kind
    /// costs decoding time; unless the policy permits inflating, WebSocket compression is also
    /// declined.
    fn message_kinds(&self) -> MessageKinds;

    /// Judges a message that a client sent in an open session, if the session's limits select its
    /// kind ([`SessionLimits::message_kinds`](crate::SessionLimits::message_kinds)).
    ///
    /// Called once per message, after its last byte arrived and before it is forwarded.
    fn inspect_message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials);

    /// Judges the payload of a control frame, at most 125 bytes and not empty, that a client sent in
    /// a session of which any kind of message is judged. It is the payload of `message`, which is a
    /// text if the payload is valid UTF-8.
    ///
    /// Called as [`Self::inspect_message`] is. By default, control frames pass.
    fn inspect_control(
        &self,
        kind: ControlKind,
        message: &MessageFacts<'_>,
        denials: &mut MessageDenials,
    ) {
        let _ = (kind, message, denials);
    }
}
