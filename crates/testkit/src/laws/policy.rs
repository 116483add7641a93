//! Laws of policy documents.

use gabion_policy::{Diagnostic, Document};

/// Checks that parsing any text as a policy does not panic, and that
/// 1. each error has a span within the text, at character boundaries, and names a line and a column that
///    exist in the text;
/// 2. a parsed document, printed and parsed again, is the same.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn policy_document(text: &str) {
    match Document::parse(text, "policy.toml") {
        Ok(document) => {
            let printed = document.to_string();
            let again = Document::parse(&printed, "printed.toml");
            assert_eq!(again.ok().as_ref(), Some(&document), "2: {printed}");
        }
        Err(error) => {
            let found = error.diagnostics();
            assert!(!found.is_empty(), "1: rejected without a diagnostic");
            for diagnostic in found {
                points_into(diagnostic, text);
            }
        }
    }
}

fn points_into(diagnostic: &Diagnostic, text: &str) {
    let span = diagnostic.span();
    assert!(text.get(span.clone()).is_some(), "1: {span:?}");
    let (line, column) = (diagnostic.line(), diagnostic.column());
    let there = line
        .checked_sub(1)
        .and_then(|line| text.split('\n').nth(line));
    let chars = there.map(|line| line.chars().count());
    let fits = chars.is_some_and(|chars| (1..=chars + 1).contains(&column));
    assert!(fits, "1: {line}:{column} of a line of {chars:?}");
    let shown = diagnostic.to_string();
    let place = format!("policy.toml:{line}:{column}\n");
    assert!(
        format!("{shown}\n").contains(&place),
        "1: {line}:{column} in {shown}"
    );
}
