//! Effects of an error from Meta on contact and window.

use domain::contacts::opt_out::OptOutReason;
use domain::messages::window::WINDOW_DURATION;
use domain::meta_error::{MetaError, MetaErrorClass};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::{opt_out, service_windows};
use crate::error::SqlResult;
use crate::messages::outbound_state::OutboundState;

/// Applies the effects of an error from Meta that go beyond the message.
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
        MetaErrorClass::OptOut => {
            let said = (at, OptOutReason::Meta);
            opt_out::opt_out(connection, (workspace, Some(current.account)), contact, said, now)
        }
        MetaErrorClass::LimitMarketing => {
            let until = at.saturating_add(WINDOW_DURATION).unwrap_or(Timestamp::MAX);
            opt_out::limit_marketing(connection, workspace, contact, until)
        }
        MetaErrorClass::Retry
        | MetaErrorClass::ThrottleNumber
        | MetaErrorClass::ThrottlePair
        | MetaErrorClass::SuspendAccount
        | MetaErrorClass::PauseTemplate
        | MetaErrorClass::Permanent => Ok(()),
    }
}
