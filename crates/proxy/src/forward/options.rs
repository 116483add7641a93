//! How a proxy treats its upstream.

use std::{sync::Arc, time::Duration};

use gabion_core::Sink;

use crate::{diagnosis_sink::DiagnosisSink, tunnel::IdleTimeouts};

/// How a [`Proxy`](super::Proxy) treats its upstream. What proxies learn of it they share with those
/// made with a clone of their options.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    pub(super) connect_timeout: Duration,
    pub(super) head_timeout: Duration,
    pub(super) pool_idle: Duration,
    pub(super) ping: Option<Duration>,
    pub(super) diagnosis_sink: DiagnosisSink,
    pub(super) idle_timeouts: Arc<IdleTimeouts>,
}

// === impl ProxyOptions ===

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_mins(1),
            // Just below the 5 s after which Node and uvicorn close: a request must not be sent
            // into a connection that is being closed.
            pool_idle: Duration::from_secs(4),
            // Less than half of the 60 s after which most hops cut: one ping may be lost.
            ping: Some(Duration::from_secs(25)),
            diagnosis_sink: DiagnosisSink::default(),
            idle_timeouts: Arc::default(),
        }
    }
}

impl ProxyOptions {
    /// How long the upstream may take to accept a connection: 5 s by default.
    pub fn with_connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// How long an exchange may stand still before the answer begins: 60 s by default, and up to
    /// twice that after a body that moved. Once the head has come, nothing is timed.
    pub fn with_head_timeout(self, head_timeout: Duration) -> Self {
        Self {
            head_timeout,
            ..self
        }
    }

    /// How long a connection is kept for the next request: 4 s by default. Keep it below the time
    /// after which the upstream closes.
    pub fn with_pool_idle(self, pool_idle: Duration) -> Self {
        Self { pool_idle, ..self }
    }

    /// How long the upstream of a WebSocket may be silent before it is pinged: 25 s by default; none
    /// for never. When it answers neither of two pings it is gone. A layer in front that hands over
    /// the terms of the socket ([`gabion_core::SessionLimits::ping`]) decides instead.
    pub fn with_ping(self, ping: Option<Duration>) -> Self {
        Self { ping, ..self }
    }

    /// Tells `sink` why WebSockets do not open or do not stay open
    /// ([`Event::Diagnosis`](gabion_core::Event::Diagnosis)).
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let diagnosis_sink = DiagnosisSink::new(sink);
        Self {
            diagnosis_sink,
            ..self
        }
    }
}
