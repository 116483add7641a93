//! The additional policies of routes.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use gabion::{
    Guard, GuardLayer,
    ban::{BanConfig, ListEffect},
    policy::{ShrinkGuard, Watch},
};
use hyper_util::rt::TokioTimer;

use crate::{config::RouteKey, denied_page::DeniedPage};

/// The additional policy of a route, with its limits, which stay while the route and the file do. Its bans are those
/// of the guard: a client that a rule of one route bans is refused on all.
#[derive(Debug)]
pub(crate) struct RoutePolicy {
    route: RouteKey,
    file: PathBuf,
    layer: GuardLayer,
    watch: Watch,
}

// === impl RoutePolicy ===

impl RoutePolicy {
    pub(crate) fn new(
        route: &RouteKey,
        file: &Path,
        guard: &Guard,
    ) -> Result<Self, Box<dyn Error>> {
        let builder = Guard::builder()
            .with_sink(guard.sink())
            .with_bans_of(guard)
            .with_timer(TokioTimer::new());
        let guard = builder.with_policy_file(file)?;
        check(&guard, file)?;
        // The client is that of the policy in front.
        let layer = guard.layer().with_shared_resolution(false);
        Ok(Self {
            route: route.clone(),
            file: file.to_owned(),
            layer: layer.insert_client_extension().with_reply(DeniedPage),
            watch: guard.watch()?,
        })
    }

    /// Returns `true` if this is the policy in `file` of `route`.
    pub(crate) fn is_of(&self, route: &RouteKey, file: &Path) -> bool {
        self.route == *route && self.file == file
    }

    pub(crate) const fn layer(&self) -> &GuardLayer {
        &self.layer
    }

    /// Reads the file again.
    pub(crate) fn reload(&self, shrink: ShrinkGuard) {
        match shrink {
            ShrinkGuard::Accept => self.watch.reload_now_accepting_shrink(),
            _ => self.watch.reload_now(),
        }
    }
}

/// Reads the additional policy of a route, and checks it.
pub(crate) fn check_file(file: &Path) -> Result<(), Box<dyn Error>> {
    let guard = Guard::builder().with_policy_file(file)?;
    Ok(check(&guard, file)?)
}

/// Returns an error if a policy has settings that only the main policy decides about.
fn check(guard: &Guard, file: &Path) -> Result<(), String> {
    let Some(setting) = main_setting(&guard.document().ban) else {
        return Ok(());
    };
    let file = file.display();
    Err(format!(
        "{file}: {setting} in [ban] has no effect in the policy of a route, which bans clients on all routes: move it \
         to the main policy"
    ))
}

/// Returns a setting of `[ban]` that decides which offenses become bans.
fn main_setting(ban: &BanConfig) -> Option<&'static str> {
    let default = BanConfig::default();
    let is_changed = [
        ("`growth`", ban.growth != default.growth),
        ("`longest`", ban.longest != default.longest),
        ("`forget`", ban.forget != default.forget),
        ("`crawlers`", ban.crawlers != default.crawlers),
        ("`neighbors`", ban.neighbors != default.neighbors),
        (
            "`most_per_minute`",
            ban.most_per_minute != default.most_per_minute,
        ),
        ("`most_percent`", ban.most_percent != default.most_percent),
        (
            "a list with `effect = \"no-ban\"`",
            ban.files
                .iter()
                .any(|file| file.effect == ListEffect::NoBan),
        ),
    ];
    let changed = is_changed.into_iter().find(|(_, is_changed)| *is_changed);
    changed.map(|(setting, _)| setting)
}
