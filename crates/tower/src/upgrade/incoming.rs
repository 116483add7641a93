//! What the client sends, held to the terms of its policy.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use gabion_core::{Ending, Mode, RuleId, Terms};
use gabion_frames::{Depth, Kind, Limits, Observer, Rate, Role, Violation};
use hyper::{
    rt::{Read as _, ReadBuf, ReadBufCursor},
    upgrade::Upgraded,
};

use super::{Seat, Session, alarm::Alarm};

/// Lets pass what keeps to the terms, as it came.
pub(super) struct Incoming {
    observer: Observer,
    mode: Mode,
    alarm: Alarm,
    /// Something was told that is not acted upon; what comes after it cannot be read.
    blind: bool,
}

/// How much is read at once. It lies on the stack, so that a session that waits holds no buffer.
const AT_ONCE: usize = 8192;

impl Incoming {
    pub(super) fn new(terms: &Terms, session: &Session) -> Self {
        let limits = Arc::new(limits(terms, session.client.exempt().is_some()));
        Self {
            observer: Observer::new(Role::Client, limits, session.negotiated(), Depth::Headers),
            mode: terms.mode,
            alarm: Alarm::default(),
            blind: false,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        stream: &mut Upgraded,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
        seat: &Seat,
    ) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); AT_ONCE];
        let most = AT_ONCE.min(buf.remaining());
        let mut read = ReadBuf::uninit(&mut space[..most]);
        if Pin::new(stream)
            .poll_read(cx, read.unfilled())?
            .is_pending()
        {
            self.wait(seat);
            return Poll::Pending;
        }
        let passed = self.watch(read.filled(), seat);
        if passed == 0 && seat.session().ending().is_some() {
            return Poll::Pending;
        }
        buf.put_slice(&read.filled()[..passed]);
        Poll::Ready(Ok(()))
    }

    /// How many of `bytes` may pass.
    fn watch(&mut self, bytes: &[u8], seat: &Seat) -> usize {
        let now = seat.sessions().now();
        let mut rest = bytes;
        while !self.blind {
            match self.observer.watch(&mut rest, now) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(violation) => {
                    self.found(violation, seat);
                    if !self.blind {
                        return bytes.len() - rest.len();
                    }
                }
            }
        }
        bytes.len()
    }

    /// Sees to it that a message which does not come to its end is found out.
    fn wait(&mut self, seat: &Seat) {
        while let Some(deadline) = self.observer.deadline().filter(|_| !self.blind) {
            let over = deadline.saturating_add(Duration::from_nanos(1));
            if self.alarm.poll(over, seat).is_pending() {
                return;
            }
            if let Err(violation) = self.observer.overdue(seat.sessions().now()) {
                return self.found(violation, seat);
            }
        }
    }

    fn found(&mut self, violation: Violation, seat: &Seat) {
        // The socket is ending by itself.
        if violation.kind() == Kind::AfterClose {
            return;
        }
        let ending = Ending::Broke {
            rule: RuleId::builtin(violation.kind().id()),
            code: violation.code().value(),
            offset: violation.offset(),
        };
        match self.mode {
            Mode::Enforce => drop(seat.session().end(ending)),
            Mode::Observe => {
                seat.sessions().tell(seat.session(), &ending, self.mode);
                self.blind = true;
            }
        }
    }
}

/// Those who are never limited may send as many messages as they like, no larger than others.
fn limits(terms: &Terms, exempt: bool) -> Limits {
    let mut limits = Limits::new()
        .with_max_frame(terms.max_message)
        .with_max_message(terms.max_message)
        .with_max_fragments(terms.max_fragments)
        .with_message_time(terms.message_time);
    let rate = |count: Option<u64>| {
        let count = count.filter(|_| !exempt)?;
        let (per_second, burst) = (count, count);
        Some(Rate { per_second, burst })
    };
    if let Some(rate) = rate(terms.messages) {
        limits = limits.with_messages(rate);
    }
    if let Some(rate) = rate(terms.bytes) {
        limits = limits.with_bytes(rate);
    }
    if let Some(rate) = rate(terms.controls) {
        limits = limits.with_controls(rate);
    }
    limits
}
