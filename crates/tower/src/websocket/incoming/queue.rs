//! Approved bytes waiting for reader buffer space.

use std::mem;

use gabion_frames::BudgetedBuffer;
use hyper::rt::ReadBufCursor;

/// Approved bytes that wait for the service to read. While there are any, nothing is read from the
/// client.
#[derive(Default)]
pub(super) struct Queue {
    /// A message that was held, before the other bytes.
    held: Option<BudgetedBuffer>,
    /// At most the size of a read.
    bytes: Vec<u8>,
    /// The number of the first bytes that were handed out.
    written: usize,
}

/// The destination of approved bytes: the reader's buffer while it has room, then the queue.
pub(super) struct Output<'w, 'b> {
    reader: Option<&'w mut ReadBufCursor<'b>>,
    queue: &'w mut Queue,
    is_used: bool,
}

// === impl Queue ===

impl Queue {
    pub(super) const fn is_empty(&self) -> bool {
        self.held.is_none() && self.bytes.is_empty()
    }

    /// Moves bytes to the reader's buffer, as many as it has room for.
    pub(super) fn write_to(&mut self, reader: &mut ReadBufCursor<'_>) {
        if let Some(held) = &self.held {
            if !write_rest(held.as_slice(), &mut self.written, reader) {
                return;
            }
            (self.held, self.written) = (None, 0);
        }
        if write_rest(&self.bytes, &mut self.written, reader) {
            drop(mem::take(self));
        }
    }
}

/// Writes `bytes` without the first `written` of them. Returns `true` if all were written.
fn write_rest(bytes: &[u8], written: &mut usize, reader: &mut ReadBufCursor<'_>) -> bool {
    let waiting = &bytes[*written..];
    let max_len = waiting.len().min(reader.remaining());
    reader.put_slice(&waiting[..max_len]);
    *written += max_len;
    *written == bytes.len()
}

// === impl Output ===

impl<'w, 'b> Output<'w, 'b> {
    pub(super) const fn new(
        reader: Option<&'w mut ReadBufCursor<'b>>,
        queue: &'w mut Queue,
    ) -> Self {
        let is_used = false;
        Self {
            reader,
            queue,
            is_used,
        }
    }

    /// Passes approved bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let written = self.write(bytes);
        self.queue.bytes.extend_from_slice(&bytes[written..]);
    }

    /// Passes a message that was held. As far as it has to wait further, it stays in its buffer, or
    /// is copied if it is not the first of a read.
    pub(super) fn pass_held(&mut self, held: BudgetedBuffer) {
        if !self.queue.is_empty() {
            return self.pass(held.as_slice());
        }
        let written = self.write(held.as_slice());
        if written < held.len() {
            self.queue.held = Some(held);
            self.queue.written = written;
        }
    }

    /// Writes bytes to the reader's buffer, if none wait, and returns their number.
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.is_used |= !bytes.is_empty();
        let is_first = self.queue.is_empty();
        let Some(reader) = self.reader.as_mut().filter(|_| is_first) else {
            return 0;
        };
        let max_len = bytes.len().min(reader.remaining());
        reader.put_slice(&bytes[..max_len]);
        max_len
    }

    /// Returns `true` if any bytes have passed.
    pub(super) const fn is_used(&self) -> bool {
        self.is_used
    }
}
