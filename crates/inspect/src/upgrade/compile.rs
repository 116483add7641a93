//! From what is written of sockets to what judges handshakes and to the terms of sessions.

use std::{collections::HashSet, sync::Arc, time::Duration};

use gabion_core::{Mode, RouteLimits, RuleId, SessionLimits};

use super::{
    Compression, Handshake, Ping, RouteConfig, RouteRules, UpgradeConfig, origin::Origins,
};
use crate::{
    ByteRate, Config, ConfigError, ConfigErrors, ConfigPath, Context, Limit, LimitRule, Messages,
    OneOrMany, Problem, Rate, deny::plain_path,
};

/// How many routes are compiled at most: each is looked at for each handshake.
const MAX_ROUTES: usize = 256;

/// One section or route, and what is wrong with it.
struct Compiler<'c> {
    config: &'c UpgradeConfig,
    /// The path of a route, as it is written; empty for the section.
    path: &'c str,
    place: ConfigPath,
    mode: Mode,
    errors: Vec<ConfigError>,
}

/// What is made of a section or route.
struct Made {
    route_rules: RouteRules,
    session_limits: SessionLimits,
}

/// A compiled [`UpgradeConfig`]: the inspector of handshakes, and the limits of the sessions that they open.
#[derive(Debug)]
pub struct CompiledUpgrade {
    handshake: Handshake,
    routes: Vec<(Box<[u8]>, SessionLimits)>,
    rest: SessionLimits,
}

impl Config for UpgradeConfig {
    type Output = CompiledUpgrade;

    /// # Errors
    ///
    /// Origins, subprotocols and paths that are malformed; rates that are not a whole number per second;
    /// byte rates below the size of one message; pings below the shortest interval; more than 256 routes.
    fn compile(&self, context: &Context) -> Result<CompiledUpgrade, ConfigErrors> {
        let found = self.routes.len();
        if found > MAX_ROUTES {
            let (what, most) = ("routes", MAX_ROUTES);
            let problem = Problem::TooMany { what, found, most };
            return Err(ConfigPath::new("upgrade", "route").refuse(problem).into());
        }
        let mode = context.mode();
        // A route inherits the keys that it leaves out from the section, and the errors in them.
        let rest =
            Compiler::new(self, "", ConfigPath::new("upgrade", ""), mode).compile(context)?;
        let mut handshake = Handshake::new(rest.route_rules, mode);
        let mut routes = Vec::with_capacity(found);
        let (mut errors, mut known) = (Vec::new(), HashSet::new());
        for (nth, route) in self.routes.iter().enumerate() {
            let place = ConfigPath::new("upgrade.route", "").rule(nth);
            let path = route.path(place, &mut known);
            let path = path.map_err(|found| errors.extend(found));
            let under = route.under(self);
            let compiled = Compiler::new(&under, &route.path, place, mode).compile(context);
            let compiled = compiled.map_err(|found| errors.extend(found));
            if let (Ok(path), Ok(made)) = (path, compiled) {
                let only = route.only;
                handshake.add(
                    path.clone(),
                    RouteRules {
                        only,
                        ..made.route_rules
                    },
                );
                routes.push((path, made.session_limits));
            }
        }
        ConfigErrors::any(errors)?;
        Ok(CompiledUpgrade {
            handshake,
            routes,
            rest: rest.session_limits,
        })
    }
}

impl CompiledUpgrade {
    /// Returns the inspector of handshakes, and the session limits of each route with the message kinds
    /// that `messages` need there.
    pub fn into_parts(self, messages: &Messages) -> (Handshake, RouteLimits) {
        let with_kinds = |limits: SessionLimits, path: &[u8], before: &[Box<[u8]>]| {
            let (message_kinds, holds) = messages.message_kinds(path, before);
            Arc::new(SessionLimits {
                message_kinds,
                holds,
                ..limits
            })
        };
        let paths: Vec<_> = self.routes.iter().map(|(path, _)| path.clone()).collect();
        let routes = RouteLimits::new(Some(with_kinds(self.rest, b"", &paths)));
        let each = self.routes.into_iter().enumerate();
        let routes = each.fold(routes, |routes, (nth, (path, limits))| {
            let before = paths.get(..nth).unwrap_or_default();
            let limits = with_kinds(limits, &path, before);
            routes.with(path, limits)
        });
        (self.handshake, routes)
    }
}

impl RouteConfig {
    /// The path as it is looked for, which no other route has.
    fn path(
        &self,
        place: ConfigPath,
        known: &mut HashSet<Box<[u8]>>,
    ) -> Result<Box<[u8]>, ConfigErrors> {
        let path = plain_path(&self.path).and_then(|path| {
            let twice = || value(&self.path, "is the path of another route already");
            known.insert(path.clone()).then_some(path).ok_or_else(twice)
        });
        let key = "path";
        path.map_err(|problem| ConfigPath { key, ..place }.refuse(problem).into())
    }
}

impl<'c> Compiler<'c> {
    const fn new(config: &'c UpgradeConfig, path: &'c str, place: ConfigPath, mode: Mode) -> Self {
        let errors = Vec::new();
        Self {
            config,
            path,
            place,
            mode,
            errors,
        }
    }

    fn compile(mut self, context: &Context) -> Result<Made, ConfigErrors> {
        let origins = Origins::of(&self.config.origins);
        self.each("origins", &self.config.origins, |origin| {
            let none = "is no origin such as https://app.example";
            (!Origins::is_origin(origin.as_bytes())).then_some(none)
        });
        self.each("subprotocols", &self.config.subprotocols, |name| {
            let none = "is no subprotocol: a name of letters, digits and -._ is needed";
            (!is_subprotocol(name)).then_some(none)
        });
        let handshakes = self.handshakes(context);
        let session_limits = self.session_limits();
        ConfigErrors::any(self.errors)?;
        let subprotocols = session_limits.subprotocols.clone();
        let route_rules = RouteRules {
            origins,
            subprotocols,
            handshakes,
            only: false,
        };
        Ok(Made {
            route_rules,
            session_limits,
        })
    }

    /// A limit that is asked of handshakes only.
    fn handshakes(&mut self, context: &Context) -> Option<Limit> {
        let rate = self.config.handshakes?;
        let id = format!("{}{}", Handshake::HANDSHAKES, self.path);
        // A path may be too long for a name, or hold what no name may.
        let id = RuleId::new(&id).map_or_else(
            |_| format!("{}/{}", Handshake::HANDSHAKES, self.place.rule.unwrap_or(0)),
            |id| id.to_string(),
        );
        let rule = LimitRule::new(id, rate).mode(self.mode);
        let limit = [rule].compile(context);
        let refused = |errors: ConfigErrors| {
            let problems = errors.into_iter().map(|error| error.problem);
            for problem in problems {
                self.refuse("handshakes", problem);
            }
        };
        limit.map_err(refused).ok()
    }

    fn session_limits(&mut self) -> SessionLimits {
        let config = self.config;
        let subprotocols = config.subprotocols.iter().map(|name| name.as_str().into());
        SessionLimits {
            route: self.path.into(),
            sockets_per_client: config.sockets_per_client.map(Into::into),
            sockets: config.sockets.map(Into::into),
            subprotocols: subprotocols.collect(),
            max_message: config.max_message.0,
            max_fragments: config.max_fragments.get(),
            message_time: config.message_time.0,
            messages: self.rate("messages", config.messages),
            bytes: self.bytes("bytes", config.bytes),
            controls: self.rate("controls", config.controls),
            client_messages: self.rate("client_messages", config.client_messages),
            client_bytes: self.bytes("client_bytes", config.client_bytes),
            write_stall: Some(config.write_stall.0),
            ping: self.ping(),
            inflates: config.compression == Compression::Inflate,
            mode: self.mode,
            ..SessionLimits::default()
        }
    }

    fn rate(&mut self, key: &'static str, rate: Option<Rate>) -> Option<u64> {
        let rate = rate?;
        let count = per_second(rate);
        if count.is_none() {
            let why = "is no whole number in a second";
            self.refuse(key, value(&rate.to_string(), why));
        }
        count
    }

    fn bytes(&mut self, key: &'static str, rate: Option<ByteRate>) -> Option<u64> {
        let rate = rate?;
        if rate.0 < self.config.max_message.0 {
            let why = "is less in a second than one message may have (max_message)";
            self.refuse(key, value(&rate.to_string(), why));
        }
        Some(rate.0)
    }

    fn ping(&mut self) -> Option<Duration> {
        let ping = self.config.ping.0?.0;
        if ping < Ping::SHORTEST {
            let why = "is too often: 100ms is the least, 25s is usual";
            self.refuse("ping", value(&self.config.ping.to_string(), why));
        }
        Some(ping)
    }

    fn each(
        &mut self,
        key: &'static str,
        texts: &OneOrMany,
        refuse: impl Fn(&str) -> Option<&'static str>,
    ) {
        for (entry, text) in texts.iter().enumerate() {
            if let Some(why) = refuse(text) {
                let place = ConfigPath { key, ..self.place }.entry(entry);
                self.errors.push(place.refuse(value(text, why)));
            }
        }
    }

    fn refuse(&mut self, key: &'static str, problem: Problem) {
        let place = ConfigPath { key, ..self.place };
        self.errors.push(place.refuse(problem));
    }
}

fn value(found: &str, why: &'static str) -> Problem {
    let found = found.to_owned();
    Problem::Value { found, why }
}

fn per_second(rate: Rate) -> Option<u64> {
    let (count, seconds) = (u64::from(rate.count().get()), rate.per().as_secs());
    let whole = rate.per().subsec_nanos() == 0 && count.checked_rem(seconds) == Some(0);
    count.checked_div(seconds).filter(|_| whole)
}

/// A token (RFC 6455, 4.1, item 10), of those that are in use (RFC 6455, 11.5).
fn is_subprotocol(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}
