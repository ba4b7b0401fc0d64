//! What an error of Meta's says beyond the message that it is about.

use domain::contacts::opt_out::OptOutReason;
use domain::messages::window::OPEN_FOR;
use domain::meta_error::{Class, MetaError};
use jiff::Timestamp;
use rusqlite::Connection;

use super::Current;
use crate::error::SqlResult;
use crate::sqlite::{contacts, marketing};

/// Does what an error of Meta's asks for beyond the message itself.
pub(super) fn follow(
    connection: &Connection,
    current: &Current,
    error: &MetaError,
    (at, now): (Timestamp, Timestamp),
) -> SqlResult<()> {
    let (workspace, contact) = (current.workspace, current.contact);
    match error.class() {
        Class::WindowClosed => contacts::close_window(connection, workspace, current.account, contact, at),
        Class::Suppress => {
            let said = (at, OptOutReason::Meta);
            marketing::stop_marketing(connection, (workspace, Some(current.account)), contact, said, now)
        }
        Class::Rest => {
            let until = at.saturating_add(OPEN_FOR).unwrap_or(Timestamp::MAX);
            marketing::rest(connection, workspace, contact, until)
        }
        Class::Retry
        | Class::SlowNumber
        | Class::SlowPair
        | Class::HoldAccount
        | Class::PauseTemplate
        | Class::Permanent => Ok(()),
    }
}
