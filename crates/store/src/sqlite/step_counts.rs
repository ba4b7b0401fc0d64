//! Status changes of the current transaction, counted in the metrics after the commit.
//!
//! The functions that write a status record it here; the writer thread takes the records after the commit. The list
//! belongs to the writer thread.
//!
//! **Invariant:** a change that is rolled back is not counted.

use std::cell::RefCell;

use engine::metrics::MessageTransition;

thread_local! {
    static STEPS: RefCell<Vec<MessageTransition>> = const { RefCell::new(Vec::new()) };
}

/// Records a status change.
pub(crate) fn record(step: MessageTransition) {
    STEPS.with_borrow_mut(|steps| steps.push(step));
}

/// Returns the number of recorded changes, for a later `truncate`.
pub(crate) fn n_recorded() -> usize {
    STEPS.with_borrow(Vec::len)
}

/// Deletes the changes after the first `len`: they were rolled back.
pub(crate) fn truncate(len: usize) {
    STEPS.with_borrow_mut(|steps| steps.truncate(len));
}

/// Takes all recorded changes.
pub(crate) fn take() -> Vec<MessageTransition> {
    STEPS.take()
}
