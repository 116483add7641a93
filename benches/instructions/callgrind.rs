//! Counting, by a program that stands around this one.

use std::{env, fs, hint::black_box, path::PathBuf, process::Command};

use gabion_testkit::program;

use crate::rows::Row;

/// Says to this program which row it is to run.
pub(crate) const ROW: &str = "--row";

/// The one function that is counted, with all that it calls.
const COUNTED: &str = "*::callgrind::counted";

/// Valgrind's counter of instructions.
pub(crate) struct Callgrind {
    valgrind: PathBuf,
}

/// Runs `lap` twice, and has the second counted: what is made on first use is made by then.
///
/// # Panics
///
/// Where it does not do `count` things.
pub(crate) fn count(count: usize, mut lap: impl FnMut() -> usize) {
    assert_eq!(lap(), count, "a lap does what it says");
    assert_eq!(counted(&mut lap), count, "the second does as the first");
}

/// Valgrind finds it by its name.
#[inline(never)]
fn counted(lap: &mut dyn FnMut() -> usize) -> usize {
    black_box(lap())
}

// === impl Callgrind ===

impl Callgrind {
    /// None, aloud, where there is no valgrind.
    pub(crate) fn find() -> Option<Self> {
        let valgrind = program("valgrind")?;
        Some(Self { valgrind })
    }

    /// How many instructions each thing takes that the row does.
    pub(crate) fn count(&self, row: &Row) -> f64 {
        let file = env::temp_dir().join(format!("gabion-callgrind-{}", std::process::id()));
        let output = Command::new(&self.valgrind)
            .arg("--tool=callgrind")
            .arg(format!("--toggle-collect={COUNTED}"))
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(env::current_exe().expect("this program"))
            .args([ROW, row.0])
            .output()
            .expect("valgrind starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", row.0);
        let text = fs::read_to_string(&file).expect("what callgrind found");
        fs::remove_file(&file).expect("its file");
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: f64 = total.expect("a total").parse().expect("a number");
        assert!(total > 0.0, "{}: {COUNTED} is not seen", row.0);
        total / row.things() as f64
    }
}
