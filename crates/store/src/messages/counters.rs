//! The steps of messages that the writer's transaction makes, to be counted once it is on disk.
//!
//! They are noted where they are told, deep inside of a change, and the writer takes them after the commit: so the
//! counters tell what the disk holds, whatever path a change took. The list belongs to the writer's thread; notes that
//! another thread makes are nobody's.
//!
//! **Invariant:** what is rolled back is not counted.

use std::cell::RefCell;

use engine::metrics::Step;

thread_local! {
    static STEPS: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

/// Notes a step.
pub(crate) fn note(step: Step) {
    STEPS.with_borrow_mut(|steps| steps.push(step));
}

/// How many steps are noted: to come back to.
pub(crate) fn len() -> usize {
    STEPS.with_borrow(Vec::len)
}

/// Forgets the steps after the first `len`: they were rolled back.
pub(crate) fn back_to(len: usize) {
    STEPS.with_borrow_mut(|steps| steps.truncate(len));
}

/// Takes all steps.
pub(crate) fn take() -> Vec<Step> {
    STEPS.take()
}
