//! Effects of an error from Meta on contact and window.

use domain::contacts::opt_out::OptOutReason;
use domain::messages::window::OPEN_FOR;
use domain::meta_error::{Class, MetaError};
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
        Class::WindowClosed => {
            service_windows::close_window(connection, workspace, current.account, contact, at)
        }
        Class::Suppress => {
            let said = (at, OptOutReason::Meta);
            opt_out::opt_out(connection, (workspace, Some(current.account)), contact, said, now)
        }
        Class::Rest => {
            let until = at.saturating_add(OPEN_FOR).unwrap_or(Timestamp::MAX);
            opt_out::limit_marketing(connection, workspace, contact, until)
        }
        Class::Retry
        | Class::SlowNumber
        | Class::SlowPair
        | Class::HoldAccount
        | Class::PauseTemplate
        | Class::Permanent => Ok(()),
    }
}
