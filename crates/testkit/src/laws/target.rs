//! The laws of all fuzz targets, as functions of bytes.

use arbitrary::{Arbitrary, Unstructured};

/// A law as a function of the bytes that its fuzz target receives.
pub type Law = fn(&[u8]);

/// Each fuzz target with its law. Input that is too short to decode satisfies every law.
pub const TARGETS: [(&str, Law); 10] = [
    ("chain", |bytes| read(bytes, |input| super::chain(&input))),
    ("client_identity", |bytes| {
        read(bytes, |input| super::client_identity(&input));
    }),
    ("cost", |bytes| {
        super::cost(bytes);
    }),
    ("frames", super::frames),
    ("limits", |bytes| read(bytes, |input| super::limits(&input))),
    ("list_files", |bytes| read(bytes, super::list_files)),
    ("messages", |bytes| {
        read(bytes, |input| super::messages(&input));
    }),
    ("path_views", super::path_views),
    ("policy_document", |bytes| {
        read(bytes, super::policy_document);
    }),
    ("protocol_heads", super::protocol_heads),
];

/// Decodes the input of a law from bytes as `fuzz_target!` does.
fn read<'i, T: Arbitrary<'i>>(bytes: &'i [u8], law: impl Fn(T)) {
    if let Ok(input) = T::arbitrary_take_rest(Unstructured::new(bytes)) {
        law(input);
    }
}
