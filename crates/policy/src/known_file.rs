//! Files of a policy, with a hash of their content to detect changes.

use std::{
    fs,
    hash::{DefaultHasher, Hasher as _},
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

/// A file that a policy was read from, and a hash of what was found: its content, and the error of
/// reading it, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownFile {
    path: PathBuf,
    limit: SizeLimit,
    found: u64,
}

/// The maximum size of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeLimit {
    pub(crate) bytes: u64,
    /// The name of the limit in errors.
    pub(crate) name: &'static str,
}

/// A hasher of bytes, in any number of writes.
#[derive(Debug, Default)]
struct ContentHasher(DefaultHasher);

// === impl KnownFile ===

impl KnownFile {
    /// Reads a regular file of at most `limit` bytes. Pipes and devices are refused, because reading
    /// them can block or never end.
    pub(crate) fn read(path: PathBuf, limit: SizeLimit) -> (Self, io::Result<Vec<u8>>) {
        let mut bytes = Vec::new();
        let copied = copy(&path, limit, &mut bytes);
        let mut hasher = ContentHasher::default();
        hasher.0.write(&bytes);
        let found = hasher.finish(copied.as_ref());
        (Self { path, limit, found }, copied.map(|()| bytes))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns `true` if reading the file would find the same as before.
    ///
    /// # Cost
    ///
    /// Reads the whole file, but does not hold it in memory.
    pub(crate) fn is_unchanged(&self) -> bool {
        let mut hasher = ContentHasher::default();
        let copied = copy(&self.path, self.limit, &mut hasher);
        hasher.finish(copied.as_ref()) == self.found
    }
}

/// Copies a regular file to `to`, up to the byte after `limit`.
#[expect(
    clippy::disallowed_methods,
    reason = "the only function that reads a policy's files"
)]
fn copy(path: &Path, limit: SizeLimit, to: &mut impl Write) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = fs::File::open(path)?.take(limit.bytes + 1);
    if io::copy(&mut content, to)? > limit.bytes {
        let SizeLimit { bytes, name } = limit;
        return Err(io::Error::other(format!(
            "larger than {bytes} bytes, {name}"
        )));
    }
    Ok(())
}

// === impl ContentHasher ===

impl ContentHasher {
    /// Returns the hash of the content and of the error of reading it.
    fn finish(mut self, copied: Result<&(), &io::Error>) -> u64 {
        if let Err(error) = copied {
            self.0.write(error.to_string().as_bytes());
        }
        self.0.write_u8(copied.is_ok().into());
        self.0.finish()
    }
}

impl Write for ContentHasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
