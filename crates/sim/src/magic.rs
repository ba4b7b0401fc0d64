//! Magic recipients: numbers under `+1 555 010` whose last four digits choose what happens.
//!
//! **Invariant:** a number outside `+1 555 010`, and one inside whose digits are not listed, behaves as `0001`.

use crate::journal::Status;

/// The numbers that are magic, and exempt from the US marketing rule.
pub(crate) const PREFIX: &str = "1555010";

/// Effect of a magic recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magic {
    /// Accepted; statuses up to this one.
    UpTo(Status),
    /// Accepted, then failed with this code.
    Fails(i64),
    /// Always refused: 131056.
    PairLimit,
    /// Refused with this code twice, then accepted.
    RefusedTwice(i64),
    /// Refused: the token has expired (190).
    TokenExpired,
    /// Accepted; the connection is cut before the answer.
    CutAfter,
    /// Read and thrown away; the connection is cut.
    Lost,
    /// Accepted; the answer takes eight seconds.
    Slow,
}

/// The magic of a person's key.
pub(crate) fn of(person: &str) -> Magic {
    let last = person.strip_prefix(PREFIX).filter(|rest| rest.len() == 4).unwrap_or_default();
    match last {
        "0002" => Magic::UpTo(Status::Delivered),
        "0003" => Magic::UpTo(Status::Sent),
        "1026" => Magic::Fails(131_026),
        "1047" => Magic::Fails(131_047),
        "1049" => Magic::Fails(131_049),
        "1053" => Magic::Fails(131_053),
        "1056" => Magic::PairLimit,
        "0429" => Magic::RefusedTwice(130_429),
        "0500" => Magic::RefusedTwice(131_000),
        "0190" => Magic::TokenExpired,
        "0504" => Magic::CutAfter,
        "0505" => Magic::Lost,
        "0008" => Magic::Slow,
        _ => Magic::UpTo(Status::Read),
    }
}
