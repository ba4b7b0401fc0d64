//! Archive of webhook payloads, and of the changes that have no row in another table.
//!
//! **Invariant:** a change is identified by its bytes and by the identifiers of its envelope, in every payload that
//! contains it.

use bytes::Bytes;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, WorkspaceId};
use domain::webhooks_in::update::WebhookUpdate;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::contacts::lookup;
use crate::error::SqlResult;
use crate::payloads;
use crate::payloads::PayloadSpan;
use crate::row::{Cells, micros};
use crate::webhooks_in::payload_redaction;

use engine::ports::{
    ArchiveEntry, ArchiveQuery, ArchivedPayload, PayloadSignature, RoutedChange, WebhookPayload,
};

/// State of an archived change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UnappliedState {
    /// No account of this installation.
    Unrouted,
    /// The change cannot be decoded.
    Undecodable,
    /// The change has no effect.
    Other,
    /// The change was applied.
    Applied,
}

impl UnappliedState {
    const fn state(self) -> &'static str {
        match self {
            Self::Unrouted => "unrouted",
            Self::Undecodable => "undecodable",
            Self::Other | Self::Applied => "other",
        }
    }

    fn of(state: &str, is_applied: bool) -> Self {
        match state {
            "unrouted" => Self::Unrouted,
            "undecodable" => Self::Undecodable,
            _ if is_applied => Self::Applied,
            _ => Self::Other,
        }
    }
}

/// Archived change.
struct ArchivedChange {
    seq: i64,
    digest: Option<[u8; 32]>,
    kept_as: UnappliedState,
}

impl ArchivedChange {
    /// Returns `true` if the stored change makes it unnecessary to store a change with this digest and state.
    fn covers(&self, digest: &[u8; 32], kept_as: UnappliedState, is_again: bool) -> bool {
        let is_same = is_again || self.digest.is_none_or(|known| known == *digest);
        is_same && kept_as <= self.kept_as
    }
}

/// Archive of the payload that is ingested. The body is inserted when the first change needs it.
pub(crate) struct PayloadArchive<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) post: &'a WebhookPayload,
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
    pub(crate) fn new(connection: &'a Connection, post: &'a WebhookPayload) -> Self {
        Self {
            connection,
            post,
            seq: post.archived.map(|again| again.seq),
            starts: Vec::new(),
            erased: Vec::new(),
        }
    }

    /// Returns the payload range of a change. Inserts the payload if necessary.
    pub(crate) fn raw(&mut self, change: &RoutedChange) -> SqlResult<PayloadSpan> {
        let seq = match self.seq {
            Some(seq) => seq,
            None => self.insert(None)?,
        };
        Ok((seq, change.change.span.0, change.change.span.1))
    }

    /// Returns the payload range of a change. Equal payloads of the same signer are inserted once: all their changes
    /// may be stored with other payloads.
    fn raw_once(&mut self, change: &RoutedChange) -> SqlResult<PayloadSpan> {
        if self.seq.is_none() {
            let signature = self.post.signature.header.as_deref().unwrap_or_default();
            let digest: [u8; 32] =
                Sha256::new().chain_update(&self.post.body).chain_update(signature).finalize().into();
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
        self.raw(change)
    }

    fn insert(&mut self, digest: Option<[u8; 32]>) -> SqlResult<i64> {
        let signature = &self.post.signature;
        let signers: Vec<u8> = signature.signers.iter().flat_map(|id| *id.as_bytes()).collect();
        self.connection
            .prepare_cached(
                "insert into webhook_payloads (received_at, digest, body, signature, signer_ids) values (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                micros(self.post.now),
                digest,
                &*self.post.body,
                signature.header.as_deref(),
                signers
            ])?;
        let seq = self.connection.last_insert_rowid();
        self.seq = Some(seq);
        Ok(seq)
    }

    /// Archives a change. Returns `false` if the change is stored already and nothing is new about it.
    pub(crate) fn keep(
        &mut self,
        change: &RoutedChange,
        state: UnappliedState,
        reason: Option<&str>,
    ) -> SqlResult<bool> {
        self.starts.push(change.change.span.0);
        let digest = self.digest(change);
        let workspace = change.route.as_ref().map(|route| route.workspace.as_bytes());
        let mut known = self.known("digest = ?1", params![digest, workspace])?;
        let mut raw = None;
        if known.is_none() {
            let (post, start, length) = self.raw_once(change)?;
            raw = Some((post, start, length));
            // The same bytes at the same position of the same payload: received again after an hour.
            known = self.known("payload_seq = ?1 and payload_start = ?3", params![post, workspace, start])?;
        }
        let account = change.route.as_ref().and_then(|route| route.account.as_ref()).map(AccountId::as_bytes);
        match (known, raw) {
            (Some(row), _) if row.covers(&digest, state, self.post.archived.is_some()) => Ok(false),
            (Some(ArchivedChange { seq, .. }), _) => {
                self.connection
                    .prepare_cached(
                        "update webhook_changes
                         set workspace_id = ?2, account_id = ?3, state = ?4, is_applied = ?5, field = ?6, reason = ?7,
                             digest = ?8
                         where seq = ?1",
                    )?
                    .execute(params![
                        seq,
                        workspace,
                        account,
                        state.state(),
                        state == UnappliedState::Applied,
                        change.change.field,
                        reason,
                        digest
                    ])?;
                Ok(true)
            }
            (None, Some((post, start, length))) => {
                self.connection
                    .prepare_cached(
                        "insert into webhook_changes (
                             workspace_id, account_id, state, is_applied, field, reason, digest,
                             payload_seq, payload_start, payload_length, received_at)
                         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                    )?
                    .execute(params![
                        workspace,
                        account,
                        state.state(),
                        state == UnappliedState::Applied,
                        change.change.field,
                        reason,
                        digest,
                        post,
                        start,
                        length,
                        micros(self.received_at()),
                    ])?;
                Ok(true)
            }
            // A change without a row always has a payload range.
            (None, None) => Ok(false),
        }
    }

    /// Finds the stored change of this workspace or of no workspace. For a change of no workspace, finds the change
    /// of any workspace, the most advanced state first.
    fn known(
        &self,
        condition: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> SqlResult<Option<ArchivedChange>> {
        let sql = format!(
            "select seq, digest, state, is_applied from webhook_changes
             where {condition} and (?2 is null or workspace_id is null or workspace_id = ?2)
             order by is_applied desc, state = 'other' desc, state = 'undecodable' desc limit 1"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(parameters)?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut cells = Cells::new("webhook_changes", row);
        let (seq, digest) = (cells.get()?, cells.get()?);
        let state: String = cells.get()?;
        Ok(Some(ArchivedChange { seq, digest, kept_as: UnappliedState::of(&state, cells.flag()?) }))
    }

    fn received_at(&self) -> jiff::Timestamp {
        self.post.archived.map_or(self.post.now, |again| again.received_at)
    }

    fn bytes(&self, change: &RoutedChange) -> Option<&[u8]> {
        let (start, length) =
            (payloads::to_usize(change.change.span.0), payloads::to_usize(change.change.span.1));
        self.post.body.get(start..start.checked_add(length)?)
    }

    /// Returns `true` if the change was redacted and its payload is ingested again.
    pub(crate) fn is_erased(&self, change: &RoutedChange) -> bool {
        self.post.archived.is_some() && self.bytes(change) == Some(b"{}")
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
    pub(crate) fn drop_part(&mut self, change: &RoutedChange, workspace: WorkspaceId) {
        let of = |person: &WhatsAppUser| [person.wa_id.clone(), person.user_id.clone()];
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
    pub(crate) fn forget_erased(&self) -> SqlResult<()> {
        let (Some(post), false) = (self.seq, self.erased.is_empty()) else { return Ok(()) };
        let span =
            |erased: &ErasedChange| (payloads::to_usize(erased.span.0), payloads::to_usize(erased.span.1));
        let spans: Vec<_> = self.erased.iter().map(span).collect();
        payloads::redact_spans(self.connection, post, &spans)?;
        for erased in &self.erased {
            let mut identifiers = Vec::new();
            for identifier in &erased.identifiers {
                // Another contact may have the number now, and that contact's messages must stay.
                if !lookup::is_in_use(self.connection, erased.workspace, identifier)? {
                    identifiers.push(identifier.clone());
                }
            }
            if !identifiers.is_empty() {
                payload_redaction::redact_new_payload(self.connection, erased.workspace, post, &identifiers)?;
            }
        }
        Ok(())
    }

    /// Deletes the archived changes of a payload that could be decoded when it was ingested again.
    pub(crate) fn forget_understood(&self) -> SqlResult<()> {
        let Some(again) = self.post.archived else { return Ok(()) };
        let mut statement = self.connection.prepare_cached(
            "select seq, payload_start from webhook_changes
             where payload_seq = ?1 and state in ('unrouted', 'undecodable')",
        )?;
        let mut rows = statement.query([again.seq])?;
        let mut understood: Vec<i64> = Vec::new();
        while let Some(row) = rows.next()? {
            let start: u32 = row.get(1)?;
            if !self.starts.contains(&start) {
                understood.push(row.get(0)?);
            }
        }
        for seq in understood {
            self.connection.prepare_cached("delete from webhook_changes where seq = ?1")?.execute([seq])?;
        }
        Ok(())
    }
}

/// Lists archived payloads in the order of their receipt.
pub(crate) fn list_payloads(
    connection: &Connection,
    wanted: &ArchiveQuery,
) -> SqlResult<Vec<ArchivedPayload>> {
    let state = wanted.reason.map(engine::ports::UnappliedReason::as_str);
    let mut statement = connection.prepare_cached(
        "select seq, received_at, body, signature, signer_ids from webhook_payloads
         where seq > ?1 and received_at >= ?2 and signature is not null
           and (?3 is null or exists (
               select 1 from webhook_changes where payload_seq = webhook_payloads.seq and state = ?3))
         order by seq limit ?4",
    )?;
    let mut rows = statement.query(params![wanted.after, micros(wanted.since), state, wanted.limit])?;
    let mut posts = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("webhook_payloads", row);
        let entry = ArchiveEntry { seq: cells.get()?, received_at: cells.at()? };
        let body: Vec<u8> = cells.get()?;
        let signature: Vec<u8> = cells.get()?;
        let signers: Vec<u8> = cells.get()?;
        let (signers, _) = signers.as_chunks::<16>();
        let signature = PayloadSignature {
            header: Some(Bytes::from(signature)),
            signers: signers.iter().map(|id| AccountId::from_bytes(*id)).collect(),
        };
        posts.push(ArchivedPayload { entry, body: Bytes::from(body), signature });
    }
    Ok(posts)
}
