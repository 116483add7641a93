//! Weighs request heads, a file each, without a fuzzer's counters in the way:
//! `cargo run --release --example weigh -- FILE..` in this folder.

use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in env::args_os().skip(1) {
        let head = fs::read(&file)?;
        let weight = gabion_testkit::laws::weigh(&head, 200).ok_or("no head of a request")?;
        println!("{weight}: {}", head.escape_ascii());
    }
    Ok(())
}
