//! Weighs request heads, a file each, without a fuzzer's counters in the way, and fails where one
//! takes longer than it may: `cargo run --release --example weigh -- FILE..` in this folder.

use std::{env, fs};

use gabion_testkit::laws::{Weight, weigh};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut worst = 0;
    for file in env::args_os().skip(1) {
        let head = fs::read(&file)?;
        let Some(weight) = weigh(&head, 200) else {
            continue; // no head of a request
        };
        println!("{weight}: {}", head.escape_ascii());
        worst = worst.max(weight.nanos);
    }
    if worst > Weight::MOST {
        return Err(format!("{worst} ns is more than {}", Weight::MOST).into());
    }
    Ok(())
}
