//! Every TOML example of the guide is a policy that `guard check` accepts, but for the page of another document,
//! `guard_toml`, which a test of `guard` checks.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A fenced block of a guide page.
struct Example {
    page: PathBuf,
    /// The line of its fence, from 1.
    line: usize,
    policy: String,
}

#[test]
fn toml_examples_of_the_guide_pass_check() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/guide");
    let pages = pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("guide"));
    // Those of guard.toml are tested with the guard.
    let of_guard = ["guard_toml.md", "logs.md"];
    let of_policies = pages
        .iter()
        .filter(|page| !of_guard.iter().any(|name| page.ends_with(name)));
    let examples: Vec<_> = of_policies.flat_map(|page| examples(page)).collect();
    assert!(!examples.is_empty(), "no page has a ```toml fence");
    let errors: Vec<_> = examples
        .iter()
        .filter_map(|example| {
            let name = format!("{}:{}", example.page.display(), example.line);
            gabion_policy::check(&example.policy, &name, Some(&base)).err()
        })
        .map(|error| error.to_string())
        .collect();
    println!(
        "{} examples on {} pages, {} errors",
        examples.len(),
        pages.len(),
        errors.len()
    );
    assert!(errors.is_empty(), "{}", errors.join("\n\n"));
}

/// The Markdown files in `directory` and in the directories below it.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let found = paths.into_iter().flat_map(|path| {
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        if path.is_dir() {
            pages(&path)
        } else {
            is_page.then_some(path).into_iter().collect()
        }
    });
    found.collect()
}

/// The `toml` fences of `page`; an example without `version` is a fragment, and gets one.
#[expect(clippy::disallowed_methods, reason = "a test reads the guide")]
fn examples(page: &Path) -> Vec<Example> {
    let text = fs::read_to_string(page).unwrap();
    let mut examples: Vec<Example> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        match (is_open, line) {
            (false, "```toml") => {
                is_open = true;
                examples.push(Example {
                    page: page.to_owned(),
                    line: index + 1,
                    policy: String::new(),
                });
            }
            (true, "```") => is_open = false,
            (true, line) => {
                let policy = &mut examples.last_mut().expect("an open fence").policy;
                policy.push_str(line);
                policy.push('\n');
            }
            (false, _) => assert!(
                !line.starts_with("```toml"),
                "{}:{}: a TOML fence is written ```toml",
                page.display(),
                index + 1
            ),
        }
    }
    for example in &mut examples {
        let has_version = example
            .policy
            .lines()
            .any(|line| line.starts_with("version ="));
        if !has_version {
            example.policy.insert_str(0, "version = 1\n");
        }
    }
    examples
}
