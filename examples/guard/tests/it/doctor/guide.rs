//! The tables of diagnosis codes and idle timers in the guide.

use std::{env, fmt::Write as _, fs, path::Path};

use gabion::event::Diagnosis;
use gabion_frames::KnownTimer;

/// Compares the table after `marker` in the guide; `GABION_WRITE_GUIDE=1` writes it.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test reads and writes the guide"
)]
fn assert_in_guide(marker: &str, table: &str) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/gabion/guide/websockets.md");
    let guide = fs::read_to_string(&file).unwrap();
    let begins = format!("<!-- {marker} -->\n\n");
    let (before, rest) = guide.split_once(&begins).expect("a place for the table");
    let (held, after) = rest.split_once("\n<!-- end -->").expect("its end");
    if held == table {
        return;
    }
    assert!(
        env::var_os("GABION_WRITE_GUIDE").is_some(),
        "the guide has another table; GABION_WRITE_GUIDE=1 writes:\n{table}"
    );
    fs::write(
        &file,
        format!("{before}{begins}{table}\n<!-- end -->{after}"),
    )
    .unwrap();
}

#[test]
fn guide_has_the_tables_of_the_code() {
    let mut codes = "| code | what is wrong | what to change |\n| --- | --- | --- |\n".to_owned();
    for diagnosis in Diagnosis::ALL {
        let (code, brief) = (diagnosis.code(), diagnosis.brief());
        // In Markdown, `[upgrade]` is a link.
        let advice = diagnosis.advice().replace('[', "\\[").replace(']', "\\]");
        assert!(!brief.contains('|') && !advice.contains('|'), "{code}");
        writeln!(codes, "| {code} | {brief} | {advice} |").unwrap();
    }
    assert_in_guide("diagnoses", &codes);

    let mut timers = "| after | hop |\n| --- | --- |\n".to_owned();
    for timer in KnownTimer::ALL {
        writeln!(
            timers,
            "| {} s | {} |",
            timer.idle().as_secs(),
            timer.hops()
        )
        .unwrap();
    }
    assert_in_guide("idle timers", &timers);
}
