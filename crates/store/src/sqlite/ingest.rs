//! What Meta posted: one POST, one transaction; each part stands alone.

use domain::id::{AccountId, WorkspaceId};
use domain::inbound::{Call, Inbound, Update};
use domain::message::{Direction, Status};
use domain::opt_out::{OptOutReason, Wish};
use engine::ports::{Ingested, Post, RoutedPart};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::settle::{Effect, Raw};
use super::{contacts, erase, marketing, settle, templates, told};
use crate::error::{SqlError, SqlResult};
use crate::row::{json, micros};

/// The post that is being taken; its bytes are written when the first part needs them.
struct Keeper<'a> {
    connection: &'a Connection,
    post: &'a Post,
    seq: Option<i64>,
    /// Parts about erased people, which must not stay: where they stand, and whom they name.
    erased: Vec<Erased>,
}

/// A part about an erased person.
struct Erased {
    workspace: WorkspaceId,
    span: (u32, u32),
    marks: Vec<String>,
}

impl Keeper<'_> {
    /// Where the bytes of this part stand.
    fn raw(&mut self, part: &RoutedPart) -> SqlResult<Raw> {
        let seq = match self.seq {
            Some(seq) => seq,
            None => self.insert(None)?,
        };
        Ok((seq, part.span.0, part.span.1))
    }

    /// The same, but once for equal posts: a part that changes nothing has no key of its own to be known by.
    fn raw_once(&mut self, part: &RoutedPart) -> SqlResult<Raw> {
        if self.seq.is_none() {
            let digest: [u8; 32] = Sha256::digest(&self.post.body).into();
            let known = self
                .connection
                .prepare_cached("select seq from posts where digest = ?1")?
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
        self.connection
            .prepare_cached("insert into posts (received_at, digest, body) values (?1, ?2, ?3)")?
            .execute(params![micros(self.post.now), digest, &*self.post.body])?;
        let seq = self.connection.last_insert_rowid();
        self.seq = Some(seq);
        Ok(seq)
    }

    /// Notes a part about an erased person.
    fn drop_part(&mut self, part: &RoutedPart, workspace: WorkspaceId) {
        let marks = match &part.update {
            Update::Status(report) => [&report.recipient, &report.user_id],
            Update::Message(message) => [&message.from.wa_id, &message.from.user_id],
            Update::Call(_) | Update::Template(_) | Update::Other => [&None, &None],
        };
        let marks = marks.into_iter().flatten().cloned().collect();
        self.erased.push(Erased { workspace, span: part.span, marks });
    }

    /// Blanks what is about erased people, should the post have been written for the sake of its other parts.
    fn forget_erased(&self) -> SqlResult<()> {
        let (Some(post), false) = (self.seq, self.erased.is_empty()) else { return Ok(()) };
        let span = |erased: &Erased| (erase::place(erased.span.0), erase::place(erased.span.1));
        let spans: Vec<_> = self.erased.iter().map(span).collect();
        erase::blank_post(self.connection, post, &spans)?;
        for erased in &self.erased {
            let mut marks = Vec::new();
            for mark in &erased.marks {
                // Somebody new may have the number by now, and what they wrote is theirs.
                if !contacts::is_known(self.connection, erased.workspace, mark)? {
                    marks.push(mark.clone());
                }
            }
            if !marks.is_empty() {
                erase::scrub_new_post(self.connection, erased.workspace, post, &marks)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, part: &RoutedPart, state: &str, reason: Option<&str>) -> SqlResult<bool> {
        let (post, start, length) = self.raw_once(part)?;
        let n_rows = self
            .connection
            .prepare_cached(
                "insert into kept_parts (
                     workspace_id, account_id, state, field, reason, post_seq, post_start, post_length, received_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 on conflict (post_seq, post_start) do nothing",
            )?
            .execute(params![
                part.route.as_ref().map(|route| route.workspace.as_bytes()),
                part.route.as_ref().and_then(|route| route.account.as_ref()).map(AccountId::as_bytes),
                state,
                part.field,
                reason,
                post,
                start,
                length,
                micros(self.post.now),
            ])?;
        Ok(n_rows == 1)
    }
}

pub(super) fn ingest(connection: &Connection, post: &Post) -> SqlResult<Ingested> {
    let mut keeper = Keeper { connection, post, seq: None, erased: Vec::new() };
    let mut ingested = Ingested::default();
    for part in &post.parts {
        let kept = keeper.seq;
        connection.prepare_cached("savepoint part")?.execute(())?;
        let end = take(&mut keeper, part, &mut ingested);
        match end {
            Ok(()) => {}
            // The store itself is in trouble: nothing of this POST is taken, Meta will send it again.
            Err(SqlError::Sqlite(error)) if connection.is_autocommit() => return Err(error.into()),
            Err(error) => {
                connection.prepare_cached("rollback to part")?.execute(())?;
                keeper.seq = kept;
                match &error {
                    SqlError::Corrupt { .. } | SqlError::Bug(_) | SqlError::Seal(_) => {}
                    SqlError::Sqlite(cause) if is_constraint(cause) => {}
                    SqlError::Sqlite(_) => return Err(error),
                }
                tracing::error!(%error, field = part.field, "a part of a webhook could not be applied");
                keeper.keep(part, "undecodable", Some(&error.to_string()))?;
                ingested.undecodable += 1;
            }
        }
        connection.prepare_cached("release part")?.execute(())?;
    }
    keeper.forget_erased()?;
    Ok(ingested)
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

fn take(keeper: &mut Keeper<'_>, part: &RoutedPart, ingested: &mut Ingested) -> SqlResult<()> {
    let Some(route) = &part.route else {
        let reason = part.undecodable.as_deref();
        let is_new = keeper.keep(part, "unrouted", reason)?;
        *(if is_new { &mut ingested.unrouted } else { &mut ingested.repeated }) += 1;
        return Ok(());
    };
    if let Some(reason) = &part.undecodable {
        let is_new = keeper.keep(part, "undecodable", Some(reason))?;
        *(if is_new { &mut ingested.undecodable } else { &mut ingested.repeated }) += 1;
        return Ok(());
    }
    let effect = match (&part.update, route.account) {
        (Update::Message(message), Some(account)) => {
            inbound(keeper, part, (route.workspace, account), message)?
        }
        (Update::Call(call), Some(account)) => called(keeper, part, (route.workspace, account), call)?,
        (Update::Status(report), Some(account)) => settle::report(
            keeper.connection,
            (route.workspace, account),
            report,
            keeper.post.now,
            &mut || keeper.raw(part),
        )?,
        (Update::Template(update), _) => {
            // Heard before, to the byte: applying it again could undo what came after it.
            if keeper.keep(part, "other", None)? {
                ingested.has_template_changes |=
                    templates::update(keeper.connection, route, update, keeper.post.now)?;
                Effect::Applied
            } else {
                Effect::Repeated
            }
        }
        (Update::Message(_) | Update::Call(_) | Update::Status(_) | Update::Other, _) => {
            if keeper.keep(part, "other", None)? { Effect::Applied } else { Effect::Repeated }
        }
    };
    match effect {
        Effect::Applied => ingested.applied += 1,
        Effect::Repeated => ingested.repeated += 1,
        Effect::Early => ingested.early += 1,
        Effect::Erased => {
            keeper.drop_part(part, route.workspace);
            ingested.repeated += 1;
        }
    }
    Ok(())
}

fn inbound(
    keeper: &mut Keeper<'_>,
    part: &RoutedPart,
    (workspace, account): (WorkspaceId, AccountId),
    message: &Inbound,
) -> SqlResult<Effect> {
    let (connection, now) = (keeper.connection, keeper.post.now);
    if erase::is_erased_wamid(connection, workspace, &message.wamid)? {
        return Ok(Effect::Erased);
    }
    let is_new = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, 0) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((workspace.as_bytes(), &message.wamid, account.as_bytes(), part.ids.message.as_bytes()))?
        == 1;
    if !is_new {
        return Ok(Effect::Repeated);
    }
    let contact =
        contacts::recognise(connection, (workspace, account), part.ids.contact, &message.from, now)?;
    if message.opens_window() {
        contacts::open_window(connection, (workspace, account), contact, message.at, now)?;
    }
    if let Some(wish) = part.wish {
        let said = (message.at, OptOutReason::Word);
        match wish {
            Wish::Stop => {
                marketing::stop_marketing(connection, (workspace, Some(account)), contact, said, now)?;
            }
            Wish::Start => {
                marketing::resume_marketing(connection, (workspace, Some(account)), contact, said, now)?;
            }
        }
    }
    let (post, start, length) = keeper.raw(part)?;
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, direction, kind, status, wamid, wa_id, user_id,
                 context_wamid, content, n_attempts, post_seq, post_start, post_length, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            part.ids.message.as_bytes(),
            workspace.as_bytes(),
            account.as_bytes(),
            contact.as_bytes(),
            Direction::Inbound.as_str(),
            message.kind,
            Status::Received.as_str(),
            message.wamid,
            message.from.wa_id,
            message.from.user_id,
            message.context_wamid,
            message.object.as_ref().map(json).transpose()?,
            post,
            start,
            length,
            micros(message.at.min(now)),
            micros(now),
        ])?;
    told::incoming(connection, (workspace, account), contact, (part.ids.message, message), now)?;
    Ok(Effect::Applied)
}

fn called(
    keeper: &mut Keeper<'_>,
    part: &RoutedPart,
    (workspace, account): (WorkspaceId, AccountId),
    call: &Call,
) -> SqlResult<Effect> {
    if !keeper.keep(part, "other", None)? {
        return Ok(Effect::Repeated);
    }
    let (connection, now) = (keeper.connection, keeper.post.now);
    let contact = contacts::recognise(connection, (workspace, account), part.ids.contact, &call.from, now)?;
    contacts::open_window(connection, (workspace, account), contact, call.at, now)?;
    Ok(Effect::Applied)
}
