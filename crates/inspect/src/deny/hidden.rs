//! Hidden names with any extension, such as `.env.*`.

use super::names::Names;

/// The extensions of pages, which may document a hidden file: `/guide/.env.html`.
const PAGES: [&[u8]; 4] = [b"htm", b"html", b"md", b"mdx"];

/// Hidden names that match with any extensions but those of pages.
#[derive(Debug, Default)]
pub(super) struct HiddenNames {
    /// The names without their extensions.
    stems: Names,
}

// === impl HiddenNames ===

impl HiddenNames {
    /// Returns the name without its extensions if `name` stands for any: `.env` for `.env.*`.
    pub(super) fn stem(name: &str) -> Option<&str> {
        let stem = name.strip_suffix(".*")?;
        let is_hidden = stem.len() > 1 && stem.starts_with('.') && !stem.ends_with('.');
        (is_hidden && !stem.contains('*')).then_some(stem)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.stems.is_empty()
    }

    pub(super) fn add(&mut self, stem: &str, rule: usize) {
        self.stems.add(stem.as_bytes(), rule);
    }

    /// Returns the rule of the shortest stem of `name`.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        if self.stems.is_empty() || !name.starts_with(b".") || is_page(name) {
            return None;
        }
        let dots = name
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, byte)| **byte == b'.');
        let mut stems = dots.filter_map(|(dot, _)| name.get(..dot));
        stems.find_map(|stem| self.stems.find(stem))
    }
}

fn is_page(name: &[u8]) -> bool {
    let extension = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    PAGES
        .iter()
        .any(|page| page.eq_ignore_ascii_case(extension))
}
