//! The commands that work on a policy without starting the proxy.

use std::{error::Error, path::Path};

use gabion::{Guard, policy::SampleRequest};

use crate::cli::ExplainArgs;

/// Checks a policy and prints a summary of it. Returns the diagnostics as an error if it is invalid.
#[expect(
    clippy::disallowed_methods,
    reason = "the command reads the file named on the command line"
)]
pub(crate) fn check(policy: &Path) -> Result<(), Box<dyn Error>> {
    let name = policy.display().to_string();
    let text = std::fs::read_to_string(policy).map_err(|error| format!("{name}: {error}"))?;
    let report = gabion::policy::check(&text, &name, policy.parent())?;
    println!("{name}: {report}");
    Ok(())
}

/// Prints the steps by which a policy judges a request, and the verdict.
pub(crate) fn explain(args: &ExplainArgs) -> Result<(), Box<dyn Error>> {
    let guard = Guard::builder().with_policy_file(&args.policy)?;
    let mut sample = SampleRequest::new(&args.request)?;
    if let Some(host) = guard.document().server.a_host() {
        sample = sample.with_header("host", &host)?;
    }
    if let Some(from) = args.from {
        sample = sample.with_from(from);
    }
    for header in &args.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("invalid header `{header}`: write `NAME: VALUE`"))?;
        sample = sample.with_header(name.trim(), value.trim())?;
    }
    let explained = guard.explain(&sample);
    print!("{}", explained.steps);
    for denial in &explained.observed {
        println!("observed {denial}");
    }
    println!("verdict  {}", explained.verdict);
    Ok(())
}
