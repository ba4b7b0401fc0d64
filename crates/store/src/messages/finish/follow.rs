//! What an error of Meta's says beyond the message that it is about.

use domain::contacts::opt_out::OptOutReason;
use domain::messages::window::OPEN_FOR;
use domain::meta_error::{MetaError, MetaErrorClass};
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
        MetaErrorClass::WindowClosed => {
            resolve::close_window(connection, workspace, current.account, contact, at)
        }
        MetaErrorClass::Suppress => {
            let said = (at, OptOutReason::Meta);
            opt_out::stop_marketing(connection, (workspace, Some(current.account)), contact, said, now)
        }
        MetaErrorClass::Rest => {
            let until = at.saturating_add(OPEN_FOR).unwrap_or(Timestamp::MAX);
            opt_out::rest(connection, workspace, contact, until)
        }
        MetaErrorClass::Retry
        | MetaErrorClass::SlowNumber
        | MetaErrorClass::SlowPair
        | MetaErrorClass::HoldAccount
        | MetaErrorClass::PauseTemplate
        | MetaErrorClass::Permanent => Ok(()),
    }
}
