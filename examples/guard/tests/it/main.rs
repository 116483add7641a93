//! Tests of the guard binary, run as a program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step must end the test"
)]

mod autobahn_close;
mod beanstalk;
mod clients;
mod commands;
mod config;
mod config_reload;
mod crawlers;
mod demo;
mod denied_page;
mod doctor;
mod drain;
mod explain;
mod https;
mod idle_behind_nginx;
mod kits;
mod listen;
mod log_bounds;
mod log_reader;
mod logs;
mod memory;
mod metrics;
mod operate;
mod policy;
mod reconnect;
mod restart;
mod shared;
mod slow_clients;
mod slowhttptest;
mod state;
mod support;
mod unparsable;
mod upstream;
