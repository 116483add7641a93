//! The guard as its users meet it: the built binary, run as a program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say so and stop"
)]

mod autobahn_close;
mod clients;
mod commands;
mod demo;
mod doctor;
mod drain;
mod hostile_page;
mod idle_behind_nginx;
mod nginx;
mod policy;
mod reconnect;
mod support;
mod upstream;
