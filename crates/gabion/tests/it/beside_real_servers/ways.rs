//! Every way to Tomcat: straight, past nginx, past guard, and past both.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use gabion_proxy::Protocols;
use gabion_testkit::{Answer, Recorder, Wire, unescape};

use super::{
    column::Column,
    fate::{By, Fate},
    nginx::Nginx,
    tomcat::{Echo, Tomcat},
};
use crate::support::sockets::{Front, builder, rule_of};

/// A policy without a rule.
const TOLD: &str = "
version = 1
[server]
behind = 'tomcat'
";

/// One way to Tomcat.
pub(super) struct Way {
    pub(super) name: &'static str,
    addr: SocketAddr,
    /// What the guard on this way tells.
    events: Option<Arc<Recorder>>,
    /// The guard that stands first on it.
    _front: Option<Front>,
    /// How many requests Tomcat has answered on any way, as far as was seen.
    answered: Rc<Cell<usize>>,
}

/// The ways past the rules of a column.
pub(super) struct Ways {
    pub(super) column: Column,
    pub(super) nginx: Way,
    pub(super) guard: Way,
    pub(super) nginx_before_guard: Way,
    pub(super) guard_before_nginx: Way,
    /// Past a guard that denies nothing but is told what stands behind, then past nginx.
    pub(super) told_before_nginx: Way,
    before_guard: Nginx,
}

/// Tomcat, and every way to it.
pub(super) struct Ground {
    pub(super) alone: Way,
    pub(super) columns: [Ways; 3],
    nginx: Nginx,
    _tomcat: Tomcat,
}

// === impl Ground ===

impl Ground {
    /// Starts everything; `None`, aloud, where a server is not installed.
    pub(super) async fn start() -> Option<Self> {
        let tomcat = Tomcat::start().await?;
        let nginx = Nginx::start(tomcat.addr()).await?;
        let alone = Way::to("Tomcat alone", tomcat.addr(), &Rc::default());
        let columns = [
            Ways::past(Column::Literal, &alone, &nginx).await?,
            Ways::past(Column::LiteralBehind, &alone, &nginx).await?,
            Ways::past(Column::Typed, &alone, &nginx).await?,
        ];
        Some(Self {
            alone,
            columns,
            nginx,
            _tomcat: tomcat,
        })
    }

    /// Past the server of nginx's configuration called `name`: alone, behind a guard, and before
    /// one, both by the typed rules.
    pub(super) fn past_nginx(&self, name: &str) -> [Way; 3] {
        let [_, _, typed] = &self.columns;
        let answered = &self.alone.answered;
        let nginx = Way::to("nginx", self.nginx.addr(name), answered);
        let behind = Way::past_guard("guard before nginx", &typed.column.policy(), &nginx);
        let before = Way::before_guard(typed.before_guard.addr(name), &typed.guard);
        [nginx, behind, before]
    }
}

// === impl Ways ===

impl Ways {
    async fn past(column: Column, alone: &Way, nginx: &Nginx) -> Option<Self> {
        let guard = Way::past_guard("guard", &column.policy(), alone);
        let before_guard = Nginx::start(guard.addr).await?;
        let nginx = Way::to("nginx", nginx.addr(column.nginx()), &alone.answered);
        Some(Self {
            column,
            nginx_before_guard: Way::before_guard(before_guard.addr(column.nginx()), &guard),
            guard_before_nginx: Way::past_guard("guard before nginx", &column.policy(), &nginx),
            told_before_nginx: Way::past_guard("told guard before nginx", TOLD, &nginx),
            nginx,
            guard,
            before_guard,
        })
    }

    /// Those on which a guard stands.
    pub(super) const fn guarded(&self) -> [&Way; 3] {
        [
            &self.guard,
            &self.nginx_before_guard,
            &self.guard_before_nginx,
        ]
    }
}

// === impl Way ===

impl Way {
    fn to(name: &'static str, addr: SocketAddr, answered: &Rc<Cell<usize>>) -> Self {
        Self {
            name,
            addr,
            events: None,
            _front: None,
            answered: Rc::clone(answered),
        }
    }

    /// A guard by `policy` at the beginning of the way `behind`.
    pub(super) fn past_guard(name: &'static str, policy: &str, behind: &Self) -> Self {
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy(policy, name).unwrap();
        let front = Front::speaking(Protocols::Http1, &format!("http://{}", behind.addr), guard);
        Self {
            events: Some(events),
            addr: front.addr(),
            _front: Some(front),
            ..Self::to(name, behind.addr, &behind.answered)
        }
    }

    /// An nginx at `addr` at the beginning of the way `guard`.
    fn before_guard(addr: SocketAddr, guard: &Self) -> Self {
        Self {
            events: guard.events.clone(),
            ..Self::to("nginx before guard", addr, &guard.answered)
        }
    }

    /// Sends `GET target` on a connection of its own. `target` is as [`unescape`] reads it.
    pub(super) async fn ask(&self, target: &str) -> Fate {
        let mut wire = Wire::connect(self.addr).await;
        let line = [b"GET ", &*unescape(target), b" HTTP/1.1\r\n"].concat();
        wire.send(&[&*line, b"Host: localhost\r\n\r\n"].concat())
            .await;
        let Some(answer) = wire.answer("GET").await else {
            panic!("{}: {target}: no answer", self.name);
        };
        let events = self.events.as_ref().map(|events| events.take());
        let events = events.unwrap_or_default();
        let rule = events.iter().find_map(rule_of);
        let Some(by) = By::of(&answer, rule.is_some()) else {
            return Fate::Reached(self.echo(&answer, target));
        };
        let status = answer.status.as_u16();
        let rule = match by {
            By::Nginx if status == 200 => return Fate::Served(answer.text()),
            By::Nginx if status == 403 => Some(answer.text()),
            _ => rule.map(ToOwned::to_owned),
        };
        let words = rule.map_or_else(|| status.to_string(), |rule| format!("{status} {rule}"));
        Fate::Refused(by, words)
    }

    /// What the servlet says. Nothing else has reached it since it was last seen to answer.
    fn echo(&self, answer: &Answer, target: &str) -> Echo {
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
