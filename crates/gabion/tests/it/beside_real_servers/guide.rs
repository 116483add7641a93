//! Compares the tables of the guide with the measurement.

use std::{
    env, fmt, fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// A Markdown table.
pub(super) struct Table {
    lines: Vec<String>,
}

/// Fails unless the guide has `table` under `name`. With `GABION_WRITE_GUIDE` set, writes it there.
///
/// # Panics
///
/// If the guide has no section for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads and writes the guide"
)]
pub(super) fn assert_in_guide(name: &str, table: &Table) {
    // Two tests may write at the same time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide/paths.md");
    let text = fs::read_to_string(&file).unwrap();
    let begins = format!("<!-- measured: {name} -->\n\n");
    let (before, rest) = text
        .split_once(&begins)
        .unwrap_or_else(|| panic!("no place for {name}"));
    let (held, after) = rest
        .split_once("\n<!-- end -->")
        .expect("an end of the table");
    if held == table.to_string() {
        return;
    }
    assert!(
        env::var_os("GABION_WRITE_GUIDE").is_some(),
        "the guide does not say what was measured under {name:?}; GABION_WRITE_GUIDE=1 writes:\n{table}"
    );
    fs::write(
        &file,
        format!("{before}{begins}{table}\n<!-- end -->{after}"),
    )
    .unwrap();
}

// === impl Table ===

impl Table {
    /// An empty table with these columns.
    pub(super) fn new(columns: &[&str]) -> Self {
        let mut table = Self { lines: Vec::new() };
        table.row(columns.iter().map(|&column| column.to_owned()));
        table.row(columns.iter().map(|_| "---".to_owned()));
        table
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells.into_iter().collect();
        assert!(!cells.iter().any(|cell| cell.contains('|')), "{cells:?}");
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }

    /// The number of rows.
    pub(super) const fn len(&self) -> usize {
        self.lines.len() - 2
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
