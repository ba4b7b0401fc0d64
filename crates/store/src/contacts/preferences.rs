//! Marketing preferences that Meta reports.

use domain::contacts::opt_out::{OptOutReason, OptOutSignal};
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::webhooks_in::update::MarketingPreference;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::{number_changes, opt_out, resolve};
use crate::error::SqlResult;

/// Applies a marketing preference that Meta reports.
pub(crate) fn apply_preference(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    new_id: ContactId,
    preference: &MarketingPreference,
    now: Timestamp,
) -> SqlResult<()> {
    let person = number_changes::current_identifiers(connection, workspace, &preference.from, preference.at)?;
    let contact = resolve::resolve_contact(connection, (workspace, account), new_id, &person, now)?;
    let signal = if preference.takes_marketing { OptOutSignal::Start } else { OptOutSignal::Stop };
    let change = (signal, preference.at, OptOutReason::Meta);
    opt_out::apply_signal(connection, (workspace, Some(account)), contact, change, now)
}
