//! Counting instructions with valgrind's callgrind, which runs this program.

use std::{env, fs, hint::black_box, path::PathBuf, process::Command};

use gabion_testkit::program;

use crate::rows::Row;

/// The option that makes this program run one row, by its name.
pub(crate) const ROW: &str = "--row";

/// The function that callgrind counts, with all that it calls.
const COUNTED: &str = "*::callgrind::counted";

/// The callgrind tool of valgrind.
pub(crate) struct Callgrind {
    valgrind: PathBuf,
}

/// Runs `work` twice. Callgrind counts the second run only, without lazy initialization.
///
/// # Panics
///
/// If `work` does not return `count`, the number of operations.
pub(crate) fn count(count: usize, mut work: impl FnMut() -> usize) {
    assert_eq!(work(), count, "operations of the first run");
    assert_eq!(counted(&mut work), count, "operations of the second run");
}

/// Runs the counted work. [`COUNTED`] holds the name of this function.
#[inline(never)]
fn counted(work: &mut dyn FnMut() -> usize) -> usize {
    black_box(work())
}

// === impl Callgrind ===

impl Callgrind {
    /// Finds valgrind. Prints a note and returns `None` if it is not installed.
    pub(crate) fn find() -> Option<Self> {
        let valgrind = program("valgrind")?;
        Some(Self { valgrind })
    }

    /// Counts the instructions of a row, per operation.
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
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", row.0);
        let text = fs::read_to_string(&file).expect("the output of callgrind");
        fs::remove_file(&file).expect("the output file is removable");
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: f64 = total.expect("a total").parse().expect("a number");
        assert!(total > 0.0, "{}: no calls of {COUNTED}", row.0);
        total / row.operations() as f64
    }
}
