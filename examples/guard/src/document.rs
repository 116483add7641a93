//! Policies, without a proxy around them.

use std::{error::Error, fs::OpenOptions, io::Write, path::Path};

use gabion::{Guard, policy::SampleRequest};

use crate::{
    behind::{self, Behind},
    cli::Explain,
};

/// Says what is wrong with a policy, or what is in it.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line reads the file it is told to"
)]
pub(crate) fn check(policy: &Path) -> Result<(), Box<dyn Error>> {
    let name = policy.display().to_string();
    let text = std::fs::read_to_string(policy).map_err(|error| format!("{name}: {error}"))?;
    let report = gabion::policy::check(&text, &name, policy.parent())?;
    println!("{name}: {report}");
    Ok(())
}

/// Writes the policy that fits what stands behind.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line writes the file it is told to"
)]
pub(crate) fn init(policy: &Path, behind: Option<Behind>) -> Result<(), Box<dyn Error>> {
    let name = policy.display();
    let file = OpenOptions::new().write(true).create_new(true).open(policy);
    let mut file = file.map_err(|error| format!("{name}: {error}"))?;
    file.write_all(behind::policy(behind).as_bytes())?;
    println!("{name} is written. Edit it, and run: guard --policy {name}");
    Ok(())
}

/// Says how a request is judged, step by step.
pub(crate) fn explain(asked: &Explain) -> Result<(), Box<dyn Error>> {
    let guard = Guard::builder().with_policy_file(&asked.policy)?;
    let mut probe = SampleRequest::new(&asked.request)?;
    if let Some(host) = guard.document().server.a_host() {
        probe = probe.with_header("host", &host)?;
    }
    if let Some(from) = asked.from {
        probe = probe.with_from(from);
    }
    for header in &asked.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("`{header}` is not NAME: VALUE"))?;
        probe = probe.with_header(name.trim(), value.trim())?;
    }
    let judged = guard.explain(&probe);
    print!("{}", judged.steps);
    for denial in &judged.observed {
        println!("observed {denial}");
    }
    println!("verdict  {}", judged.verdict);
    Ok(())
}
