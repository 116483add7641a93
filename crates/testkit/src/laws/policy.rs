//! Laws of policy documents.

use gabion_policy::Document;

/// Reading any text as a policy ends without a panic, and
/// 1. each error points inside the text, at a boundary between characters;
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
            assert!(
                !error.diagnostics().is_empty(),
                "1: refused without a reason"
            );
            for diagnostic in error.diagnostics() {
                assert!(
                    text.get(diagnostic.span()).is_some(),
                    "1: {:?}",
                    diagnostic.span()
                );
            }
            assert!(!error.to_string().is_empty());
        }
    }
}
