//! Marketing preferences that Meta reports.

use domain::contacts::opt_out::{OptOutReason, OptOutSignal};
use domain::id::ContactId;
use domain::webhooks_in::update::MarketingPreference;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::opt_out::OptOutUpdate;
use crate::contacts::{number_changes, opt_out, resolve};
use crate::error::SqlResult;
use crate::scope::Scope;

/// Applies a marketing preference that Meta reports.
pub(crate) fn apply_preference(
    connection: &Connection,
    scope: Scope,
    new_id: ContactId,
    preference: &MarketingPreference,
    now: Timestamp,
) -> SqlResult<()> {
    let Scope { workspace, .. } = scope;
    let user = number_changes::current_identifiers(connection, workspace, &preference.from, preference.at)?;
    let contact = resolve::resolve_contact(connection, scope, new_id, &user, now)?;
    let signal = if preference.takes_marketing { OptOutSignal::Start } else { OptOutSignal::Stop };
    let update = OptOutUpdate { scope, contact, signal, at: preference.at, reason: OptOutReason::Meta };
    opt_out::apply_signal(connection, &update, now)
}
