//! Architecture rules: some code is allowed in one crate or module only, modules form no circle, and no
//! test is disabled.

mod lexer;
mod modules;
mod rust_source;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file of this workspace.
struct SourceFile {
    /// The path from the root of the workspace, with slashes.
    path: String,
    text: String,
}

/// Reads every file under `folder` whose name ends in `ending`.
#[track_caller]
fn sources(folder: &str, ending: &str) -> Vec<SourceFile> {
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let (mut folders, mut found) = (vec![top.join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(SourceFile::read(top, &path));
            }
        }
    }
    assert!(
        !found.is_empty(),
        "no file that ends in {ending} under {folder}"
    );
    found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The sources that ship: neither tests nor test support.
fn shipped() -> Vec<SourceFile> {
    let mut all = sources("crates", ".rs");
    all.retain(|source| {
        let is_test = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
        !is_test && !source.path.starts_with("crates/testkit/")
    });
    for folder in [
        "core", "inspect", "tower", "policy", "proxy", "sinks", "store", "gabion", "admin",
    ] {
        let under = format!("crates/{folder}/src/");
        assert!(
            all.iter().any(|source| source.path.starts_with(&under)),
            "nothing {under}"
        );
    }
    all
}

impl SourceFile {
    #[expect(clippy::disallowed_methods, reason = "a test reads the sources")]
    fn read(top: &Path, file: &PathBuf) -> Self {
        let path = file
            .strip_prefix(top)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let text = fs::read_to_string(file).unwrap();
        Self { path, text }
    }

    /// The lines of code before the unit tests, each with its file and line number.
    fn code(&self) -> impl Iterator<Item = (String, &str)> {
        let lines = self.text.lines().enumerate();
        let code = lines.take_while(|(_, line)| *line != "#[cfg(test)]" && *line != "mod tests {");
        let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
        code.map(|(index, line)| (format!("{}:{}", self.path, index + 1), line))
    }
}

/// The locations in `sources` of the lines that match `matches`.
fn places(sources: &[SourceFile], matches: impl Fn(&str) -> bool) -> Vec<String> {
    let code = sources.iter().flat_map(SourceFile::code);
    code.filter(|(_, line)| matches(line))
        .map(|(place, _)| place)
        .collect()
}

/// Fails if a matching line is outside `folders`, or if there is none.
#[track_caller]
fn assert_only_in(folders: &[&str], matches: impl Fn(&str) -> bool) {
    let found = places(&shipped(), matches);
    assert!(
        !found.is_empty(),
        "found nowhere: the pattern has another name now"
    );
    let outside: Vec<_> = found
        .iter()
        .filter(|place| !folders.iter().any(|folder| place.starts_with(folder)))
        .collect();
    assert!(outside.is_empty(), "outside {folders:?}: {outside:#?}");
}

fn contains_any(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

/// The guide walks the files of a request's path, so each must exist.
#[test]
fn life_of_a_request_names_existing_files() {
    let page = include_str!("../../../guide/life_of_a_request.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut folder, mut found) = (String::new(), 0);
    for name in page.split('`').skip(1).step_by(2) {
        let file = match name.rsplit_once('/') {
            _ if Path::new(name)
                .extension()
                .is_none_or(|found| found != "rs") =>
            {
                continue;
            }
            Some((parent, _)) => {
                folder = parent.to_owned();
                name.to_owned()
            }
            None => format!("{folder}/{name}"),
        };
        assert!(root.join(&file).is_file(), "{file} does not exist");
        found += 1;
    }
    assert!(found > 25, "only {found} files were found");
}

#[test]
fn services_are_implemented_in_tower_and_proxy_only() {
    assert_only_in(&["crates/tower/src/", "crates/proxy/src/"], |line| {
        line.split_once(" for ")
            .is_some_and(|(of, _)| of.contains("Service<"))
    });
}

#[test]
fn arc_swap_is_used_in_policy_only() {
    assert_only_in(&["crates/policy/src/"], |line| {
        contains_any(line, &["ArcSwap", "arc_swap"])
    });
}

#[test]
fn concrete_inspectors_are_compiled_by_policy_and_the_four_layers_only() {
    let facade = ["ban", "deny", "layer", "limit", "scan"]
        .map(|file| format!("crates/gabion/src/{file}.rs"));
    let mut allowed = vec!["crates/inspect/src/", "crates/policy/src/"];
    allowed.extend(facade.iter().map(String::as_str));
    assert_only_in(&allowed, |line| {
        line.contains(".compile(&") || line.contains(".compile(context")
    });
}

#[test]
fn percent_decoding_is_in_the_path_module_only() {
    let decoders = [
        "to_digit(16)",
        "from_str_radix",
        "percent_decode",
        "percent_encoding",
        "urlencoding",
    ];
    assert_only_in(&["crates/core/src/path/"], |line| {
        contains_any(line, &decoders)
    });
}

#[test]
fn clocks_are_read_in_one_file() {
    let clocks = ["Instant::now", "SystemTime::now", ".elapsed()"];
    let allowed = [
        "crates/tower/src/clock.rs",
        "crates/store/src/clock.rs",
        "crates/policy/src/budget.rs",
        "crates/proxy/src/",
        "crates/sinks/src/clock.rs",
    ];
    assert_only_in(&allowed, |line| contains_any(line, &clocks));
}

#[test]
fn core_and_inspect_use_no_io_and_no_runtime() {
    let forbidden = [
        "tokio",
        "tracing",
        "hyper",
        "fs::",
        "io::",
        "env::",
        "thread::",
        "process::",
        "TcpStream",
        "UdpSocket",
        "println!",
        "Instant",
    ];
    for folder in ["crates/core/src", "crates/frames/src", "crates/inspect/src"] {
        let mut sources = sources(folder, ".rs");
        let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
        sources.retain(|source| !is_test(&source.path));
        // The clocks of governor have a `now`; ours returns the time of the request.
        let alias = "type Instant = Nanos;";
        let found = places(&sources, |line| {
            contains_any(line, &forbidden) && !line.contains(alias)
        });
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn no_unsafe_code() {
    let is_unsafe = |line: &str| {
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| word == concat!("un", "safe"))
    };
    let found = places(&sources("crates", ".rs"), is_unsafe);
    assert!(found.is_empty(), "{found:#?}");
    for manifest in sources("crates", "Cargo.toml") {
        let path = &manifest.path;
        assert!(
            manifest.text.contains("[lints]\nworkspace = true"),
            "{path} has its own lints"
        );
    }
}

#[test]
fn no_test_is_disabled() {
    let ignored = [
        concat!("#[", "ignore"),
        concat!("```", "ignore"),
        concat!("rust,", "ignore"),
    ];
    let mut all = sources("crates", ".rs");
    all.extend(sources("crates", ".md"));
    all.extend(sources("examples", ".rs"));
    let lines = all.iter().flat_map(|source| {
        let numbered = source.text.lines().zip(1..);
        numbered.map(|(line, number): (_, u32)| (format!("{}:{number}", source.path), line))
    });
    let found: Vec<_> = lines
        .filter(|(_, line)| contains_any(line, &ignored))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_are_short() {
    for source in sources("crates", ".rs") {
        let lines = source.text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", source.path);
    }
}
