//! Buffers whose memory counts toward a budget.

use std::{
    error, fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The memory of all [`BudgetedBuffer`]s that share it: an atomic counter, without a lock.
#[derive(Debug, Default)]
pub struct BufferBudget {
    used: AtomicU64,
}

/// A growing buffer of bytes. Its capacity counts toward a [`BufferBudget`] until it is dropped; that
/// of a default buffer counts toward none.
///
/// # Cost
///
/// One atomic operation when it allocates and one when it frees.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use gabion_frames::{BudgetedBuffer, BufferBudget};
///
/// let budget = Arc::new(BufferBudget::default());
/// let mut first = BudgetedBuffer::new(budget.clone(), 10_000);
/// assert!(first.extend_from_slice(&[0; 8_000]).is_ok());
/// assert_eq!(budget.used(), 8_000);
///
/// let mut second = BudgetedBuffer::new(budget.clone(), 10_000);
/// assert!(second.extend_from_slice(&[0; 5_000]).is_err());
/// assert!(second.extend_from_slice(&[0; 100]).is_ok(), "small buffers are never refused");
/// drop((first, second));
/// assert_eq!(budget.used(), 0);
/// ```
#[derive(Debug, Default)]
pub struct BudgetedBuffer {
    bytes: Vec<u8>,
    /// `None` for an unlimited buffer.
    budget: Option<Arc<BufferBudget>>,
    /// The limit for all buffers of the budget together.
    limit: u64,
    /// Invariant: the part of the budget that this buffer uses, at least its capacity.
    charged: u64,
}

/// The error for a buffer that would exceed the limit of its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct BudgetExhausted {
    /// The limit, in bytes.
    pub limit: u64,
}

// === impl BufferBudget ===

impl BufferBudget {
    /// The number of bytes that all buffers use now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// A budget is equal to itself only.
impl PartialEq for BufferBudget {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for BufferBudget {}

// === impl BudgetedBuffer ===

impl BudgetedBuffer {
    /// The capacity up to which a buffer is never refused, so that a client that exhausts the
    /// budget cannot stop the small messages of others.
    pub const NEVER_REFUSED: u64 = 4 << 10;

    /// Creates an empty buffer, which allocates nothing. It grows while all buffers of `budget`
    /// together use at most `limit` bytes.
    pub const fn new(budget: Arc<BufferBudget>, limit: u64) -> Self {
        Self {
            bytes: Vec::new(),
            budget: Some(budget),
            limit,
            charged: 0,
        }
    }

    /// The bytes in the buffer.
    pub const fn as_slice(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// The bytes in the buffer, to change them in place.
    pub const fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.as_mut_slice()
    }

    /// The number of bytes in the buffer.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns `true` if the buffer holds no bytes.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds `bytes` at the end.
    ///
    /// # Errors
    ///
    /// Fails if the buffer would have to grow beyond the limit. It is unchanged then.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), BudgetExhausted> {
        let needed = self.bytes.len().saturating_add(bytes.len());
        let capacity = self.bytes.capacity();
        if needed > capacity {
            // Twice the capacity, so that the cost of copying is linear; or what is needed, if
            // there is no room for more.
            let twice = needed.max(capacity.saturating_mul(2));
            let granted = self.charge(twice).map(|()| twice);
            let granted = granted.or_else(|_| self.charge(needed).map(|()| needed))?;
            self.bytes.reserve_exact(granted - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Replaces the content by `bytes`, without a copy.
    ///
    /// # Errors
    ///
    /// Fails if `bytes` exceed the limit. The buffer is empty then.
    pub fn replace(&mut self, bytes: Vec<u8>) -> Result<(), BudgetExhausted> {
        self.clear();
        self.charge(bytes.capacity())?;
        self.bytes = bytes;
        Ok(())
    }

    /// Frees the memory.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        if let Some(budget) = &self.budget {
            budget.used.fetch_sub(self.charged, Ordering::Relaxed);
            self.charged = 0;
        }
    }

    /// Moves the content to a new buffer.
    pub fn take(&mut self) -> Self {
        let empty = Self {
            bytes: Vec::new(),
            budget: self.budget.clone(),
            limit: self.limit,
            charged: 0,
        };
        std::mem::replace(self, empty)
    }

    /// Charges the budget for a larger capacity.
    fn charge(&mut self, capacity: usize) -> Result<(), BudgetExhausted> {
        let Some(BufferBudget { used }) = self.budget.as_deref() else {
            return Ok(());
        };
        let capacity = capacity as u64;
        let more = capacity.saturating_sub(self.charged);
        if capacity <= Self::NEVER_REFUSED {
            used.fetch_add(more, Ordering::Relaxed);
        } else {
            let within = |used: u64| used.checked_add(more).filter(|used| *used <= self.limit);
            let added = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within);
            let limit = self.limit;
            added.map_err(|_| BudgetExhausted { limit })?;
        }
        self.charged = capacity;
        Ok(())
    }
}

impl Drop for BudgetedBuffer {
    fn drop(&mut self) {
        self.clear();
    }
}

// === impl BudgetExhausted ===

impl fmt::Display for BudgetExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        write!(f, "incomplete messages use the limit of {limit} bytes")
    }
}

impl error::Error for BudgetExhausted {}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const LIMIT: u64 = 40_000;
    const BUFFERS: usize = 4;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Extend(usize),
        Replace(usize),
        Clear,
        Take,
        Drop,
    }

    fn step() -> impl Strategy<Value = (usize, Step)> {
        let len = prop_oneof![0..200_usize, 0..20_000_usize];
        let step = prop_oneof![
            4 => len.clone().prop_map(Step::Extend),
            1 => len.prop_map(Step::Replace),
            1 => Just(Step::Clear),
            1 => Just(Step::Take),
            1 => Just(Step::Drop),
        ];
        (0..BUFFERS, step)
    }

    proptest! {
        #[test]
        fn budget_is_the_sum_of_all_capacities(steps in vec(step(), 0..60)) {
            let budget = Arc::new(BufferBudget::default());
            let new = || BudgetedBuffer::new(Arc::clone(&budget), LIMIT);
            let mut buffers: Vec<_> = (0..BUFFERS).map(|_| new()).collect();
            for (index, step) in steps {
                let before = budget.used();
                let buffer = &mut buffers[index];
                let len = buffer.len();
                match step {
                    Step::Extend(more) => {
                        let extended = buffer.extend_from_slice(&vec![7; more]);
                        prop_assert_eq!(buffer.len(), len + if extended.is_ok() { more } else { 0 });
                        let needed = (len + more) as u64;
                        let is_refusable = needed > BudgetedBuffer::NEVER_REFUSED;
                        prop_assert!(extended.is_ok() || is_refusable && before + needed > LIMIT);
                    }
                    Step::Replace(len) => {
                        let replaced = buffer.replace(vec![7; len]);
                        prop_assert_eq!(buffer.len(), if replaced.is_ok() { len } else { 0 });
                    }
                    Step::Clear => buffer.clear(),
                    Step::Take => {
                        let taken = buffer.take();
                        prop_assert_eq!((buffer.len(), taken.len()), (0, len));
                        *buffer = taken;
                    }
                    Step::Drop => *buffer = new(),
                }
                let capacities = buffers.iter().map(|buffer| buffer.bytes.capacity() as u64);
                prop_assert_eq!(budget.used(), capacities.sum::<u64>());
                let small = BUFFERS as u64 * BudgetedBuffer::NEVER_REFUSED;
                prop_assert!(budget.used() <= LIMIT + small);
            }
            drop(buffers);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
