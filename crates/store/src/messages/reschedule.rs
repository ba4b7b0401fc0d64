//! Changes of the send time of queued messages.
//!
//! **Invariant:** a message that is leased is not changed: the lease and the change exclude each other, because each is one
//! conditional statement of the only writer.

use domain::access::audit::AuditEntry;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::id::{AccountId, MediaId};
use domain::json::Value;
use domain::messages::admission;
use domain::messages::admission::{Admission, AdmissionFallback, AdmissionRequest, AdmissionStage};
use domain::messages::content::{Content, MediaSource, MessageKind};
use domain::messages::retry::QUEUE_RETRY_PERIOD;
use domain::messages::status::MessageStatus;
use domain::time::later;
use engine::ports::{BlobKey, Recipient, RescheduleRequest, RescheduleResult};
use jiff::SignedDuration;
use rusqlite::{Connection, params};

use crate::access::audit;
use crate::error::{SqlError, SqlResult};
use crate::media;
use crate::messages::accept;
use crate::row::{SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;

row! {
    struct QueuedRow {
        account: AccountId = id "account_id",
        status: MessageStatus = parsed "status",
        is_waiting: bool = flag "status = 'queued' and mode = 'queue' and worker_id is null",
        wa_id: Option<String> = get "wa_id",
        user_id: Option<String> = get "bsuid",
        needs_window: bool = flag "needs_window",
        is_marketing: bool = flag "is_marketing",
        is_fallback_marketing: bool = flag "is_fallback_marketing",
        kind: String = get "kind",
        content: Option<String> = get "content",
        fallback: Option<String> = get "fallback",
        valid_for: Option<i64> = get "expires_at - coalesce(queue_order_at, created_at)",
    } from "messages where workspace_id = ?1 and id = ?2 and direction = 'outbound'"
}

impl QueuedRow {
    fn recipient(&self) -> Option<Recipient> {
        let number = self.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok());
        let user = self.user_id.as_deref().and_then(|user_id| Bsuid::parse(user_id).ok());
        number.map(Recipient::Phone).or(user.map(Recipient::Bsuid))
    }
}

pub(crate) fn update_send_at(
    connection: &Connection,
    request: &RescheduleRequest,
    entry: &AuditEntry,
) -> SqlResult<RescheduleResult> {
    let keys = (request.workspace.as_bytes(), request.message.as_bytes());
    let Some(row) = QueuedRow::find(connection, keys)? else { return Ok(RescheduleResult::NotFound) };
    if !row.is_waiting {
        return Ok(RescheduleResult::TooLate(row.status));
    }
    let recipient = row.recipient().ok_or(SqlError::Bug("a queued message has no recipient"))?;
    let facts = accept::get_admission_facts(connection, request.workspace, row.account, &recipient)?;
    let admission = AdmissionRequest {
        // The message is in the queue already.
        stage: AdmissionStage::Enqueue { max_queued: u32::MAX },
        leaves_at: request.due_at,
        needs_window: row.needs_window,
        is_marketing: row.is_marketing,
        fallback: row
            .fallback
            .as_ref()
            .map(|_| AdmissionFallback { is_marketing: row.is_fallback_marketing }),
    };
    if let Admission::Reject(rejection) = admission::decide(&facts, &admission, request.now) {
        return Ok(RescheduleResult::Rejected(rejection));
    }
    if let Some(file) = retain_files(connection, request, &row)? {
        return Ok(RescheduleResult::FileUnavailable(file));
    }
    connection
        .prepare_cached(
            // The time for which a message is valid begins at its send time. Downloads of files start again.
            "update messages
             set send_at = ?3, due_at = ?4, queue_order_at = ?4,
                 expires_at = ?4 + ?6,
                 deferred_by = null, media_failing_since = null, updated_at = ?5
             where workspace_id = ?1 and id = ?2 and status = 'queued' and mode = 'queue' and worker_id is null",
        )?
        .execute_one(params![
            keys.0,
            keys.1,
            micros(request.send_at),
            micros(request.due_at),
            micros(request.now),
            row.valid_for,
        ])?;
    audit::insert_entry(connection, entry)?;
    Ok(RescheduleResult::Rescheduled)
}

/// Retains the files of a message until its last attempt. Returns a file that is not available.
fn retain_files(
    connection: &Connection,
    request: &RescheduleRequest,
    row: &QueuedRow,
) -> SqlResult<Option<MediaId>> {
    let valid_for = SignedDuration::from_micros(row.valid_for.unwrap_or(0));
    let until = later(request.due_at, valid_for.max(QUEUE_RETRY_PERIOD));
    let fallback = row.fallback.as_deref().map(|fallback| (MessageKind::Template.as_str(), fallback));
    let content = row.content.as_deref().map(|content| (row.kind.as_str(), content));
    for (kind, text) in content.into_iter().chain(fallback) {
        let Ok(kind) = kind.parse::<MessageKind>() else { continue };
        let Ok(object) = serde_json::from_str::<Value>(text) else { continue };
        for media_ref in Content::from_stored(kind, object).media_refs() {
            let MediaSource::Id(id) = media_ref.source else { continue };
            // Other IDs are Meta's.
            let Ok(media) = id.parse::<MediaId>() else { continue };
            let key = BlobKey { workspace: request.workspace, media };
            if !media::records::extend_expiry(connection, key, until)? {
                return Ok(Some(media));
            }
        }
    }
    Ok(None)
}
