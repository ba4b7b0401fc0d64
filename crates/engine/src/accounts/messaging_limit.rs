//! Usage of Meta's messaging limits.

use std::collections::BTreeMap;

use domain::id::WorkspaceId;
use domain::messages::messaging_limit::COUNTING_PERIOD;
use jiff::Timestamp;

use crate::Deps;
use crate::ports::StoreError;

/// Returns the number of recipients of templates outside the customer service window in the last 24 hours, by Meta's id
/// of the WhatsApp Business Account.
///
/// # Errors
/// The store cannot be read.
pub async fn messaging_limit_usage(
    deps: &Deps,
    workspace: WorkspaceId,
) -> Result<BTreeMap<String, u32>, StoreError> {
    let since = deps.now().saturating_sub(COUNTING_PERIOD).unwrap_or(Timestamp::MIN);
    deps.message_queue.get_messaging_limit_usage(workspace, since).await
}
