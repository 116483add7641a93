//! Compilation of the `[upgrade]` section.

use std::{collections::HashSet, time::Duration};

use gabion_core::{Mode, RuleId, SessionLimits};

use super::{
    CompiledUpgrade, Compression, Handshake, Ping, RouteConfig, RouteRules, UpgradeConfig,
    compiled::CompiledLimits,
    origin::{Origin, Origins},
};
use crate::{
    ByteRate, Config, ConfigError, ConfigErrors, ConfigPath, Context, Limit, LimitRule, OneOrMany,
    Problem, Rate, config::rule_compiler::invalid_value, deny::canonical_path,
};

/// The largest number of routes. Each is compared for each handshake.
const MAX_ROUTES: usize = 256;

/// The section or a route, and the errors found in it so far.
struct Compiler<'c> {
    config: &'c UpgradeConfig,
    /// The path of the route as configured; empty for the section.
    path: &'c str,
    config_path: ConfigPath,
    mode: Mode,
    errors: Vec<ConfigError>,
}

/// The compiled section or route.
struct CompiledRoute {
    route_rules: RouteRules,
    limits: CompiledLimits,
}

impl Config for UpgradeConfig {
    type Output = CompiledUpgrade;

    /// # Errors
    ///
    /// Malformed origins, subprotocols and paths; rates that are not a whole number per second;
    /// byte rates below the size of one message; pings below [`Ping::SHORTEST`]; more than 256
    /// routes.
    fn compile(&self, context: &Context) -> Result<CompiledUpgrade, ConfigErrors> {
        let found = self.routes.len();
        if found > MAX_ROUTES {
            let (what, most) = ("routes", MAX_ROUTES);
            let problem = Problem::TooMany { what, found, most };
            return Err(ConfigPath::new("upgrade", "route").error(problem).into());
        }
        let mode = context.mode();
        // A route inherits the keys that it leaves out from the section, and the errors in them.
        let rest =
            Compiler::new(self, "", ConfigPath::new("upgrade", ""), mode).compile(context)?;
        let mut handshake = Handshake::new(rest.route_rules, mode);
        let mut routes = Vec::with_capacity(found);
        let (mut errors, mut known) = (Vec::new(), HashSet::new());
        for (index, route) in self.routes.iter().enumerate() {
            let config_path = ConfigPath::new("upgrade.route", "").rule(index);
            let path = route.path(config_path, &mut known);
            let path = path.map_err(|found| errors.extend(found));
            let config = self.for_route(route);
            let compiled = Compiler::new(&config, &route.path, config_path, mode).compile(context);
            let compiled = compiled.map_err(|found| errors.extend(found));
            if let (Ok(path), Ok(compiled)) = (path, compiled) {
                let only = route.only;
                handshake.add(
                    &path,
                    RouteRules {
                        only,
                        ..compiled.route_rules
                    },
                );
                routes.push((path, compiled.limits));
            }
        }
        ConfigErrors::check(errors)?;
        Ok(CompiledUpgrade {
            handshake,
            routes,
            rest: rest.limits,
        })
    }
}

impl RouteConfig {
    /// Returns the path in its comparable form. It must differ from those of other routes in
    /// `known`.
    fn path(
        &self,
        config_path: ConfigPath,
        known: &mut HashSet<Box<[u8]>>,
    ) -> Result<Box<[u8]>, ConfigErrors> {
        let path = canonical_path(&self.path).and_then(|path| {
            let duplicate = || invalid_value(&self.path, "duplicate path of a route");
            known
                .insert(path.clone())
                .then_some(path)
                .ok_or_else(duplicate)
        });
        let key = "path";
        path.map_err(|problem| ConfigPath { key, ..config_path }.error(problem).into())
    }
}

impl<'c> Compiler<'c> {
    const fn new(
        config: &'c UpgradeConfig,
        path: &'c str,
        config_path: ConfigPath,
        mode: Mode,
    ) -> Self {
        let errors = Vec::new();
        Self {
            config,
            path,
            config_path,
            mode,
            errors,
        }
    }

    fn compile(mut self, context: &Context) -> Result<CompiledRoute, ConfigErrors> {
        let origins = Origins::new(&self.config.origins);
        self.check_each("origins", &self.config.origins, |origin| {
            let why = "write an origin such as `https://app.example` or `capacitor://localhost`";
            Origin::parse(origin.as_bytes()).is_none().then_some(why)
        });
        self.check_each("subprotocols", &self.config.subprotocols, |name| {
            let why = "write a subprotocol name of letters, digits and `-._`";
            (!is_subprotocol(name)).then_some(why)
        });
        let handshakes = self.handshakes(context);
        let session_limits = self.session_limits();
        ConfigErrors::check(self.errors)?;
        let subprotocols = session_limits.subprotocols.clone();
        let route_rules = RouteRules {
            origins,
            subprotocols,
            handshakes,
            only: false,
        };
        let is_unset = session_limits.inflates && self.config.client_bytes.is_none();
        let default = UpgradeConfig::INFLATED_CLIENT_BYTES.0;
        let default = is_unset.then(|| default.max(session_limits.max_message));
        Ok(CompiledRoute {
            route_rules,
            limits: CompiledLimits {
                session_limits,
                inflated_client_bytes: default,
            },
        })
    }

    /// Compiles the rate of handshakes.
    fn handshakes(&mut self, context: &Context) -> Option<Limit> {
        let rate = self.config.handshakes?;
        let id = format!("{}{}", Handshake::HANDSHAKES, self.path);
        // The path may be too long for a rule id, or contain characters that no rule id has.
        let id = RuleId::new(&id).map_or_else(
            |_| {
                format!(
                    "{}/{}",
                    Handshake::HANDSHAKES,
                    self.config_path.rule.unwrap_or(0)
                )
            },
            |id| id.to_string(),
        );
        let rule = LimitRule::new(id, rate).mode(self.mode);
        let limit = [rule].compile(context);
        let report = |errors: ConfigErrors| {
            let problems = errors.into_iter().map(|error| error.problem);
            for problem in problems {
                self.report("handshakes", problem);
            }
        };
        limit.map_err(report).ok()
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
            max_inflate_ratio: config.max_inflate_ratio.get().into(),
            max_buffered: self.max_buffered(),
            message_time: config.message_time.0,
            messages: self.rate("messages", config.messages),
            bytes: self.bytes("bytes", config.bytes),
            controls: self.rate("controls", config.controls),
            client_messages: self.rate("client_messages", config.client_messages),
            client_bytes: self.bytes(
                "client_bytes",
                config.client_bytes.and_then(|limit| limit.0),
            ),
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
            let why = "not a whole number per second";
            self.report(key, invalid_value(&rate.to_string(), why));
        }
        count
    }

    fn bytes(&mut self, key: &'static str, rate: Option<ByteRate>) -> Option<u64> {
        let rate = rate?;
        if rate.0 < self.config.max_message.0 {
            let why = "less per second than the size of one message (`max_message`)";
            self.report(key, invalid_value(&rate.to_string(), why));
        }
        Some(rate.0)
    }

    fn max_buffered(&mut self) -> u64 {
        let max_message = self.config.max_message.0;
        let Some(max) = self.config.max_buffered else {
            let default = UpgradeConfig::MAX_BUFFERED.0;
            return default.max(max_message.saturating_mul(8));
        };
        if max.0 < max_message.saturating_mul(2) {
            let why = "less than twice the size of one message (`max_message`)";
            self.report("max_buffered", invalid_value(&max.to_string(), why));
        }
        max.0
    }

    fn ping(&mut self) -> Option<Duration> {
        let ping = self.config.ping.0?.0;
        if ping < Ping::SHORTEST {
            let why = "at least `100ms` is supported; `25s` is common";
            self.report("ping", invalid_value(&self.config.ping.to_string(), why));
        }
        Some(ping)
    }

    fn check_each(
        &mut self,
        key: &'static str,
        texts: &OneOrMany,
        check: impl Fn(&str) -> Option<&'static str>,
    ) {
        for (entry, text) in texts.iter().enumerate() {
            if let Some(why) = check(text) {
                let config_path = ConfigPath {
                    key,
                    ..self.config_path
                }
                .entry(entry);
                self.errors
                    .push(config_path.error(invalid_value(text, why)));
            }
        }
    }

    fn report(&mut self, key: &'static str, problem: Problem) {
        let config_path = ConfigPath {
            key,
            ..self.config_path
        };
        self.errors.push(config_path.error(problem));
    }
}

fn per_second(rate: Rate) -> Option<u64> {
    let (count, seconds) = (u64::from(rate.count().get()), rate.per().as_secs());
    let whole = rate.per().subsec_nanos() == 0 && count.checked_rem(seconds) == Some(0);
    count.checked_div(seconds).filter(|_| whole)
}

/// Returns `true` if `name` is a token (RFC 6455, section 4.1, item 10) of the kind that registered
/// subprotocols are (RFC 6455, section 11.5).
fn is_subprotocol(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}
