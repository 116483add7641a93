//! Responses that are pages.

/// The shortest response, in bytes, that can be the page of a service for any path. Shorter ones, such as
/// `ok` and `{"status":"up"}`, are alike because they have little content.
pub(crate) const MIN_PAGE: u64 = 24;
