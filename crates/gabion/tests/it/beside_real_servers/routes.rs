//! Every route to Tomcat: direct, through nginx, through guard, and through both.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use gabion_proxy::Protocols;
use gabion_testkit::{RawConnection, RawResponse, Recorder, Tomcat, unescape};

use super::{
    column::Column,
    nginx::Nginx,
    outcome::{By, Outcome},
    tomcat::{self, Echo},
};
use crate::support::guarded_proxy::{GuardedProxy, builder, rule_of};

/// A policy without a rule.
const BEHIND_TOMCAT: &str = "
version = 1
[server]
behind = 'tomcat'
";

/// One route to Tomcat.
pub(super) struct Route {
    pub(super) name: &'static str,
    addr: SocketAddr,
    /// The events of the guard on this route.
    events: Option<Arc<Recorder>>,
    /// The first guard on this route.
    _front: Option<GuardedProxy>,
    /// The number of responses from Tomcat on all routes that the tests have seen.
    answered: Rc<Cell<usize>>,
}

/// The routes past the rules of a column.
pub(super) struct ColumnRoutes {
    pub(super) column: Column,
    pub(super) nginx: Route,
    pub(super) guard: Route,
    pub(super) nginx_before_guard: Route,
    pub(super) guard_before_nginx: Route,
    /// Through a guard that has no rules but the kind of the upstream server, then through nginx.
    pub(super) kind_before_nginx: Route,
    before_guard: Nginx,
}

/// Tomcat and every route to it.
pub(super) struct Routes {
    pub(super) alone: Route,
    pub(super) columns: [ColumnRoutes; 3],
    nginx: Nginx,
    _tomcat: Tomcat,
}

// === impl Ground ===

impl Routes {
    /// Starts all servers. If one is not installed, prints `SKIPPED` and returns `None`.
    pub(super) async fn start() -> Option<Self> {
        let tomcat = tomcat::start().await?;
        let nginx = Nginx::start(tomcat.addr()).await?;
        let alone = Route::to("Tomcat alone", tomcat.addr(), &Rc::default());
        let columns = [
            ColumnRoutes::past(Column::Literal, &alone, &nginx).await?,
            ColumnRoutes::past(Column::LiteralBehind, &alone, &nginx).await?,
            ColumnRoutes::past(Column::Typed, &alone, &nginx).await?,
        ];
        Some(Self {
            alone,
            columns,
            nginx,
            _tomcat: tomcat,
        })
    }

    /// Through the `server` block `name` of nginx: alone, behind a guard, and in front of one, both
    /// with the typed rules.
    pub(super) fn past_nginx(&self, name: &str) -> [Route; 3] {
        let [_, _, typed] = &self.columns;
        let answered = &self.alone.answered;
        let nginx = Route::to("nginx", self.nginx.addr(name), answered);
        let backend = Route::past_guard("guard before nginx", &typed.column.policy(), &nginx);
        let before = Route::before_guard(typed.before_guard.addr(name), &typed.guard);
        [nginx, backend, before]
    }
}

// === impl Ways ===

impl ColumnRoutes {
    async fn past(column: Column, alone: &Route, nginx: &Nginx) -> Option<Self> {
        let guard = Route::past_guard("guard", &column.policy(), alone);
        let before_guard = Nginx::start(guard.addr).await?;
        let nginx = Route::to("nginx", nginx.addr(column.nginx()), &alone.answered);
        Some(Self {
            column,
            nginx_before_guard: Route::before_guard(before_guard.addr(column.nginx()), &guard),
            guard_before_nginx: Route::past_guard("guard before nginx", &column.policy(), &nginx),
            kind_before_nginx: Route::past_guard("kind before nginx", BEHIND_TOMCAT, &nginx),
            nginx,
            guard,
            before_guard,
        })
    }

    /// The routes with a guard.
    pub(super) const fn guarded(&self) -> [&Route; 3] {
        [
            &self.guard,
            &self.nginx_before_guard,
            &self.guard_before_nginx,
        ]
    }
}

// === impl Way ===

impl Route {
    fn to(name: &'static str, addr: SocketAddr, answered: &Rc<Cell<usize>>) -> Self {
        Self {
            name,
            addr,
            events: None,
            _front: None,
            answered: Rc::clone(answered),
        }
    }

    /// A guard with `policy` at the start of the route `backend`.
    pub(super) fn past_guard(name: &'static str, policy: &str, backend: &Self) -> Self {
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy(policy, name).unwrap();
        let proxy = GuardedProxy::with_protocols(
            Protocols::Http1,
            &format!("http://{}", backend.addr),
            guard,
        );
        Self {
            events: Some(events),
            addr: proxy.addr(),
            _front: Some(proxy),
            ..Self::to(name, backend.addr, &backend.answered)
        }
    }

    /// nginx at `addr` at the start of the route `guard`.
    fn before_guard(addr: SocketAddr, guard: &Self) -> Self {
        Self {
            events: guard.events.clone(),
            ..Self::to("nginx before guard", addr, &guard.answered)
        }
    }

    /// Sends `GET target` on a new connection. `target` is escaped for [`unescape`].
    pub(super) async fn request(&self, target: &str) -> Outcome {
        let mut connection = RawConnection::connect(self.addr).await;
        let line = [b"GET ", &*unescape(target), b" HTTP/1.1\r\n"].concat();
        connection
            .send(&[&*line, b"Host: localhost\r\n\r\n"].concat())
            .await;
        let Some(answer) = connection.response("GET").await else {
            panic!("{}: {target}: no answer", self.name);
        };
        let events = self.events.as_ref().map(|events| events.take());
        let events = events.unwrap_or_default();
        let rule = events.iter().find_map(rule_of);
        let Some(by) = By::from_response(&answer, rule.is_some()) else {
            return Outcome::Reached(self.echo(&answer, target));
        };
        let status = answer.status.as_u16();
        let rule = match by {
            By::Nginx if status == 200 => return Outcome::Served(answer.text()),
            By::Nginx if status == 403 => Some(answer.text()),
            _ => rule.map(ToOwned::to_owned),
        };
        let words = rule.map_or_else(|| status.to_string(), |rule| format!("{status} {rule}"));
        Outcome::Refused(by, words)
    }

    /// The request as the servlet reads it. Fails if another request reached Tomcat since the last
    /// response.
    fn echo(&self, answer: &RawResponse, target: &str) -> Echo {
        let (echo, count) = Echo::read(&answer.text());
        let before = self.answered.replace(count);
        assert_eq!(
            count,
            before + 1,
            "{}: {target}: reached Tomcat unseen",
            self.name
        );
        echo
    }
}
