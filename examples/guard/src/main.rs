//! gabion as a reverse proxy in front of any server.
//!
//! Without arguments it protects a built-in demo server; see `guard --help`.

mod admin;
mod built_in_policy;
mod cli;
mod config;
mod crawlers;
mod demo;
mod denied_page;
mod doctor;
mod document;
mod explain;
mod https;
mod init;
mod log;
mod logs;
mod metrics;
mod operate;
mod own_addresses;
mod reload;
mod route_policy;
mod run;
mod serve;
mod site;
mod sockets;
mod start_text;
mod state;
mod upstream_args;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use cli::{Cli, Command};
use config::Settings;
use state::RedisArgs;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => Settings::from_args(cli.run).and_then(run::run),
        Some(Command::Check {
            running: true,
            policy,
            endpoint,
            ..
        }) => operate::check(policy.as_deref(), &endpoint),
        Some(Command::Check {
            policy: Some(policy),
            replaces,
            ..
        }) => document::check(&policy, replaces.as_deref(), &RedisArgs::default()),
        Some(Command::Check {
            config, replaces, ..
        }) => document::check_config(config.as_deref(), replaces.as_deref()),
        Some(Command::Init { policy, behind }) => init::init(&policy, behind),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Operate(operation)) => operate::run(&operation),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a reader, the status remains.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
