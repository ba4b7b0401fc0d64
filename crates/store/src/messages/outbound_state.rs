//! State of an outbound message, as far as a change of its status needs it.

use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::messages::queue_depth;
use crate::row::Cells;

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
    pub(crate) is_of_queue: bool,
    pub(crate) claim_token: Option<i64>,
    /// `true` if the contact was erased: personal data is neither read nor written.
    pub(crate) is_erased: bool,
}

impl OutboundState {
    /// Updates the depth of the queue after a change of the status.
    pub(crate) fn moved_from(&self, connection: &Connection, before: MessageStatus) -> SqlResult<()> {
        queue_depth::update_depth(connection, self.account, self.is_of_queue, (Some(before), self.status))
    }
}

pub(crate) fn get_state(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
) -> SqlResult<Option<OutboundState>> {
    let mut statement = connection.prepare_cached(
        "select account_id, contact_id, kind, status, wamid, wa_id, bsuid, client_reference, sent_as, pricing,
                mode = 'queue', lease_token,
                erased_at is not null or exists (select 1 from erasures e where e.contact_id = messages.contact_id)
         from messages where workspace_id = ?1 and id = ?2 and direction = 'outbound'",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), message.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("messages", row);
    let current = OutboundState {
        workspace,
        message,
        account: cells.id()?,
        contact: cells.id()?,
        kind: cells.get()?,
        status: cells.word()?,
        wamid: cells.get()?,
        wa_id: cells.get()?,
        user_id: cells.get()?,
        client_reference: cells.get()?,
        sent_as: cells.get()?,
        pricing: cells.opt_json()?,
        is_of_queue: cells.flag()?,
        claim_token: cells.get()?,
        is_erased: cells.flag()?,
    };
    Ok(Some(if current.is_erased { current.without_person() } else { current }))
}

impl OutboundState {
    /// Removes the personal data.
    pub(crate) fn without_person(self) -> Self {
        Self { wamid: None, wa_id: None, user_id: None, client_reference: None, ..self }
    }
}
