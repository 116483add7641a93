//! Measures the time to judge request heads, one per file, without a fuzzer's counters:
//! `cargo run --release --example weigh -- FILE..` in this folder. Fails if a head takes longer than
//! [`Weight::MOST`].

use std::{env, fs};

use gabion_testkit::laws::{Weight, weigh};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut worst = 0;
    for file in env::args_os().skip(1) {
        let head = fs::read(&file)?;
        let Some(weight) = weigh(&head, 200) else {
            continue; // not a request head
        };
        println!("{weight}: {}", head.escape_ascii());
        worst = worst.max(weight.nanos);
    }
    if worst > Weight::MOST {
        return Err(format!("{worst} ns is more than {}", Weight::MOST).into());
    }
    Ok(())
}
