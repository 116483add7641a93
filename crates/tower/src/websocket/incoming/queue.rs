//! Approved bytes waiting for reader buffer space.

use std::mem;

use hyper::rt::ReadBufCursor;

/// Approved bytes that wait for the service to read. While there are any, nothing is read from the
/// client.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// The number of these bytes that were handed out.
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
        self.bytes.is_empty()
    }

    /// Moves bytes to the reader's buffer, as many as it has room for.
    pub(super) fn write_to(&mut self, reader: &mut ReadBufCursor<'_>) {
        let waiting = &self.bytes[self.written..];
        let max_len = waiting.len().min(reader.remaining());
        reader.put_slice(&waiting[..max_len]);
        self.written += max_len;
        if self.written == self.bytes.len() {
            drop(mem::take(self));
        }
    }
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
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        self.is_used |= !bytes.is_empty();
        if let Some(reader) = &mut self.reader
            && self.queue.is_empty()
        {
            let (now, rest) = bytes.split_at(bytes.len().min(reader.remaining()));
            reader.put_slice(now);
            bytes = rest;
        }
        self.queue.bytes.extend_from_slice(bytes);
    }

    /// Returns `true` if any bytes have passed.
    pub(super) const fn is_used(&self) -> bool {
        self.is_used
    }
}
