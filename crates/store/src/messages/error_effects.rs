//! Effects of an error from Meta on contact and window.

use domain::contacts::opt_out::{OptOutReason, OptOutSignal};
use domain::messages::window::WINDOW_DURATION;
use domain::meta_error::{MetaError, MetaErrorClass};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::opt_out::OptOutUpdate;
use crate::contacts::{opt_out, service_windows};
use crate::error::SqlResult;
use crate::messages::outbound_state::OutboundState;
use crate::scope::Scope;

/// Applies the effects of an error from Meta that go beyond the message.
pub(crate) fn apply_error_effects(
    connection: &Connection,
    current: &OutboundState,
    error: &MetaError,
    at: Timestamp,
    now: Timestamp,
) -> SqlResult<()> {
    let (workspace, contact) = (current.workspace, current.contact);
    let scope = Scope { workspace, account: current.account };
    match error.class() {
        MetaErrorClass::WindowClosed => service_windows::close_window(connection, scope, contact, at),
        MetaErrorClass::OptOut => {
            let (signal, reason) = (OptOutSignal::Stop, OptOutReason::Meta);
            opt_out::apply_signal(connection, &OptOutUpdate { scope, contact, signal, at, reason }, now)
        }
        MetaErrorClass::LimitMarketing => {
            let until = at.saturating_add(WINDOW_DURATION).unwrap_or(Timestamp::MAX);
            opt_out::limit_marketing(connection, workspace, contact, until)
        }
        MetaErrorClass::Retry
        | MetaErrorClass::RetryLater
        | MetaErrorClass::ThrottleNumber
        | MetaErrorClass::ThrottlePair
        | MetaErrorClass::ThrottleSpam
        | MetaErrorClass::SuspendAccount
        | MetaErrorClass::PauseTemplate
        | MetaErrorClass::Permanent => Ok(()),
    }
}
