//! The commands that work on a policy without starting the proxy.

use std::{error::Error, path::Path};

use gabion::{Guard, policy::check_replacement};
use gabion_proxy::Certificates;

use crate::{
    config::Settings,
    https::HttpsOptions,
    route_policy,
    state::{RedisArgs, exact_alone},
};

/// Checks a policy and prints a summary of it, with warnings of what a reload would lose since the
/// policy that it replaces. Returns the diagnostics as an error if it is invalid.
pub(crate) fn check(
    policy: &Path,
    replaces: Option<&Path>,
    redis: &RedisArgs,
) -> Result<(), Box<dyn Error>> {
    let (name, text) = read(policy)?;
    let report = if let Some(previous) = replaces {
        let (previous_name, previous) = read(previous)?;
        let previous = (&*previous, &*previous_name);
        check_replacement(&text, &name, policy.parent(), previous)?
    } else {
        gabion::policy::check(&text, &name, policy.parent())?
    };
    println!("{name}: {report}");
    if !redis.is_given() {
        let guard = Guard::builder().with_policy_file(policy)?;
        exact_alone(&guard.document()).for_each(|warning| println!("warning: {warning}"));
    }
    Ok(())
}

/// Checks a configuration file, with the policies and the certificates that it names, and compares it with the one that
/// it replaces. Without one, clap has refused the command.
pub(crate) fn check_config(
    config: Option<&Path>,
    replaces: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let Some(config) = config else { return Ok(()) };
    let settings = Settings::read(config)?;
    let tls = HttpsOptions::from_args(&settings.args.https)?.tls;
    Certificates::load(tls.into_iter().flat_map(|tls| tls.certificates))?;
    let of_routes = settings
        .services
        .iter()
        .filter_map(|service| service.policy.as_deref());
    if let Some(policy) = &settings.args.policy {
        check(policy, None, &settings.args.redis)?;
    }
    for policy in of_routes {
        check(policy, None, &settings.args.redis)?;
        route_policy::check_file(policy)?;
    }
    let (upstreams, routes) = (settings.upstreams.len(), settings.services.len() - 1);
    println!(
        "{}: {upstreams} upstreams, {routes} routes",
        config.display()
    );
    let Some(replaces) = replaces else {
        return Ok(());
    };
    let Some(previous) = Settings::read(replaces)?.document else {
        return Ok(());
    };
    let changes = settings.changes(&previous, &previous);
    if !changes.live.is_empty() {
        println!(
            "takes effect when the file is saved: {}",
            changes.live_keys()
        );
    }
    if let Some(advice) = changes.restart_advice() {
        println!("{advice}");
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command reads the files named on the command line"
)]
fn read(file: &Path) -> Result<(String, String), String> {
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
