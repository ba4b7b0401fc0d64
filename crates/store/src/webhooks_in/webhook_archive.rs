//! Posts as they came, and the parts of them that have no row of their own elsewhere.
//!
//! **Invariant:** a part is known by its bytes and by what the envelope says of it, whichever posts it comes in.

use bytes::Bytes;
use domain::id::{AccountId, WorkspaceId};
use domain::webhooks_in::update::{WebhookUpdate, WhatsAppUser};
use engine::ports::{Again, KeptPost, KeptPosts, Post, Proof, RoutedPart};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::contacts::lookup;
use crate::error::SqlResult;
use crate::payloads;
use crate::payloads::PayloadSpan;
use crate::row::{Cells, micros};
use crate::webhooks_in::payload_redaction;

/// Why a part is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChangeState {
    /// It concerns nobody here.
    Unrouted,
    /// It cannot be understood.
    Undecodable,
    /// It asks for nothing here.
    Other,
    /// It changed something.
    Applied,
}

impl ChangeState {
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

/// A part that is kept.
struct ArchivedChange {
    seq: i64,
    digest: Option<[u8; 32]>,
    kept_as: ChangeState,
}

impl ArchivedChange {
    /// Whether there is nothing new about a part with this digest, to be kept as this.
    fn covers(&self, digest: &[u8; 32], kept_as: ChangeState, is_again: bool) -> bool {
        let is_same = is_again || self.digest.is_none_or(|known| known == *digest);
        is_same && kept_as <= self.kept_as
    }
}

/// The post that is being taken; its bytes are written when the first part needs them.
pub(crate) struct PayloadArchive<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) post: &'a Post,
    /// Where it stands by now.
    pub(crate) seq: Option<i64>,
    /// The first bytes of the parts that are kept.
    starts: Vec<u32>,
    /// Parts about erased people, which must not stay: where they stand, and whom they name.
    erased: Vec<ErasedChange>,
}

/// A part about an erased person.
struct ErasedChange {
    workspace: WorkspaceId,
    span: (u32, u32),
    marks: Vec<String>,
}

impl<'a> PayloadArchive<'a> {
    pub(crate) fn new(connection: &'a Connection, post: &'a Post) -> Self {
        Self {
            connection,
            post,
            seq: post.again.map(|again| again.seq),
            starts: Vec::new(),
            erased: Vec::new(),
        }
    }

    /// Where the bytes of this part stand.
    pub(crate) fn raw(&mut self, part: &RoutedPart) -> SqlResult<PayloadSpan> {
        let seq = match self.seq {
            Some(seq) => seq,
            None => self.insert(None)?,
        };
        Ok((seq, part.span.0, part.span.1))
    }

    /// The same, but once for equal posts of the same signer: its parts may all have been heard in other posts.
    fn raw_once(&mut self, part: &RoutedPart) -> SqlResult<PayloadSpan> {
        if self.seq.is_none() {
            let signature = self.post.proof.signature.as_deref().unwrap_or_default();
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
        self.raw(part)
    }

    fn insert(&mut self, digest: Option<[u8; 32]>) -> SqlResult<i64> {
        let proof = &self.post.proof;
        let signers: Vec<u8> = proof.signers.iter().flat_map(|id| *id.as_bytes()).collect();
        self.connection
            .prepare_cached(
                "insert into webhook_payloads (received_at, digest, body, signature, signer_ids) values (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                micros(self.post.now),
                digest,
                &*self.post.body,
                proof.signature.as_deref(),
                signers
            ])?;
        let seq = self.connection.last_insert_rowid();
        self.seq = Some(seq);
        Ok(seq)
    }

    /// Keeps a part. `false`: it was heard before, and there is nothing new about it.
    pub(crate) fn keep(
        &mut self,
        part: &RoutedPart,
        state: ChangeState,
        reason: Option<&str>,
    ) -> SqlResult<bool> {
        self.starts.push(part.span.0);
        let digest = self.digest(part);
        let workspace = part.route.as_ref().map(|route| route.workspace.as_bytes());
        let mut known = self.known("digest = ?1", params![digest, workspace])?;
        let mut raw = None;
        if known.is_none() {
            let (post, start, length) = self.raw_once(part)?;
            raw = Some((post, start, length));
            // The same bytes in the same place: known from before there were digests, or heard again after a while.
            known = self.known("payload_seq = ?1 and payload_start = ?3", params![post, workspace, start])?;
        }
        let account = part.route.as_ref().and_then(|route| route.account.as_ref()).map(AccountId::as_bytes);
        match (known, raw) {
            (Some(row), _) if row.covers(&digest, state, self.post.again.is_some()) => Ok(false),
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
                        state == ChangeState::Applied,
                        part.field,
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
                        state == ChangeState::Applied,
                        part.field,
                        reason,
                        digest,
                        post,
                        start,
                        length,
                        micros(self.heard_at()),
                    ])?;
                Ok(true)
            }
            // There is always a place where there is no row.
            (None, None) => Ok(false),
        }
    }

    /// The row of a part, for this workspace or for nobody; for a part of nobody, whoever has it: the furthest first.
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
        Ok(Some(ArchivedChange { seq, digest, kept_as: ChangeState::of(&state, cells.flag()?) }))
    }

    fn heard_at(&self) -> jiff::Timestamp {
        self.post.again.map_or(self.post.now, |again| again.heard_at)
    }

    fn bytes(&self, part: &RoutedPart) -> Option<&[u8]> {
        let (start, length) = (payloads::to_usize(part.span.0), payloads::to_usize(part.span.1));
        self.post.body.get(start..start.checked_add(length)?)
    }

    /// Whether this is what was left of a part about an erased person, in a post that is taken once more.
    pub(crate) fn is_erased(&self, part: &RoutedPart) -> bool {
        self.post.again.is_some() && self.bytes(part) == Some(b"{}")
    }

    /// What a part is known by.
    fn digest(&self, part: &RoutedPart) -> [u8; 32] {
        let time = part.time.map(micros).or_else(|| {
            // An account's error says neither when it was nor which: the same one within an hour is the same news.
            let is_error = matches!(&part.update, WebhookUpdate::Account(_)) && part.time.is_none();
            is_error.then(|| micros(self.heard_at()) / 3_600_000_000)
        });
        let mut digest = Sha256::new();
        for named in [Some(&part.field), part.waba_id.as_ref(), part.phone_number_id.as_ref()] {
            digest.update(named.map_or(&[][..], |named| named.as_bytes()));
            digest.update([0]);
        }
        digest.update(time.unwrap_or_default().to_be_bytes());
        digest.update(self.bytes(part).unwrap_or_default());
        digest.finalize().into()
    }

    /// Notes a part about an erased person.
    pub(crate) fn drop_part(&mut self, part: &RoutedPart, workspace: WorkspaceId) {
        let of = |person: &WhatsAppUser| [person.wa_id.clone(), person.user_id.clone()];
        let marks = match &part.update {
            WebhookUpdate::Status(report) => [report.recipient.clone(), report.user_id.clone()],
            WebhookUpdate::Message(message) => of(&message.from),
            WebhookUpdate::Echo(echo) => of(&echo.to),
            WebhookUpdate::Call(_)
            | WebhookUpdate::Preference(_)
            | WebhookUpdate::Moved(_)
            | WebhookUpdate::Account(_)
            | WebhookUpdate::Template(_)
            | WebhookUpdate::Other => [None, None],
        };
        let marks = marks.into_iter().flatten().collect();
        self.erased.push(ErasedChange { workspace, span: part.span, marks });
    }

    /// Blanks what is about erased people, should the post have been written for the sake of its other parts.
    pub(crate) fn forget_erased(&self) -> SqlResult<()> {
        let (Some(post), false) = (self.seq, self.erased.is_empty()) else { return Ok(()) };
        let span =
            |erased: &ErasedChange| (payloads::to_usize(erased.span.0), payloads::to_usize(erased.span.1));
        let spans: Vec<_> = self.erased.iter().map(span).collect();
        payloads::redact_spans(self.connection, post, &spans)?;
        for erased in &self.erased {
            let mut marks = Vec::new();
            for mark in &erased.marks {
                // Somebody new may have the number by now, and what they wrote is theirs.
                if !lookup::is_in_use(self.connection, erased.workspace, mark)? {
                    marks.push(mark.clone());
                }
            }
            if !marks.is_empty() {
                payload_redaction::redact_new_payload(self.connection, erased.workspace, post, &marks)?;
            }
        }
        Ok(())
    }

    /// After a post was taken once more: what it held of parts that are understood by now is forgotten.
    pub(crate) fn forget_understood(&self) -> SqlResult<()> {
        let Some(again) = self.post.again else { return Ok(()) };
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

/// Some of the kept posts, in the order in which they came.
pub(crate) fn list_payloads(connection: &Connection, wanted: &KeptPosts) -> SqlResult<Vec<KeptPost>> {
    let state = wanted.with.map(engine::ports::PartState::as_str);
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
        let again = Again { seq: cells.get()?, heard_at: cells.at()? };
        let body: Vec<u8> = cells.get()?;
        let signature: Vec<u8> = cells.get()?;
        let signers: Vec<u8> = cells.get()?;
        let (signers, _) = signers.as_chunks::<16>();
        let proof = Proof {
            signature: Some(Bytes::from(signature)),
            signers: signers.iter().map(|id| AccountId::from_bytes(*id)).collect(),
        };
        posts.push(KeptPost { again, body: Bytes::from(body), proof });
    }
    Ok(posts)
}
