//! Effects of an error from Meta on contact and window.

use domain::contacts::opt_out::OptOutReason;
use domain::messages::window::OPEN_FOR;
use domain::meta_error::{MetaError, MetaErrorClass};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::{opt_out, service_windows};
use crate::error::SqlResult;
use crate::messages::outbound_state::OutboundState;

/// Does what an error of Meta's asks for beyond the message itself.
pub(crate) fn apply_error_effects(
    connection: &Connection,
    current: &OutboundState,
    error: &MetaError,
    (at, now): (Timestamp, Timestamp),
) -> SqlResult<()> {
    let (workspace, contact) = (current.workspace, current.contact);
    match error.class() {
        MetaErrorClass::WindowClosed => {
            service_windows::close_window(connection, workspace, current.account, contact, at)
        }
        MetaErrorClass::Suppress => {
            let said = (at, OptOutReason::Meta);
            opt_out::opt_out(connection, (workspace, Some(current.account)), contact, said, now)
        }
        MetaErrorClass::Rest => {
            let until = at.saturating_add(OPEN_FOR).unwrap_or(Timestamp::MAX);
            opt_out::limit_marketing(connection, workspace, contact, until)
        }
        MetaErrorClass::Retry
        | MetaErrorClass::SlowNumber
        | MetaErrorClass::SlowPair
        | MetaErrorClass::HoldAccount
        | MetaErrorClass::PauseTemplate
        | MetaErrorClass::Permanent => Ok(()),
    }
}
