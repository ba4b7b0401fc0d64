//! Message echoes: messages that the business sent with the WhatsApp Business app.
//!
//! An echo opens no window. Its statuses are found by its wamid.

use domain::events::EchoData;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use domain::webhooks_in::update::MessageEcho;
use engine::ports::{IngestSummary, MediaState, RoutedChange};

use crate::contacts::{number_changes, resolve};
use crate::error::SqlResult;
use crate::messages::statuses::ChangeOutcome;
use crate::messages::timeline::TimelineRow;
use crate::messages::{outbound_state, statuses, timeline, wamids};
use crate::scope::Scope;
use crate::webhooks_in::message_rows;
use crate::webhooks_in::message_rows::ReportedMessage;
use crate::webhooks_in::webhook_archive::PayloadArchive;

pub(crate) fn insert_echo(
    archive: &mut PayloadArchive<'_>,
    change: &RoutedChange,
    scope: Scope,
    echo: &MessageEcho,
    summary: &mut IngestSummary,
) -> SqlResult<ChangeOutcome> {
    let workspace = scope.workspace;
    let (connection, now) = (archive.connection, archive.payload.now);
    if wamids::is_erased_wamid(connection, workspace, &echo.wamid)? {
        return Ok(ChangeOutcome::Erased);
    }
    let id = change.ids.message;
    if !message_rows::insert_wamid(connection, scope, change, &echo.wamid)? {
        return Ok(ChangeOutcome::Repeated);
    }
    let to = number_changes::current_identifiers(connection, workspace, &echo.to, echo.at)?;
    let contact = resolve::resolve_contact(connection, scope, change.ids.contact, &to, now)?;
    let row = ReportedMessage {
        scope,
        contact,
        direction: Direction::Outbound,
        status: MessageStatus::Sent,
        kind: &echo.kind,
        wamid: &echo.wamid,
        user: &echo.to,
        context_wamid: echo.context_wamid.as_deref(),
        object: echo.object.as_ref(),
        at: echo.at,
    };
    let file = message_rows::insert_message(archive, change, &row)?;
    summary.has_media |= file == Some(MediaState::Pending);
    if let Some(current) = outbound_state::get_state(connection, workspace, id)? {
        let content = EchoData {
            kind: &echo.kind,
            text: echo.text.as_deref(),
            context_wamid: echo.context_wamid.as_deref(),
            object: echo.object.as_ref(),
            media_id: file.map(|_| change.ids.media),
        };
        let entry = TimelineRow {
            // No content of a contact that is being erased.
            echo: (!current.is_erased).then_some(content),
            ..TimelineRow::ours(MessageStatus::Sent, now).at(echo.at.min(now))
        };
        timeline::insert_entry(connection, &current, &entry)?;
        statuses::apply_pending(connection, &current, &echo.wamid)?;
    }
    Ok(ChangeOutcome::Applied)
}
