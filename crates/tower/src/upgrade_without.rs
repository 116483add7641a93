//! Without the feature `upgrade` there are no sessions: nobody can make the table that holds them.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use gabion_core::{ClientIp, Denial, Facts, Snapshot, Terms};
use http::{Extensions, HeaderMap};

pub(crate) enum Sessions {}

pub(crate) struct Keeper(Sessions);

pub(crate) struct Seat(Sessions);

pub(crate) struct Session(Sessions);

pub(crate) struct Stream(Sessions);

#[expect(
    clippy::needless_pass_by_value,
    reason = "where there are seats, it takes one"
)]
pub(crate) fn fit(_extensions: &mut Extensions, seat: Seat) -> Result<(), &'static str> {
    match seat.0 {}
}

impl Keeper {
    pub(crate) const fn sessions(&self) -> &Arc<Sessions> {
        match self.0 {}
    }

    pub(crate) fn reserve(
        self: &Arc<Self>,
        _facts: &Facts<'_>,
        _policy: &Snapshot,
        _capped: bool,
    ) -> Result<Seat, Box<Denial>> {
        match self.0 {}
    }

    pub(crate) fn seat_stream(
        self: &Arc<Self>,
        _client: ClientIp,
        _path: &str,
        _generation: u64,
    ) -> Option<Seat> {
        match self.0 {}
    }

    pub(crate) fn revisit(&self, _session: &Session) {
        match self.0 {}
    }

    pub(crate) fn answered(&self, _session: &Session, _headers: &HeaderMap) {
        match self.0 {}
    }
}

impl Sessions {
    pub(crate) fn release(&self, _session: &Session) {
        match *self {}
    }
}

impl Seat {
    pub(crate) const fn session(&self) -> &Arc<Session> {
        match self.0 {}
    }
}

impl Stream {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "where there are seats, it takes one"
    )]
    pub(crate) fn new(seat: Seat) -> Self {
        match seat.0 {}
    }

    pub(crate) fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}

impl Session {
    pub(crate) fn terms_shared(&self) -> Option<Arc<Terms>> {
        match self.0 {}
    }

    pub(crate) fn terms(&self) -> Option<&Terms> {
        match self.0 {}
    }

    pub(crate) fn spare(&self) {
        match self.0 {}
    }
}
