//! Archive of webhook payloads, and of the changes that have no row in another table.
//!
//! **Invariant:** a change is identified by its bytes and by the identifiers of its envelope, in every payload that
//! contains it.

use bytes::Bytes;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, WorkspaceId};
use domain::webhooks_in::update::WebhookUpdate;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::contacts::lookup;
use crate::error::SqlResult;
use crate::payloads;
use crate::payloads::{ByteRange, PayloadSpan};
use crate::row::{Cells, SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_in::payload_redaction;

use engine::ports::{
    ArchiveEntry, ArchiveQuery, ArchivedPayload, PayloadSignature, RoutedChange, UnappliedReason,
    WebhookPayload,
};

/// State of an archived change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ArchivedState {
    /// The change belongs to no account of this installation.
    Unrouted,
    /// The change cannot be decoded.
    Undecodable,
    /// The change has no effect.
    Other,
    /// The change was applied.
    Applied,
}

impl ArchivedState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unrouted => "unrouted",
            Self::Undecodable => "undecodable",
            Self::Other | Self::Applied => "other",
        }
    }

    fn from_columns(state: &str, is_applied: bool) -> Self {
        match state {
            "unrouted" => Self::Unrouted,
            "undecodable" => Self::Undecodable,
            _ if is_applied => Self::Applied,
            _ => Self::Other,
        }
    }
}

row! {
    struct ArchivedRow {
        seq: i64 = get "seq",
        digest: [u8; 32] = get "digest",
        state: String = get "state",
        is_applied: bool = flag "is_applied",
    }
}

/// Change to archive.
struct ChangeRow<'a> {
    change: &'a RoutedChange,
    state: ArchivedState,
    reason: Option<&'a str>,
    digest: [u8; 32],
}

impl ChangeRow<'_> {
    fn workspace(&self) -> Option<&[u8; 16]> {
        self.change.route.as_ref().map(|route| route.workspace.as_bytes())
    }

    fn account(&self) -> Option<&[u8; 16]> {
        self.change.route.as_ref()?.account.as_ref().map(AccountId::as_bytes)
    }
}

/// Archived change.
struct ArchivedChange {
    seq: i64,
    digest: [u8; 32],
    state: ArchivedState,
}

impl ArchivedChange {
    /// Returns `true` if the stored change makes it unnecessary to store a change with this digest and state.
    fn covers(&self, digest: &[u8; 32], state: ArchivedState, is_redrive: bool) -> bool {
        let is_same = is_redrive || self.digest == *digest;
        is_same && state <= self.state
    }
}

/// Archive of the payload that is ingested. The body is inserted when the first change needs it.
pub(crate) struct PayloadArchive<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) payload: &'a WebhookPayload,
    /// Position of the payload, after it is inserted.
    pub(crate) seq: Option<i64>,
    /// First bytes of the archived changes.
    starts: Vec<u32>,
    /// Changes about erased contacts, which are redacted.
    erased: Vec<ErasedChange>,
}

/// Change about an erased contact.
struct ErasedChange {
    workspace: WorkspaceId,
    span: (u32, u32),
    identifiers: Vec<String>,
}

impl<'a> PayloadArchive<'a> {
    pub(crate) fn new(connection: &'a Connection, payload: &'a WebhookPayload) -> Self {
        Self {
            connection,
            payload,
            seq: payload.archived.map(|archived| archived.seq),
            starts: Vec::new(),
            erased: Vec::new(),
        }
    }

    /// Returns the payload range of a change. Inserts the payload if necessary.
    pub(crate) fn payload_span(&mut self, change: &RoutedChange) -> SqlResult<PayloadSpan> {
        let seq = match self.seq {
            Some(seq) => seq,
            None => self.insert(None)?,
        };
        Ok((seq, change.change.span.0, change.change.span.1))
    }

    /// Returns the payload range of a change. Equal payloads of the same signer are inserted once: all their changes
    /// may be stored with other payloads.
    fn shared_payload_span(&mut self, change: &RoutedChange) -> SqlResult<PayloadSpan> {
        if self.seq.is_none() {
            let signature = self.payload.signature.header.as_deref().unwrap_or_default();
            let digest: [u8; 32] =
                Sha256::new().chain_update(&self.payload.body).chain_update(signature).finalize().into();
            let known = self
                .connection
                .prepare_cached("select seq from webhook_payloads where digest = ?1")?
                .query_row([digest], |row| row.get(0))
                .optional()?;
            match known {
                Some(seq) => self.seq = Some(seq),
                None => {
                    self.insert(Some(digest))?;
                }
            }
        }
        self.payload_span(change)
    }

    fn insert(&mut self, digest: Option<[u8; 32]>) -> SqlResult<i64> {
        let signature = &self.payload.signature;
        let signers: Vec<u8> = signature.signers.iter().flat_map(|id| *id.as_bytes()).collect();
        self.connection
            .prepare_cached(
                "insert into webhook_payloads (received_at, digest, body, signature, signer_ids) values (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute_one(params![
                micros(self.payload.now),
                digest,
                &*self.payload.body,
                signature.header.as_deref(),
                signers
            ])?;
        let seq = self.connection.last_insert_rowid();
        self.seq = Some(seq);
        Ok(seq)
    }

    /// Archives a change. Returns `false` if the change is archived already and nothing is new about it.
    pub(crate) fn insert_change(
        &mut self,
        change: &RoutedChange,
        state: ArchivedState,
        reason: Option<&str>,
    ) -> SqlResult<bool> {
        self.starts.push(change.change.span.0);
        let digest = self.digest(change);
        let workspace = change.route.as_ref().map(|route| route.workspace.as_bytes());
        let row = ChangeRow { change, state, reason, digest };
        if let Some(known) = self.find_archived("digest = ?1", params![digest, workspace])? {
            return self.update_row(&known, &row);
        }
        let span = self.shared_payload_span(change)?;
        let (payload, start, _) = span;
        // The same bytes at the same position of the same payload: received again after an hour.
        let known = self
            .find_archived("payload_seq = ?1 and payload_start = ?3", params![payload, workspace, start])?;
        match known {
            Some(known) => self.update_row(&known, &row),
            None => self.insert_row(&row, span).map(|()| true),
        }
    }

    /// Updates an archived change. Returns `false` if nothing is new about the change.
    fn update_row(&self, known: &ArchivedChange, row: &ChangeRow<'_>) -> SqlResult<bool> {
        if known.covers(&row.digest, row.state, self.payload.archived.is_some()) {
            return Ok(false);
        }
        self.connection
            .prepare_cached(
                "update webhook_changes
                 set workspace_id = ?2, account_id = ?3, state = ?4, is_applied = ?5, field = ?6, reason = ?7,
                     digest = ?8
                 where seq = ?1",
            )?
            .execute_one(params![
                known.seq,
                row.workspace(),
                row.account(),
                row.state.as_str(),
                row.state == ArchivedState::Applied,
                row.change.change.field,
                row.reason,
                row.digest
            ])?;
        Ok(true)
    }

    fn insert_row(&self, row: &ChangeRow<'_>, span: PayloadSpan) -> SqlResult<()> {
        let (payload, start, length) = span;
        self.connection
            .prepare_cached(
                "insert into webhook_changes (
                     workspace_id, account_id, state, is_applied, field, reason, digest,
                     payload_seq, payload_start, payload_length, received_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute_one(params![
                row.workspace(),
                row.account(),
                row.state.as_str(),
                row.state == ArchivedState::Applied,
                row.change.change.field,
                row.reason,
                row.digest,
                payload,
                start,
                length,
                micros(self.received_at()),
            ])
    }

    /// Finds the archived change of this workspace or of no workspace. For a change of no workspace, finds the change
    /// of any workspace, the most advanced state first.
    fn find_archived(
        &self,
        condition: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> SqlResult<Option<ArchivedChange>> {
        let sql = format!(
            "select {} from webhook_changes
             where {condition} and (?2 is null or workspace_id is null or workspace_id = ?2)
             order by is_applied desc, state = 'other' desc, state = 'undecodable' desc limit 1",
            ArchivedRow::COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(parameters)?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let row = ArchivedRow::read(&mut Cells::new("webhook_changes", row))?;
        let state = ArchivedState::from_columns(&row.state, row.is_applied);
        Ok(Some(ArchivedChange { seq: row.seq, digest: row.digest, state }))
    }

    fn received_at(&self) -> Timestamp {
        self.payload.archived.map_or(self.payload.now, |archived| archived.received_at)
    }

    fn bytes(&self, change: &RoutedChange) -> Option<&[u8]> {
        let (start, length) =
            (payloads::to_usize(change.change.span.0), payloads::to_usize(change.change.span.1));
        self.payload.body.get(start..start.checked_add(length)?)
    }

    /// Returns `true` if the change was redacted and its payload is ingested again.
    pub(crate) fn is_erased(&self, change: &RoutedChange) -> bool {
        self.payload.archived.is_some() && self.bytes(change) == Some(b"{}")
    }

    /// Returns the digest that identifies a change.
    fn digest(&self, change: &RoutedChange) -> [u8; 32] {
        let time = change.change.time.map(micros).or_else(|| {
            // An account's error has neither a time nor an ID: the same error within an hour is the same change.
            let is_error =
                matches!(&change.change.update, WebhookUpdate::Account(_)) && change.change.time.is_none();
            is_error.then(|| micros(self.received_at()) / 3_600_000_000)
        });
        let mut digest = Sha256::new();
        for named in [
            Some(&change.change.field),
            change.change.waba_id.as_ref(),
            change.change.phone_number_id.as_ref(),
        ] {
            digest.update(named.map_or(&[][..], |named| named.as_bytes()));
            digest.update([0]);
        }
        digest.update(time.unwrap_or_default().to_be_bytes());
        digest.update(self.bytes(change).unwrap_or_default());
        digest.finalize().into()
    }

    /// Records a change about an erased contact.
    pub(crate) fn record_erased(&mut self, change: &RoutedChange, workspace: WorkspaceId) {
        let of = |user: &WhatsAppUser| [user.wa_id.clone(), user.user_id.clone()];
        let identifiers = match &change.change.update {
            WebhookUpdate::Status(report) => [report.recipient.clone(), report.user_id.clone()],
            WebhookUpdate::Message(message) => of(&message.from),
            WebhookUpdate::MessageEcho(echo) => of(&echo.to),
            WebhookUpdate::Call(_)
            | WebhookUpdate::MarketingPreference(_)
            | WebhookUpdate::NumberChange(_)
            | WebhookUpdate::Account(_)
            | WebhookUpdate::Template(_)
            | WebhookUpdate::Other => [None, None],
        };
        let identifiers = identifiers.into_iter().flatten().collect();
        self.erased.push(ErasedChange { workspace, span: change.change.span, identifiers });
    }

    /// Redacts the changes about erased contacts, if the payload was inserted for other changes.
    pub(crate) fn redact_erased(&self) -> SqlResult<()> {
        let (Some(payload), false) = (self.seq, self.erased.is_empty()) else { return Ok(()) };
        let range = |erased: &ErasedChange| ByteRange {
            start: payloads::to_usize(erased.span.0),
            length: payloads::to_usize(erased.span.1),
        };
        let ranges: Vec<_> = self.erased.iter().map(range).collect();
        payloads::redact_ranges(self.connection, payload, &ranges)?;
        for erased in &self.erased {
            let mut identifiers = Vec::new();
            for identifier in &erased.identifiers {
                // Another contact may have the number now, and that contact's messages must stay.
                if !lookup::is_in_use(self.connection, erased.workspace, identifier)? {
                    identifiers.push(identifier.clone());
                }
            }
            if !identifiers.is_empty() {
                payload_redaction::redact_new_payload(
                    self.connection,
                    erased.workspace,
                    payload,
                    &identifiers,
                )?;
            }
        }
        Ok(())
    }

    /// Deletes the archived changes of a payload that could be decoded when the payload was ingested again.
    pub(crate) fn delete_decoded(&self) -> SqlResult<()> {
        let Some(archived) = self.payload.archived else { return Ok(()) };
        for row in UnappliedRow::list(self.connection, [archived.seq])? {
            if !self.starts.contains(&row.start) {
                self.connection
                    .prepare_cached("delete from webhook_changes where seq = ?1")?
                    .execute_one([row.seq])?;
            }
        }
        Ok(())
    }
}

row! {
    struct UnappliedRow {
        seq: i64 = get "seq",
        start: u32 = get "payload_start",
    } from "webhook_changes where payload_seq = ?1 and state in ('unrouted', 'undecodable')"
}

row! {
    struct PayloadRow {
        seq: i64 = get "seq",
        received_at: Timestamp = at "received_at",
        body: Vec<u8> = get "body",
        signature: Vec<u8> = get "signature",
        signer_ids: Vec<u8> = get "signer_ids",
    } from "webhook_payloads
        where seq > ?1 and received_at >= ?2 and signature is not null
          and (?3 is null or exists (
              select 1 from webhook_changes where payload_seq = webhook_payloads.seq and state = ?3))
        order by seq limit ?4"
}

/// Lists archived payloads in the order of their receipt.
pub(crate) fn list_payloads(
    connection: &Connection,
    query: &ArchiveQuery,
) -> SqlResult<Vec<ArchivedPayload>> {
    let state = query.reason.map(UnappliedReason::as_str);
    let rows = PayloadRow::list(connection, params![query.after, micros(query.since), state, query.limit])?;
    let payload = |row: PayloadRow| {
        let (signers, _) = row.signer_ids.as_chunks::<16>();
        ArchivedPayload {
            entry: ArchiveEntry { seq: row.seq, received_at: row.received_at },
            body: Bytes::from(row.body),
            signature: PayloadSignature {
                signers: signers.iter().map(|id| AccountId::from_bytes(*id)).collect(),
                header: Some(Bytes::from(row.signature)),
            },
        }
    };
    Ok(rows.into_iter().map(payload).collect())
}
