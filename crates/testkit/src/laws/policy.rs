//! Laws of policy documents.

use gabion_policy::{Diagnostic, Document};

/// Reading any text as a policy ends without a panic, and
/// 1. each error points inside the text, at a boundary between characters, and says so: it names a
///    line and a column that the text has;
/// 2. a document that is read is printed and read again as the same.
///
/// # Panics
///
/// Where a law is broken.
pub fn policy_document(text: &str) {
    match Document::parse(text, "policy.toml") {
        Ok(document) => {
            let printed = document.to_string();
            let again = Document::parse(&printed, "printed.toml");
            assert_eq!(again.ok().as_ref(), Some(&document), "2: {printed}");
        }
        Err(error) => {
            let found = error.diagnostics();
            assert!(!found.is_empty(), "1: refused without a reason");
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
