//! Counting instructions with valgrind's callgrind, which runs the program of a bench.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a bench runs itself and may stop"
)]

use std::{
    env, fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
};

use gabion_testkit::program;

use crate::TempDir;

/// The function that callgrind counts, with all that it calls.
const COUNTED: &str = "*::callgrind::counted";

/// The callgrind tool of valgrind.
#[derive(Debug)]
pub struct Callgrind {
    valgrind: PathBuf,
}

/// Runs `work` twice. Callgrind counts the second run only, without lazy initialization.
///
/// # Panics
///
/// If `work` does not return `count`, the number of operations.
pub fn count(count: usize, mut work: impl FnMut() -> usize) {
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
    pub fn find() -> Option<Self> {
        let valgrind = program("valgrind")?;
        Some(Self { valgrind })
    }

    /// Runs this program with `args` and returns the instructions of each call of [`count()`], in order.
    ///
    /// # Panics
    ///
    /// If the program fails.
    pub fn counts<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Vec<f64> {
        let folder = TempDir::new("callgrind");
        let output = Command::new(&self.valgrind)
            .arg("--tool=callgrind")
            .arg(format!("--toggle-collect={COUNTED}"))
            .arg(format!("--dump-after={COUNTED}"))
            .arg("--callgrind-out-file=counts")
            .current_dir(folder.path())
            .arg(env::current_exe().expect("this program"))
            .args(args)
            .output()
            .expect("valgrind starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        // Each call has a numbered file; that without a number is written at the end.
        let files = (1..).map(|nth| folder.path().join(format!("counts.{nth}")));
        files
            .take_while(|file| file.exists())
            .map(|file| total(&file))
            .collect()
    }
}

fn total(file: &Path) -> f64 {
    let text = fs::read_to_string(file).expect("the output of callgrind");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.expect("a total").parse().expect("a number")
}
