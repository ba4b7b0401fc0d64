//! What is told of messages, people, templates and accounts: the rows behind an event, read and put into its data.

use domain::events::{
    AccountChange, AccountData, ContactData, ContextData, ErrorData, EventKind, IncomingData,
    MessagingLimitData, OutboundData,
};
use domain::id::{AccountId, ContactId, MediaId, MessageId, WorkspaceId};
use domain::json::{Object, Value};
use domain::messages::message::{MessageStatus, Pricing};
use domain::meta_error::MetaError;
use domain::webhooks_in::update::InboundMessage;
use engine::metrics::Step as Counted;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::events::log::{About, emit};
use crate::messages::counters;
use crate::messages::finish::Current;
use crate::row::Cells;

/// A step of a message that is told.
pub(crate) struct Step<'a> {
    pub(crate) reported: MessageStatus,
    /// When it happened.
    pub(crate) at: Timestamp,
    pub(crate) wamid: Option<&'a str>,
    pub(crate) error: Option<&'a MetaError>,
    pub(crate) failure_code: Option<&'a str>,
    pub(crate) pricing: Option<&'a Pricing>,
    /// When we heard of it.
    pub(crate) now: Timestamp,
}

impl Step<'_> {
    /// Something that we did ourselves.
    pub(crate) fn ours(reported: MessageStatus, now: Timestamp) -> Self {
        Self { reported, at: now, wamid: None, error: None, failure_code: None, pricing: None, now }
    }
}

/// Tells a step of a message that we send.
pub(crate) fn step(connection: &Connection, message: &Current, step: &Step<'_>) -> SqlResult<()> {
    counters::note(Counted::new(message.account, step.reported, step.failure_code, step.error));
    let Some(kind) = EventKind::of_status(step.reported) else { return Ok(()) };
    let id = message.message.to_string();
    let data = OutboundData {
        id: message.message,
        message_id: step.wamid.or(message.wamid.as_deref()).unwrap_or(&id),
        status: message.status,
        reported: step.reported,
        to: message.wa_id.as_deref(),
        recipient: message.user_id.as_deref(),
        kind: &message.kind,
        client_reference: message.client_reference.as_deref(),
        whatsapp_account_id: message.account,
        at: step.at,
        error: ErrorData::of(step.error, step.failure_code),
        pricing: step.pricing.or(message.pricing.as_ref()),
        sent_as: &message.sent_as,
    };
    let about = About::person((message.workspace, Some(message.account)), message.contact, step.now);
    emit(connection, &about, kind, &data)?;
    Ok(())
}

/// Tells what a customer wrote.
pub(crate) fn incoming(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    (id, media, message): (MessageId, Option<MediaId>, &InboundMessage),
    now: Timestamp,
) -> SqlResult<()> {
    counters::note(Counted::new(account, MessageStatus::Received, None, None));
    let name: Option<String> = connection
        .prepare_cached(
            "select coalesce(name, profile_name) from contacts where workspace_id = ?1 and id = ?2",
        )?
        .query_row((workspace.as_bytes(), contact.as_bytes()), |row| row.get(0))?;
    let data = IncomingData {
        id,
        message_id: &message.wamid,
        from: message.from.wa_id.as_deref(),
        user_id: message.from.user_id.as_deref(),
        contact_id: contact,
        contact_name: name.as_deref(),
        kind: &message.kind,
        text: message.text.as_deref(),
        whatsapp_account_id: account,
        at: message.at,
        context: ContextData::of(message.context_wamid.as_deref(), &message.beside),
        object: message.object.as_ref(),
        media_id: media,
        beside: &message.beside,
    };
    let about = About::person((workspace, Some(account)), contact, now);
    emit(connection, &about, EventKind::MessageIncoming, &data)?;
    Ok(())
}

/// Tells of a person: new, or changed in the fields named.
pub(crate) fn person(
    connection: &Connection,
    (workspace, account): (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (changes, merged): (&[&'static str], Option<ContactId>),
    now: Timestamp,
) -> SqlResult<()> {
    let mut statement = connection.prepare_cached(
        "select wa_id, bsuid, coalesce(name, profile_name), tags, stage, email, custom_fields, opted_out_reason
         from contacts where workspace_id = ?1 and id = ?2",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let mut cells = Cells::new("contacts", row);
    let phone_number: Option<String> = cells.get()?;
    let user_id: Option<String> = cells.get()?;
    let name: Option<String> = cells.get()?;
    let tags: Vec<String> = cells.json()?;
    let stage: Option<String> = cells.get()?;
    let email: Option<String> = cells.get()?;
    let custom_fields: Object = cells.json()?;
    let opted_out_reason: Option<String> = cells.get()?;
    let data = ContactData {
        id: contact,
        phone_number: phone_number.as_deref(),
        user_id: user_id.as_deref(),
        name: name.as_deref(),
        tags: &tags,
        stage: stage.as_deref(),
        email: email.as_deref(),
        custom_fields: &custom_fields,
        opted_out: opted_out_reason.is_some(),
        opted_out_reason: opted_out_reason.as_deref(),
        changes,
        merged_contact_id: merged,
    };
    let kind = if changes.is_empty() { EventKind::ContactCreated } else { EventKind::ContactUpdated };
    emit(connection, &About::person((workspace, account), contact, now), kind, &data)?;
    Ok(())
}

/// What Meta told of an account.
pub(crate) struct News<'a> {
    pub(crate) change: AccountChange,
    /// Meta's name of the webhook field.
    pub(crate) field: &'a str,
    /// Meta's own words.
    pub(crate) details: Option<&'a Value>,
}

/// Tells what Meta told of an account.
pub(crate) fn account_news(
    connection: &Connection,
    place: (WorkspaceId, AccountId),
    news: &News<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    tell_account(connection, place, news.change, (None, Some(news.field), news.details), now)
}

/// Tells what Meta told of a WhatsApp Business Account: once for all its accounts.
pub(crate) fn waba_news(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    (tier, news): (Option<&str>, &News<'_>),
    now: Timestamp,
) -> SqlResult<()> {
    // Where one of the accounts is held, that is what has to be known.
    let status: Option<(String, Option<String>)> = connection
        .prepare_cached(
            "select status, status_reason from accounts
             where workspace_id = ?1 and waba_id = ?2 and removed_at is null
             order by status = 'held' desc limit 1",
        )?
        .query_row((workspace.as_bytes(), waba_id), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_told = news.change == AccountChange::Status;
    let (status, status_reason) = status.filter(|_| is_told).unzip();
    let status_reason = status_reason.flatten();
    let data = AccountData {
        whatsapp_account_id: None,
        waba_id,
        name: None,
        change: news.change,
        status: status.as_deref(),
        status_reason: status_reason.as_deref(),
        quality_rating: None,
        messaging_limit: tier.map(|tier| MessagingLimitData { tier: Some(tier), used_24h: None }),
        field: Some(news.field),
        details: news.details,
    };
    let about = About { waba_id: Some(waba_id), ..About::workspace(workspace, now) };
    emit(connection, &about, EventKind::AccountStatus, &data)?;
    Ok(())
}

/// Tells of an account as it is by now.
pub(crate) fn account(
    connection: &Connection,
    place: (WorkspaceId, AccountId),
    change: AccountChange,
    (used_24h, details): (Option<u32>, Option<&Value>),
    now: Timestamp,
) -> SqlResult<()> {
    tell_account(connection, place, change, (used_24h, None, details), now)
}

fn tell_account(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    change: AccountChange,
    (used_24h, field, details): (Option<u32>, Option<&str>, Option<&Value>),
    now: Timestamp,
) -> SqlResult<()> {
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let row: Option<Row> = connection
        .prepare_cached(
            "select waba_id, name, status, status_reason, quality_rating, messaging_limit_tier
             from accounts where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row((workspace.as_bytes(), account.as_bytes()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let Some((waba_id, name, status, status_reason, quality_rating, tier)) = row else { return Ok(()) };
    let data = AccountData {
        whatsapp_account_id: Some(account),
        waba_id: &waba_id,
        name: Some(&name),
        change,
        status: Some(&status),
        status_reason: status_reason.as_deref(),
        quality_rating: quality_rating.as_deref(),
        messaging_limit: Some(MessagingLimitData { tier: tier.as_deref(), used_24h }),
        field,
        details,
    };
    let about = About { account: Some(account), ..About::workspace(workspace, now) };
    emit(connection, &about, EventKind::AccountStatus, &data)?;
    Ok(())
}
