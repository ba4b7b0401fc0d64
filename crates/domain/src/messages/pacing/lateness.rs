//! Lateness of sends.

use jiff::SignedDuration;

/// Maximum lateness of a message after its slot at which no limit is broken.
///
/// A wake-up, a commit and a task switch delay a message after its slot. The planned spans are longer than Meta's by
/// this margin, because a late message comes closer to the next ones.
pub const LATENESS_MARGIN: SignedDuration = SignedDuration::from_millis(25);
