//! Erasing people: what they are known by, what was written to them and by them.
//!
//! The contact is gone in the first transaction, with everything that could bring it back or still be sent. The rest
//! follows step by step; a row in `erasures` says how far it is, so that a crash costs nothing but time.
//!
//! What stays are counts: a message's type, times and status. Meta's id of a message holds the number, so its SHA-256
//! takes its place: by that, a report that comes later is recognised and dropped.
//!
//! **Invariant:** what is another person's stays, also where both are in one post.

mod identifiers;

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::messages::message::MessageStatus;
use engine::ports::ErasureStep;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use sha2::{Digest, Sha256};

use crate::maintenance::erasure::identifiers::{Marks, forget_moves, marks};

use crate::error::{SqlError, SqlResult};
use crate::maintenance::redact;
use crate::maintenance::redact::{Owners, Span};
use crate::media::records;
use crate::messages::finish;
use crate::row::{Cells, json, micros};

/// How many messages go in one transaction: with the first one nearly everybody is gone.
const AT_ONCE: u32 = 200;
/// How many posts a step looks at: each is some kilobytes.
const POSTS_A_STEP: u32 = 200;

/// What takes the place of Meta's id of an erased message.
pub(crate) fn digest(wamid: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(wamid).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether this is Meta's id of an erased message.
pub(crate) fn is_erased_wamid(
    connection: &Connection,
    workspace: WorkspaceId,
    wamid: &str,
) -> SqlResult<bool> {
    let mut statement = connection
        .prepare_cached("select exists (select 1 from wamids where workspace_id = ?1 and wamid = ?2)")?;
    Ok(statement.query_row((workspace.as_bytes(), digest(wamid)), |row| row.get(0))?)
}

/// Begins to erase a person. `false`: there is no such contact.
pub(crate) fn begin(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    now: Timestamp,
) -> SqlResult<bool> {
    let keys = (workspace.as_bytes(), contact.as_bytes());
    let Some(Marks { now: marks, before }) = marks(connection, workspace, contact)? else { return Ok(false) };
    for sql in [
        "delete from contact_numbers where workspace_id = ?1 and contact_id = ?2",
        "delete from contact_tags where workspace_id = ?1 and contact_id = ?2",
        "delete from service_windows where workspace_id = ?1 and contact_id = ?2",
        "delete from messaging_limit_recipients where workspace_id = ?1 and contact_id = ?2",
        "delete from contacts where workspace_id = ?1 and id = ?2",
    ] {
        connection.prepare_cached(sql)?.execute(keys)?;
    }
    let marks: Vec<String> = marks.into_iter().collect();
    forget_moves(connection, workspace, (&marks, &before))?;
    connection
        .prepare_cached(
            "insert into erasures (
                 contact_id, workspace_id, identifiers, former_identifiers, step, next_seq, last_payload, last_event, last_delivery, last_message,
                 created_at)
             values (?2, ?1, ?3, ?5, 'messages', 0,
                 coalesce((select max(seq) from webhook_payloads), 0),
                 coalesce((select max(seq) from events where workspace_id = ?1), 0),
                 coalesce((select max(seq) from deliveries where workspace_id = ?1), 0),
                 coalesce((select max(seq) from messages where workspace_id = ?1), 0), ?4)",
        )?
        .execute(params![keys.0, keys.1, json(&marks)?, micros(now), json(&before)?])?;
    // Nothing may leave to somebody who is gone.
    while erase_some(connection, (workspace, contact), (&marks, AT_ONCE), true, now)? > 0 {}
    erase_some(connection, (workspace, contact), (&marks, AT_ONCE), false, now)?;
    Ok(true)
}

/// A message that is to be erased.
struct Found {
    message: MessageId,
    account: AccountId,
    status: MessageStatus,
    wamid: Option<String>,
    raw: Option<(i64, Span)>,
}

/// Erases some messages of a person, those that wait in the queue or all. Returns how many.
fn erase_some(
    connection: &Connection,
    (workspace, contact): (WorkspaceId, ContactId),
    (marks, limit): (&[String], u32),
    is_waiting: bool,
    now: Timestamp,
) -> SqlResult<usize> {
    let which = if is_waiting { "and status = 'queued'" } else { "" };
    let sql = format!(
        "select id, account_id, status, wamid, payload_seq, payload_start, payload_length from messages
         where workspace_id = ?1 and contact_id = ?2 and erased_at is null {which} order by seq limit ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes(), limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("messages", row);
        found.push(Found {
            message: cells.id()?,
            account: cells.id()?,
            status: cells.word()?,
            wamid: cells.get()?,
            raw: read_raw(&mut cells)?,
        });
    }
    let mut blanks = Blanks::default();
    for message in &found {
        erase_message(connection, workspace, message, (marks, now), &mut blanks)?;
    }
    blanks.apply(connection)?;
    Ok(found.len())
}

/// Where bytes stand, from three columns.
fn read_raw(cells: &mut Cells<'_>) -> SqlResult<Option<(i64, Span)>> {
    let post: Option<i64> = cells.get()?;
    let start: Option<u32> = cells.get()?;
    let length: Option<u32> = cells.get()?;
    Ok(post.zip(start.zip(length)).map(|(post, (start, length))| (post, (place(start), place(length)))))
}

/// A place in a body, as the rows have it.
pub(crate) fn place(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Bytes of posts that are to be blanked, by post.
#[derive(Default)]
struct Blanks(BTreeMap<i64, Vec<Span>>);

impl Blanks {
    fn add(&mut self, raw: Option<(i64, Span)>) {
        if let Some((post, span)) = raw {
            self.0.entry(post).or_default().push(span);
        }
    }

    fn apply(self, connection: &Connection) -> SqlResult<()> {
        for (post, spans) in self.0 {
            blank_post(connection, post, &spans)?;
        }
        Ok(())
    }
}

/// Blanks bytes of one post.
pub(crate) fn blank_post(connection: &Connection, post: i64, spans: &[Span]) -> SqlResult<()> {
    let body: Option<Vec<u8>> = connection
        .prepare_cached("select body from webhook_payloads where seq = ?1")?
        .query_row([post], |row| row.get(0))
        .optional()?;
    let Some(mut body) = body else { return Ok(()) };
    for span in spans {
        redact::blank(&mut body, *span);
    }
    put_body(connection, post, &body)
}

fn put_body(connection: &Connection, post: i64, body: &[u8]) -> SqlResult<()> {
    connection
        .prepare_cached("update webhook_payloads set body = ?2 where seq = ?1")?
        .execute((post, body))?;
    Ok(())
}

fn erase_message(
    connection: &Connection,
    workspace: WorkspaceId,
    found: &Found,
    (marks, now): (&[String], Timestamp),
    blanks: &mut Blanks,
) -> SqlResult<()> {
    blanks.add(found.raw);
    let mut wamids: BTreeSet<String> = found.wamid.iter().cloned().collect();
    {
        let mut statement = connection.prepare_cached(
            "select wamid, payload_seq, payload_start, payload_length from message_timeline where workspace_id = ?1 and message_id = ?2",
        )?;
        let mut rows = statement.query((workspace.as_bytes(), found.message.as_bytes()))?;
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("message_timeline", row);
            wamids.extend(cells.get::<Option<String>>()?);
            blanks.add(read_raw(&mut cells)?);
        }
    }
    connection
        .prepare_cached(
            "update message_timeline set error = null, payload_seq = null, payload_start = null, payload_length = null
             where workspace_id = ?1 and message_id = ?2",
        )?
        .execute((workspace.as_bytes(), found.message.as_bytes()))?;
    for wamid in &wamids {
        let digest = digest(wamid);
        for sql in [
            "update or replace wamids set wamid = ?3 where workspace_id = ?1 and wamid = ?2 and message_id = ?4",
            "update message_timeline set wamid = ?3 where workspace_id = ?1 and wamid = ?2 and message_id = ?4",
        ] {
            connection.prepare_cached(sql)?.execute((
                workspace.as_bytes(),
                wamid,
                &digest,
                found.message.as_bytes(),
            ))?;
        }
        forget_early(connection, (workspace, found.account), wamid)?;
    }
    connection
        .prepare_cached(
            "update messages
             set wamid = ?3, wa_id = null, bsuid = null, client_reference = null, context_wamid = null,
                 identity_key_hash = null, content = null, fallback = null, error = null,
                 payload_seq = null, payload_start = null, payload_length = null, erased_at = ?4
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((
            workspace.as_bytes(),
            found.message.as_bytes(),
            found.wamid.as_deref().map(digest),
            micros(now),
        ))?;
    records::erase(connection, workspace, found.message)?;
    forget_answers(connection, workspace, found.message, marks)?;
    if found.status == MessageStatus::Queued {
        finish::end_here(connection, workspace, found.message, (MessageStatus::Canceled, None), now)?;
    }
    Ok(())
}

/// Forgets the kept answers of a message. Its keys stay in use, so that a repeated request sends nothing again; but not
/// one that names the person.
fn forget_answers(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    marks: &[String],
) -> SqlResult<()> {
    let keys = (workspace.as_bytes(), message.as_bytes());
    connection
        .prepare_cached(
            "update idempotency_records set status = null, body = null where workspace_id = ?1 and message_id = ?2",
        )?
        .execute(keys)?;
    for mark in marks {
        connection
            .prepare_cached(
                "delete from idempotency_records where workspace_id = ?1 and message_id = ?2 and instr(key, ?3) > 0",
            )?
            .execute((keys.0, keys.1, mark))?;
    }
    Ok(())
}

/// Forgets the reports that came before it was known whose they are.
pub(crate) fn forget_early(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    wamid: &str,
) -> SqlResult<()> {
    let mut blanks = Blanks::default();
    {
        let mut statement = connection.prepare_cached(
            "delete from pending_statuses where workspace_id = ?1 and account_id = ?2 and wamid = ?3
             returning payload_seq, payload_start, payload_length",
        )?;
        let mut rows = statement.query((workspace.as_bytes(), account.as_bytes(), wamid))?;
        while let Some(row) = rows.next()? {
            blanks.add(read_raw(&mut Cells::new("pending_statuses", row))?);
        }
    }
    blanks.apply(connection)
}

/// The work that is left for one person.
struct Erasure {
    contact: ContactId,
    workspace: WorkspaceId,
    marks: Vec<String>,
    old_marks: BTreeMap<String, i64>,
    step: String,
    next: i64,
    /// The last rows of posts, events, deliveries and messages when it began.
    last: [i64; 4],
}

fn oldest(connection: &Connection) -> SqlResult<Option<Erasure>> {
    // Those that only wait for the files come last: one look at the files does for all of them.
    let mut statement = connection.prepare_cached(
        "select contact_id, workspace_id, identifiers, former_identifiers, step, next_seq, last_payload, last_event, last_delivery, last_message
         from erasures order by step = 'file', created_at, contact_id limit 1",
    )?;
    let mut rows = statement.query(())?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("erasures", row);
    Ok(Some(Erasure {
        contact: cells.id()?,
        workspace: cells.id()?,
        marks: cells.json()?,
        old_marks: cells.json()?,
        step: cells.get()?,
        next: cells.get()?,
        last: [cells.get()?, cells.get()?, cells.get()?, cells.get()?],
    }))
}

/// Takes the oldest erasure a step further.
pub(crate) fn step(connection: &Connection, limit: u32, now: Timestamp) -> SqlResult<ErasureStep> {
    let Some(erasure) = oldest(connection)? else { return Ok(ErasureStep::Idle) };
    let [last_post, last_event, last_delivery, last_message] = erasure.last;
    // Where the next step of this kind begins; `None`: this kind is done.
    let (reached, following) = match erasure.step.as_str() {
        "messages" => (messages(connection, &erasure, limit, now)?, "payloads"),
        "payloads" => (posts(connection, &erasure, last_post, limit.min(POSTS_A_STEP))?, "events"),
        "events" => (events(connection, &erasure, (last_event, limit), now)?, "deliveries"),
        "deliveries" => (deliveries(connection, &erasure, last_delivery, limit)?, "contexts"),
        "contexts" => (contexts(connection, &erasure, last_message, limit)?, "file"),
        "file" => return Ok(ErasureStep::Files),
        _ => return Err(SqlError::Bug("an erasure is at a step that there is not")),
    };
    let (step, next) = reached.map_or((following, 0), |next| (erasure.step.as_str(), next));
    connection
        .prepare_cached(
            "update erasures set step = ?2, next_seq = ?3, identifiers = case ?2 when 'file' then '[]' else identifiers end,
                 former_identifiers = case ?2 when 'file' then '{}' else former_identifiers end
             where contact_id = ?1",
        )?
        .execute((erasure.contact.as_bytes(), step, next))?;
    Ok(ErasureStep::More)
}

/// Ends the erasures of which nothing is left in the files.
pub(crate) fn finish(connection: &Connection) -> SqlResult<()> {
    connection.prepare_cached("delete from erasures where step = 'file'")?.execute(())?;
    Ok(())
}

fn messages(
    connection: &Connection,
    erasure: &Erasure,
    limit: u32,
    now: Timestamp,
) -> SqlResult<Option<i64>> {
    let whose = (erasure.workspace, erasure.contact);
    let n_erased = erase_some(connection, whose, (&erasure.marks, limit.min(AT_ONCE)), false, now)?;
    Ok((n_erased > 0).then_some(0))
}

/// The end of the next rows of a table: those with positions from `next` up to it are looked at in this step.
fn reach(
    connection: &Connection,
    sql: &str,
    workspace: Option<WorkspaceId>,
    (next, last, limit): (i64, i64, u32),
) -> SqlResult<Option<i64>> {
    let workspace = workspace.map(|workspace| workspace.as_bytes().to_vec());
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![workspace, next, last, limit], |row| row.get::<_, Option<i64>>(0))?)
}

/// Ids of numbers and WhatsApp Business Accounts that are another workspace's.
struct Foreigners(BTreeSet<String>);

impl Owners for Foreigners {
    fn is_foreign(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

fn foreigners(connection: &Connection, workspace: WorkspaceId) -> SqlResult<Foreigners> {
    let mut statement =
        connection.prepare_cached("select phone_number_id, waba_id, workspace_id = ?1 from accounts")?;
    let mut rows = statement.query([workspace.as_bytes()])?;
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("accounts", row);
        let ids: [String; 2] = [cells.get()?, cells.get()?];
        if cells.flag()? { ours.extend(ids) } else { theirs.extend(ids) }
    }
    Ok(Foreigners(theirs.difference(&ours).cloned().collect()))
}

fn posts(connection: &Connection, erasure: &Erasure, last: i64, limit: u32) -> SqlResult<Option<i64>> {
    let range = (erasure.next, last, limit);
    let sql = "select max(seq) from (
                   select seq from webhook_payloads where ?1 is null and seq >= ?2 and seq <= ?3 order by seq limit ?4)";
    let Some(end) = reach(connection, sql, None, range)? else { return Ok(None) };
    let owners = foreigners(connection, erasure.workspace)?;
    let all: Vec<String> = erasure.marks.iter().chain(erasure.old_marks.keys()).cloned().collect();
    for (post, received_at) in marked_posts(connection, &all, (erasure.next, end))? {
        // What was somebody else's when it came stays.
        let was_theirs = erasure.old_marks.iter().filter(|(_, until)| received_at <= **until);
        let marks: Vec<String> =
            erasure.marks.iter().chain(was_theirs.map(|(mark, _)| mark)).cloned().collect();
        scrub_post(connection, post, &marks, &owners)?;
    }
    Ok(Some(end.saturating_add(1)))
}

/// Posts with one of the marks, and when they came.
fn marked_posts(
    connection: &Connection,
    marks: &[String],
    (from, to): (i64, i64),
) -> SqlResult<Vec<(i64, i64)>> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let has_mark = vec!["instr(body, ?) > 0"; marks.len()].join(" or ");
    let sql = format!(
        "select seq, received_at from webhook_payloads where seq between ? and ? and ({has_mark}) order by seq"
    );
    let mut statement = connection.prepare(&sql)?;
    let range = [Value::Integer(from), Value::Integer(to)];
    let values = range.into_iter().chain(marks.iter().map(|mark| Value::Blob(mark.clone().into_bytes())));
    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes a person out of a post, and out of what points to it.
fn scrub_post(connection: &Connection, post: i64, marks: &[String], owners: &dyn Owners) -> SqlResult<()> {
    let mut body: Vec<u8> = connection
        .prepare_cached("select body from webhook_payloads where seq = ?1")?
        .query_row([post], |row| row.get(0))?;
    match redact::elements(&body, marks, owners) {
        Some(spans) if spans.is_empty() => return Ok(()),
        Some(spans) => {
            for (start, length) in spans {
                redact::blank(&mut body, (start, length));
                forget_parts(connection, post, (start, start.saturating_add(length)))?;
            }
        }
        None => {
            redact::blank_marks(&mut body, marks);
            forget_parts(connection, post, (0, body.len()))?;
        }
    }
    put_body(connection, post, &body)
}

/// A place in a body, for the rows.
fn row_place(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

fn forget_parts(connection: &Connection, post: i64, (from, to): Span) -> SqlResult<()> {
    for sql in [
        "delete from pending_statuses where payload_seq = ?1 and payload_start >= ?2 and payload_start < ?3",
        "update webhook_changes set reason = null where payload_seq = ?1 and payload_start >= ?2 and payload_start < ?3",
    ] {
        connection.prepare_cached(sql)?.execute((post, row_place(from), row_place(to)))?;
    }
    Ok(())
}

/// Takes a person who is not a contact out of a post that was just written.
pub(crate) fn scrub_new_post(
    connection: &Connection,
    workspace: WorkspaceId,
    post: i64,
    marks: &[String],
) -> SqlResult<()> {
    let owners = foreigners(connection, workspace)?;
    scrub_post(connection, post, marks, &owners)
}

/// What an event of an erased person says: whose it was is nobody's business any more.
const MINIMAL: &str = "json_object('id', json_extract(data, '$.id'), 'erased', json('true'))";

fn events(
    connection: &Connection,
    erasure: &Erasure,
    (last, limit): (i64, u32),
    now: Timestamp,
) -> SqlResult<Option<i64>> {
    let sql = "select max(seq) from (
                   select seq from events where workspace_id = ?1 and seq >= ?2 and seq <= ?3 order by seq limit ?4)";
    let range = (erasure.next, last, limit);
    let Some(end) = reach(connection, sql, Some(erasure.workspace), range)? else { return Ok(None) };
    // The marks are looked for as well: a contact that became part of this one has left events under an id of its own.
    let sql = format!(
        "update events set data = {MINIMAL}, erased_at = ?6
         where workspace_id = ?1 and seq between ?2 and ?3 and contact_id is not null
           and (contact_id = ?4 or exists (
               select 1 from json_each(?5) m
               where instr(data, m.value) > 0
                 and (m.value in (json_extract(data, '$.user_id'), json_extract(data, '$.recipient'))
                      or '+' || m.value in (
                          json_extract(data, '$.to'), json_extract(data, '$.from'),
                          json_extract(data, '$.phone_number')))))"
    );
    connection.prepare_cached(&sql)?.execute(params![
        erasure.workspace.as_bytes(),
        erasure.next,
        end,
        erasure.contact.as_bytes(),
        json(&erasure.marks)?,
        micros(now),
    ])?;
    Ok(Some(end.saturating_add(1)))
}

fn deliveries(connection: &Connection, erasure: &Erasure, last: i64, limit: u32) -> SqlResult<Option<i64>> {
    let sql = "select max(seq) from (
                   select seq from deliveries where workspace_id = ?1 and seq >= ?2 and seq <= ?3
                   order by seq limit ?4)";
    let range = (erasure.next, last, limit);
    let Some(end) = reach(connection, sql, Some(erasure.workspace), range)? else { return Ok(None) };
    // An endpoint may say what it likes, also of somebody else's event.
    connection
        .prepare_cached(
            "update deliveries set response = null
             where workspace_id = ?1 and seq between ?2 and ?3 and response is not null and (
                 exists (select 1 from json_each(?4) m where instr(response, m.value) > 0)
                 or exists (
                     select 1 from events e
                     where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq
                       and e.erased_at is not null))",
        )?
        .execute((erasure.workspace.as_bytes(), erasure.next, end, json(&erasure.marks)?))?;
    Ok(Some(end.saturating_add(1)))
}

/// Messages that answer an erased one name it by its digest, too.
fn contexts(connection: &Connection, erasure: &Erasure, last: i64, limit: u32) -> SqlResult<Option<i64>> {
    let sql = "select max(seq) from (
                   select seq from messages where workspace_id = ?1 and seq >= ?2 and seq <= ?3 order by seq limit ?4)";
    let range = (erasure.next, last, limit);
    let Some(end) = reach(connection, sql, Some(erasure.workspace), range)? else { return Ok(None) };
    let answers: Vec<(i64, String)> = {
        let mut statement = connection.prepare_cached(
            "select seq, context_wamid from messages
             where workspace_id = ?1 and seq between ?2 and ?3 and context_wamid is not null",
        )?;
        let rows = statement.query_map((erasure.workspace.as_bytes(), erasure.next, end), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        rows.collect::<Result<_, _>>()?
    };
    for (seq, wamid) in answers {
        if is_erased_wamid(connection, erasure.workspace, &wamid)? {
            connection
                .prepare_cached("update messages set context_wamid = ?2 where seq = ?1")?
                .execute((seq, digest(&wamid)))?;
        }
    }
    Ok(Some(end.saturating_add(1)))
}
