//! The table of diagnosis codes in the guide.

use std::{env, fmt::Write as _, fs, path::Path};

use gabion::event::Diagnosis;

/// Compares the table in the guide; `GABION_WRITE_GUIDE=1` writes it.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads and writes the guide"
)]
fn guide_has_the_meaning_of_each_code() {
    let mut table = "| code | what is wrong | what to change |\n| --- | --- | --- |\n".to_owned();
    for diagnosis in Diagnosis::ALL {
        let (code, brief) = (diagnosis.code(), diagnosis.brief());
        // In Markdown, `[upgrade]` is a link.
        let advice = diagnosis.advice().replace('[', "\\[").replace(']', "\\]");
        assert!(!brief.contains('|') && !advice.contains('|'), "{code}");
        writeln!(table, "| {code} | {brief} | {advice} |").unwrap();
    }
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/gabion/guide/websockets.md");
    let guide = fs::read_to_string(&file).unwrap();
    let begins = "<!-- diagnoses -->\n\n";
    let (before, rest) = guide.split_once(begins).expect("a place for the table");
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
