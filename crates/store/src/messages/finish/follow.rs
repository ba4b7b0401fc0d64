//! What an error of Meta's says beyond the message that it is about.

use domain::contacts::opt_out::OptOutReason;
use domain::messages::window::OPEN_FOR;
use domain::meta_error::{Class, MetaError};
use jiff::Timestamp;
use rusqlite::Connection;

use super::Current;
use crate::contacts::{opt_out, resolve};
use crate::error::SqlResult;

/// Does what an error of Meta's asks for beyond the message itself.
pub(crate) fn follow(
    connection: &Connection,
    current: &Current,
    error: &MetaError,
    (at, now): (Timestamp, Timestamp),
) -> SqlResult<()> {
    let (workspace, contact) = (current.workspace, current.contact);
    match error.class() {
        Class::WindowClosed => resolve::close_window(connection, workspace, current.account, contact, at),
        Class::Suppress => {
            let said = (at, OptOutReason::Meta);
            opt_out::stop_marketing(connection, (workspace, Some(current.account)), contact, said, now)
        }
        Class::Rest => {
            let until = at.saturating_add(OPEN_FOR).unwrap_or(Timestamp::MAX);
            opt_out::rest(connection, workspace, contact, until)
        }
        Class::Retry
        | Class::SlowNumber
        | Class::SlowPair
        | Class::HoldAccount
        | Class::PauseTemplate
        | Class::Permanent => Ok(()),
    }
}
