//! What may pass and finds no room with the reader.

use std::mem;

use hyper::rt::ReadBufCursor;

/// Bytes that wait for the service to read on. While there are any, no more is taken from the client.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// How many of them have gone.
    gone: usize,
}

/// Where to: the reader, as far as it has room, and the queue.
pub(super) struct Way<'w, 'b> {
    reader: Option<&'w mut ReadBufCursor<'b>>,
    queue: &'w mut Queue,
    used: bool,
}

// === impl Queue ===

impl Queue {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Gives the reader what it has room for.
    pub(super) fn pour(&mut self, reader: &mut ReadBufCursor<'_>) {
        let waiting = &self.bytes[self.gone..];
        let most = waiting.len().min(reader.remaining());
        reader.put_slice(&waiting[..most]);
        self.gone += most;
        if self.gone == self.bytes.len() {
            drop(mem::take(self));
        }
    }
}

// === impl Way ===

impl<'w, 'b> Way<'w, 'b> {
    pub(super) const fn new(
        reader: Option<&'w mut ReadBufCursor<'b>>,
        queue: &'w mut Queue,
    ) -> Self {
        let used = false;
        Self {
            reader,
            queue,
            used,
        }
    }

    /// Lets bytes pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        self.used |= !bytes.is_empty();
        if let Some(reader) = &mut self.reader
            && self.queue.is_empty()
        {
            let (now, later) = bytes.split_at(bytes.len().min(reader.remaining()));
            reader.put_slice(now);
            bytes = later;
        }
        self.queue.bytes.extend_from_slice(bytes);
    }

    /// Whether anything has passed.
    pub(super) const fn is_used(&self) -> bool {
        self.used
    }
}
