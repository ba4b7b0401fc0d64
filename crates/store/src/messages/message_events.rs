//! Events about messages.

use domain::events::{ContextData, EchoData, ErrorData, EventKind, IncomingData, OutboundData};
use domain::id::{ContactId, MediaId, MessageId};
use domain::messages::inbound::InboundMessage;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use domain::meta_error::MetaError;
use engine::metrics::MessageTransition as Counted;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::{SqlError, SqlResult};
use crate::events::log;
use crate::events::log::About;
use crate::messages::outbound_state::OutboundState;
use crate::row::{SelectRow as _, row};
use crate::scope::Scope;
use crate::sqlite::step_counts;

/// Change of a message's status that is published.
pub(crate) struct MessageStep<'a> {
    pub(crate) event_status: MessageStatus,
    /// Time of the change.
    pub(crate) at: Timestamp,
    pub(crate) wamid: Option<&'a str>,
    pub(crate) error: Option<&'a MetaError>,
    pub(crate) failure_code: Option<&'a str>,
    pub(crate) pricing: Option<&'a Pricing>,
    /// Content of a message echo, in its first event.
    pub(crate) echo: Option<EchoData<'a>>,
    /// Time at which the change was received.
    pub(crate) now: Timestamp,
}

impl MessageStep<'_> {
    /// Creates a change that Waypost made.
    pub(crate) fn ours(event_status: MessageStatus, now: Timestamp) -> Self {
        Self {
            event_status,
            at: now,
            wamid: None,
            error: None,
            failure_code: None,
            pricing: None,
            echo: None,
            now,
        }
    }
}

/// Emits the event of an outbound message's status.
pub(crate) fn emit_status(
    connection: &Connection,
    message: &OutboundState,
    step: &MessageStep<'_>,
) -> SqlResult<()> {
    step_counts::record(Counted::new(message.account, step.event_status, step.failure_code, step.error));
    emit_step(connection, message, step)
}

/// Emits `message.queued` with the reason for which a queued message is sent later.
pub(crate) fn emit_delayed(
    connection: &Connection,
    message: &OutboundState,
    error: &MetaError,
    now: Timestamp,
) -> SqlResult<()> {
    emit_step(
        connection,
        message,
        &MessageStep { error: Some(error), ..MessageStep::ours(MessageStatus::Queued, now) },
    )
}

fn emit_step(connection: &Connection, message: &OutboundState, step: &MessageStep<'_>) -> SqlResult<()> {
    let Some(kind) = EventKind::of_status(step.event_status) else { return Ok(()) };
    let id = message.message.to_string();
    let data = OutboundData {
        id: message.message,
        message_id: step.wamid.or(message.wamid.as_deref()).unwrap_or(&id),
        status: message.status,
        event_status: step.event_status,
        to: message.wa_id.as_deref(),
        recipient: message.user_id.as_deref(),
        kind: &message.kind,
        client_reference: message.client_reference.as_deref(),
        whatsapp_account_id: message.account,
        at: step.at,
        error: ErrorData::of(step.error, step.failure_code),
        pricing: step.pricing.or(message.pricing.as_ref()),
        sent_as: &message.sent_as,
        echo: step.echo,
    };
    let about = About::contact(
        Scope { workspace: message.workspace, account: message.account },
        message.contact,
        step.now,
    );
    log::emit(connection, &about, kind, &data)?;
    Ok(())
}

/// Inbound message with its identifiers.
pub(crate) struct IncomingMessage<'a> {
    pub(crate) id: MessageId,
    /// File of the message, if it has one.
    pub(crate) media: Option<MediaId>,
    pub(crate) message: &'a InboundMessage,
}

row! {
    /// Names of the sender of an inbound message.
    struct SenderRow {
        name: Option<String> = get "coalesce(name, profile_name)",
        username: Option<String> = get "username",
    } from "contacts where workspace_id = ?1 and id = ?2"
}

/// Emits the event of an inbound message.
pub(crate) fn emit_incoming(
    connection: &Connection,
    scope: Scope,
    contact: ContactId,
    incoming: &IncomingMessage<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let Scope { workspace, account } = scope;
    let IncomingMessage { id, media, message } = *incoming;
    step_counts::record(Counted::new(account, MessageStatus::Received, None, None));
    let sender = SenderRow::find(connection, (workspace.as_bytes(), contact.as_bytes()))?
        .ok_or(SqlError::Bug("the contact of a message does not exist"))?;
    let data = IncomingData {
        id,
        message_id: &message.wamid,
        from: message.from.wa_id.as_deref(),
        user_id: message.from.user_id.as_deref(),
        username: sender.username.as_deref(),
        contact_id: contact,
        contact_name: sender.name.as_deref(),
        kind: &message.kind,
        text: message.text.as_deref(),
        whatsapp_account_id: account,
        at: message.at,
        context: ContextData::of(message.context_wamid.as_deref(), &message.metadata),
        object: message.object.as_ref(),
        media_id: media,
        metadata: &message.metadata,
    };
    let about = About::contact(Scope { workspace, account }, contact, now);
    log::emit(connection, &about, EventKind::MessageIncoming, &data)?;
    Ok(())
}
