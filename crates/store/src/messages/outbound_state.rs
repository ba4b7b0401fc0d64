//! State of an outbound message, as far as a change of its status needs it.

use std::sync::LazyLock;

use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::messages::queue_depth;
use crate::row::{Cells, columns};

/// Columns of an outbound message that a change of its status needs.
pub(crate) struct OutboundState {
    pub(crate) workspace: WorkspaceId,
    pub(crate) message: MessageId,
    pub(crate) account: AccountId,
    pub(crate) contact: ContactId,
    pub(crate) kind: String,
    pub(crate) status: MessageStatus,
    pub(crate) wamid: Option<String>,
    /// Number of the recipient.
    pub(crate) wa_id: Option<String>,
    /// Business-scoped user ID of the recipient.
    pub(crate) user_id: Option<String>,
    pub(crate) client_reference: Option<String>,
    pub(crate) sent_as: String,
    pub(crate) pricing: Option<Pricing>,
    pub(crate) is_queued_mode: bool,
    /// `true` if the last attempt could not download a file of the message.
    pub(crate) is_media_failing: bool,
    pub(crate) lease_token: Option<i64>,
    /// `true` if the contact was erased: personal data is neither read nor written.
    pub(crate) is_erased: bool,
}

impl OutboundState {
    /// Updates the depth of the queue after a change of the status.
    pub(crate) fn moved_from(&self, connection: &Connection, before: MessageStatus) -> SqlResult<()> {
        queue_depth::update_depth(connection, self.account, self.is_queued_mode, Some(before), self.status)
    }
}

columns! {
    COLUMNS, read(workspace: WorkspaceId, message: MessageId) -> OutboundState {
        account: id "account_id",
        contact: id "contact_id",
        kind: get "kind",
        status: parsed "status",
        wamid: get "wamid",
        wa_id: get "wa_id",
        user_id: get "bsuid",
        client_reference: get "client_reference",
        sent_as: get "sent_as",
        pricing: opt_json "pricing",
        is_queued_mode: flag "mode = 'queue'",
        is_media_failing: flag "media_failing_since is not null",
        lease_token: get "lease_token",
        is_erased: flag "erased_at is not null
                         or exists (select 1 from erasures e where e.contact_id = messages.contact_id)",
    }
}

/// The statement is built once: it runs several times for each message.
static GET_STATE: LazyLock<String> = LazyLock::new(|| {
    format!("select {COLUMNS} from messages where workspace_id = ?1 and id = ?2 and direction = 'outbound'")
});

/// Returns the state of an outbound message.
pub(crate) fn get_state(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
) -> SqlResult<Option<OutboundState>> {
    let mut statement = connection.prepare_cached(&GET_STATE)?;
    let mut rows = statement.query((workspace.as_bytes(), message.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let current = read(&mut Cells::new("messages", row), workspace, message)?;
    Ok(Some(if current.is_erased { current.without_person() } else { current }))
}

impl OutboundState {
    /// Removes the personal data.
    pub(crate) fn without_person(self) -> Self {
        Self { wamid: None, wa_id: None, user_id: None, client_reference: None, ..self }
    }
}
