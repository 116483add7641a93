//! gabion as a reverse proxy in front of any server.
//!
//! With no arguments it guards a small server of its own, to be tried out; see `guard --help`.

mod behind;
mod cli;
mod demo;
mod doctor;
mod document;
mod run;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Check { policy }) => document::check(&policy),
        Some(Command::Init { policy, behind }) => document::init(&policy, behind),
        Some(Command::Explain(explain)) => document::explain(&explain),
        Some(Command::Doctor(asked)) => doctor::examine(&asked),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
