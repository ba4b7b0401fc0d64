//! Lateness of sends.

use jiff::SignedDuration;

/// How late a message may leave after its slot without breaking a limit.
///
/// Between a slot and the first byte on the wire lie a wake-up, a commit and a task switch. Plans are wider by this
/// much than what Meta allows, because a message that leaves late gets closer to those that leave on time after it.
pub const LATENESS_MARGIN: SignedDuration = SignedDuration::from_millis(25);
