//! What the application keeps of people: listed, written down, joined when two turn out to be one.
//!
//! **Invariant:** a change and the event that tells it are one transaction; what changes nothing is not told.

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::check::Patch;
use domain::contacts::contact::{ContactChange, CustomFields, MAX_CUSTOM_FIELDS, MAX_TAGS, custom_text};
use domain::contacts::opt_out::{OptOut, OptOutReason, OptOutSignal};
use domain::contacts::phone::{Bsuid, PhoneNumber};
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::json::Object;
use domain::messages::window::Window;
use engine::ports::{
    Contact, ContactEnd, ContactFilter, ContactPut, ContactTarget, Page, PageRequest, Windows,
};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use crate::access::audit;
use crate::contacts::{opt_out, resolve};
use crate::error::{SqlError, SqlResult};
use crate::events::event_payloads;
use crate::row::{Cells, json, micros};
use crate::sqlite::page::{List, Order, bytes, containing, text};

const COLUMNS: &str = "seq, id, wa_id, bsuid, coalesce(name, profile_name), username, tags, stage, email, custom_fields, \
    last_inbound_at, opted_out_at, opted_out_reason, created_at";

fn read(cells: &mut Cells<'_>) -> SqlResult<Contact> {
    Ok(Contact {
        id: cells.id()?,
        wa_id: cells.get()?,
        user_id: cells.get()?,
        name: cells.get()?,
        username: cells.get()?,
        tags: cells.json()?,
        stage: cells.get()?,
        email: cells.get()?,
        custom_fields: cells.json()?,
        last_inbound_at: cells.opt_at()?,
        opted_out: opt_out::stopped(cells)?,
        created_at: cells.at()?,
    })
}

pub(crate) fn one(
    connection: &Connection,
    workspace: WorkspaceId,
    id: ContactId,
) -> SqlResult<Option<Contact>> {
    let sql = format!("select {COLUMNS} from contacts where workspace_id = ?1 and id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), id.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("contacts", row);
    let _seq: i64 = cells.get()?;
    read(&mut cells).map(Some)
}

pub(crate) fn page(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &ContactFilter,
    page: PageRequest,
) -> SqlResult<Page<Contact>> {
    let tenant = || bytes(workspace.as_bytes());
    let mut list = List::of("contacts", COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [tenant()]);
    if let Some(wa_ids) = &filter.wa_ids {
        let places = vec!["?"; wa_ids.len()].join(", ");
        let values = std::iter::once(tenant()).chain(wa_ids.iter().map(|wa_id| text(wa_id)));
        list.with(
            format!(
                "id in (select contact_id from contact_numbers where workspace_id = ? and wa_id in ({places}))"
            ),
            values,
        );
    }
    if let Some(accounts) = &filter.accounts {
        let places = vec!["?"; accounts.len()].join(", ");
        let theirs = "select 1 from messages m where m.workspace_id = contacts.workspace_id
             and m.contact_id = contacts.id";
        let unplaced = if filter.has_unplaced { format!("or not exists ({theirs})") } else { String::new() };
        list.with(
            format!("(exists ({theirs} and m.account_id in ({places})) {unplaced})"),
            accounts.iter().map(|account| bytes(account.as_bytes())),
        );
    }
    if let Some(tag) = &filter.tag {
        list.with(
            "id in (select contact_id from contact_tags where workspace_id = ? and tag = ?)",
            [tenant(), text(tag)],
        );
    }
    if let Some(stage) = &filter.stage {
        list.with("stage = ?", [text(stage)]);
    }
    if let Some(has_opted_out) = filter.has_opted_out {
        list.with("(opted_out_at is not null) = ?", [Value::Integer(i64::from(has_opted_out))]);
    }
    if let Some(search) = &filter.search {
        let pattern = containing(search);
        // A number as people write it is found as well.
        let digits: String = search.chars().filter(char::is_ascii_digit).collect();
        let is_number =
            !digits.is_empty() && search.chars().all(|c| c.is_ascii_digit() || " +-.()".contains(c));
        let number = if is_number { containing(&digits) } else { pattern.clone() };
        list.with(
            "(name like ? escape '\\' or profile_name like ? escape '\\' or wa_id like ? escape '\\')",
            [pattern.clone(), pattern, number],
        );
    }
    list.page(connection, page, read)
}

pub(crate) fn custom_keys(
    connection: &Connection,
    workspace: WorkspaceId,
    limit: u32,
) -> SqlResult<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select distinct f.key from contacts c, json_each(c.custom_fields) f
         where c.workspace_id = ?1 and c.custom_fields <> '{}' order by f.key limit ?2",
    )?;
    let rows = statement.query_map((workspace.as_bytes(), limit), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn windows(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<Windows> {
    let mut statement = connection.prepare_cached(
        "select account_id, last_inbound_at, refused_at from service_windows where workspace_id = ?1 and contact_id = ?2",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
    let mut windows = Windows::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("service_windows", row);
        let account: AccountId = cells.id()?;
        windows.push((account, Window { last_inbound_at: cells.opt_at()?, refused_at: cells.opt_at()? }));
    }
    Ok(windows)
}

/// What is written down about a person by somebody, before and after a change.
#[derive(Clone, PartialEq)]
struct Card {
    wa_id: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
    tags: Vec<String>,
    stage: Option<String>,
    email: Option<String>,
    custom_fields: Object,
    opt_out: OptOut,
}

impl Card {
    fn empty() -> Self {
        Self {
            wa_id: None,
            user_id: None,
            name: None,
            tags: Vec::new(),
            stage: None,
            email: None,
            custom_fields: Object::new(),
            opt_out: OptOut::default(),
        }
    }

    /// The card, and the name that the person gave to the profile.
    fn read(
        connection: &Connection,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> SqlResult<Option<(Self, Option<String>)>> {
        let mut statement = connection.prepare_cached(
            "select wa_id, bsuid, name, tags, stage, email, custom_fields, marketing_preference_at, opted_out_at,
                    opted_out_reason, profile_name
             from contacts where workspace_id = ?1 and id = ?2",
        )?;
        let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut cells = Cells::new("contacts", row);
        let card = Self {
            wa_id: cells.get()?,
            user_id: cells.get()?,
            name: cells.get()?,
            tags: cells.json()?,
            stage: cells.get()?,
            email: cells.get()?,
            custom_fields: cells.json()?,
            opt_out: OptOut { wished_at: cells.opt_at()?, stopped: opt_out::stopped(&mut cells)? },
        };
        Ok(Some((card, cells.get()?)))
    }

    /// The card after a change. A name that is the profile's own says nothing.
    fn after(
        &self,
        change: &ContactChange,
        profile_name: Option<&str>,
        (reason, now): (OptOutReason, Timestamp),
    ) -> Self {
        let mut after = self.clone();
        set(&mut after.wa_id, change.phone_number.clone(), |number| number.digits().to_owned());
        set(&mut after.user_id, change.user_id.clone(), |user| user.as_str().to_owned());
        set(&mut after.stage, change.stage.clone(), |stage| stage);
        set(&mut after.email, change.email.clone(), |email| email);
        let is_profiles_own = matches!(&change.name, Patch::Set(name) if profile_name == Some(name));
        if self.name.is_some() || !is_profiles_own {
            set(&mut after.name, change.name.clone(), |name| name);
        }
        match &change.tags {
            Patch::Keep => {}
            Patch::Clear => after.tags.clear(),
            Patch::Set(tags) => after.tags.clone_from(tags),
        }
        match &change.custom_fields {
            Patch::Keep => {}
            Patch::Clear => after.custom_fields = Object::new(),
            Patch::Set(CustomFields::All(fields)) => after.custom_fields.clone_from(fields),
            Patch::Set(CustomFields::Some(texts)) => {
                for (key, value) in texts {
                    if after.custom_fields.get(key).map(custom_text).as_deref() != Some(value) {
                        after.custom_fields.insert(key, value.as_str());
                    }
                }
            }
        }
        let wish = match change.opted_out {
            Patch::Keep => None,
            Patch::Set(true) => Some(OptOutSignal::Stop),
            Patch::Set(false) | Patch::Clear => Some(OptOutSignal::Start),
        };
        // To say what is so already is no new wish: the reason stays what it was.
        if let Some(wish) = wish
            && self.opt_out.stopped.is_some() != (wish == OptOutSignal::Stop)
        {
            let at = self.opt_out.wished_at.map_or(now, |before| before.max(now));
            after.opt_out = match wish {
                OptOutSignal::Stop => self.opt_out.after(wish, at, reason),
                // The application's word counts against a wish of the same moment.
                OptOutSignal::Start => OptOut { wished_at: Some(at), stopped: None },
            };
        }
        after
    }

    fn changes(&self, after: &Self) -> Vec<&'static str> {
        [
            (self.wa_id != after.wa_id, "phone_number"),
            (self.user_id != after.user_id, "user_id"),
            (self.name != after.name, "name"),
            (self.tags != after.tags, "tags"),
            (self.stage != after.stage, "stage"),
            (self.email != after.email, "email"),
            (!self.custom_fields.same_as(&after.custom_fields), "custom_fields"),
            (self.opt_out.stopped.is_some() != after.opt_out.stopped.is_some(), "opted_out"),
        ]
        .into_iter()
        .filter_map(|(has_changed, name)| has_changed.then_some(name))
        .collect()
    }

    fn write(
        &self,
        connection: &Connection,
        workspace: WorkspaceId,
        contact: ContactId,
        now: Timestamp,
    ) -> SqlResult<()> {
        connection
            .prepare_cached(
                "update contacts
                 set wa_id = ?3, bsuid = ?4, name = ?5, tags = ?6, stage = ?7, email = ?8, custom_fields = ?9,
                     updated_at = ?10
                 where workspace_id = ?1 and id = ?2",
            )?
            .execute(params![
                workspace.as_bytes(),
                contact.as_bytes(),
                self.wa_id,
                self.user_id,
                self.name,
                json(&self.tags)?,
                self.stage,
                self.email,
                json(&self.custom_fields)?,
                micros(now),
            ])?;
        opt_out::write(connection, workspace, contact, self.opt_out)
    }
}

fn set<T>(place: &mut Option<String>, change: Patch<T>, text: impl FnOnce(T) -> String) {
    match change {
        Patch::Keep => {}
        Patch::Clear => *place = None,
        Patch::Set(value) => *place = Some(text(value)),
    }
}

/// Writes things down about people, one after the other; a rehearsal, which is no act, takes all of it back.
pub(crate) fn put_all(
    connection: &Connection,
    workspace: WorkspaceId,
    puts: &[ContactPut],
    (act, now): (Option<&AuditEntry>, Timestamp),
) -> SqlResult<Vec<ContactEnd>> {
    connection.prepare_cached("savepoint contacts")?.execute(())?;
    let ends: SqlResult<Vec<_>> = puts.iter().map(|put| put_one(connection, workspace, put, now)).collect();
    if act.is_none() {
        connection.prepare_cached("rollback to contacts")?.execute(())?;
    }
    connection.prepare_cached("release contacts")?.execute(())?;
    let ends = ends?;
    if let Some(act) = act {
        write_down(connection, act, &ends)?;
    }
    Ok(ends)
}

/// Writes down in the audit log what was done: ids and counts, no names and no numbers.
fn write_down(connection: &Connection, act: &AuditEntry, ends: &[ContactEnd]) -> SqlResult<()> {
    let (mut n_created, mut n_updated) = (0_i64, 0_i64);
    let mut changed = None;
    for end in ends {
        match end {
            ContactEnd::Created(contact) => {
                n_created += 1;
                changed = Some((contact.id, AuditAction::ContactAdded));
            }
            ContactEnd::Updated(contact) => {
                n_updated += 1;
                changed = Some((contact.id, AuditAction::ContactChanged));
            }
            ContactEnd::Unchanged(_)
            | ContactEnd::Taken(_)
            | ContactEnd::NotFound
            | ContactEnd::Nameless
            | ContactEnd::TooManyFields(_) => {}
        }
    }
    let Some((id, action)) = changed else { return Ok(()) };
    let act = act.clone();
    let act = if act.subject.kind == AuditTargetKind::Contact {
        let subject = AuditTarget { id: id.to_string(), ..act.subject };
        AuditEntry { action, subject, ..act }
    } else {
        act.with("created", n_created).with("updated", n_updated)
    };
    audit::write(connection, &act)
}

fn put_one(
    connection: &Connection,
    workspace: WorkspaceId,
    put: &ContactPut,
    now: Timestamp,
) -> SqlResult<ContactEnd> {
    let change = &put.change;
    let owner = owner(connection, workspace, change)?;
    let known = match (put.target, owner) {
        (ContactTarget::New, Owner::One(taken)) | (_, Owner::Two(taken)) => {
            return Ok(ContactEnd::Taken(taken));
        }
        (ContactTarget::Known(id), Owner::One(taken)) if taken != id => return Ok(ContactEnd::Taken(taken)),
        (ContactTarget::Known(id), _) => Some(id),
        (ContactTarget::Whoever, Owner::One(id)) => Some(id),
        (ContactTarget::New | ContactTarget::Whoever, Owner::Nobody) => None,
    };
    let Some(id) = known else { return create(connection, workspace, put, now) };
    let Some((before, profile_name)) = Card::read(connection, workspace, id)? else {
        return Ok(ContactEnd::NotFound);
    };
    let mut after = before.after(change, profile_name.as_deref(), (put.reason, now));
    if put.target == ContactTarget::Whoever && is_same_number(&before, &after) {
        // Another spelling of a number that we know: Meta's own stays.
        after.wa_id.clone_from(&before.wa_id);
    }
    if let Some(end) = unfit(&after) {
        return Ok(end);
    }
    let changes = before.changes(&after);
    if changes.is_empty() {
        return Ok(ContactEnd::Unchanged(shown(connection, workspace, id)?));
    }
    after.write(connection, workspace, id, now)?;
    if before.wa_id != after.wa_id {
        renumber(connection, workspace, id, &before, &after)?;
    }
    if before.tags != after.tags {
        retag(connection, workspace, id, &after.tags)?;
    }
    event_payloads::person(connection, (workspace, None), id, (&changes, None), now)?;
    Ok(ContactEnd::Updated(shown(connection, workspace, id)?))
}

fn create(
    connection: &Connection,
    workspace: WorkspaceId,
    put: &ContactPut,
    now: Timestamp,
) -> SqlResult<ContactEnd> {
    let card = Card::empty().after(&put.change, None, (put.reason, now));
    if let Some(end) = unfit(&card) {
        return Ok(end);
    }
    let id = put.fresh;
    connection
        .prepare_cached(
            "insert into contacts (id, workspace_id, created_at, updated_at) values (?1, ?2, ?3, ?3)",
        )?
        .execute((id.as_bytes(), workspace.as_bytes(), micros(now)))?;
    card.write(connection, workspace, id, now)?;
    if let Some(wa_id) = &card.wa_id {
        resolve::add_number(connection, workspace, id, wa_id)?;
    }
    retag(connection, workspace, id, &card.tags)?;
    event_payloads::person(connection, (workspace, None), id, (&[], None), now)?;
    Ok(ContactEnd::Created(shown(connection, workspace, id)?))
}

fn shown(connection: &Connection, workspace: WorkspaceId, id: ContactId) -> SqlResult<Contact> {
    one(connection, workspace, id)?.ok_or(SqlError::Bug("a contact that was written is not there"))
}

/// Why a card cannot be.
fn unfit(card: &Card) -> Option<ContactEnd> {
    if card.wa_id.is_none() && card.user_id.is_none() {
        return Some(ContactEnd::Nameless);
    }
    let n_fields = card.custom_fields.len();
    (n_fields > MAX_CUSTOM_FIELDS).then_some(ContactEnd::TooManyFields(n_fields))
}

/// Who has the number and the user id of a change.
#[derive(Clone, Copy)]
enum Owner {
    Nobody,
    One(ContactId),
    /// The number is one person's, the user id another's: this is whose user id it is.
    Two(ContactId),
}

fn owner(connection: &Connection, workspace: WorkspaceId, change: &ContactChange) -> SqlResult<Owner> {
    let number: Option<&PhoneNumber> = given(&change.phone_number);
    let user: Option<&Bsuid> = given(&change.user_id);
    let by_number = match number {
        Some(number) => resolve::by_any_spelling(connection, workspace, number.digits())?,
        None => None,
    };
    let by_user = match user {
        Some(user) => resolve::by_user(connection, workspace, user.as_str())?,
        None => None,
    };
    Ok(match (by_number, by_user) {
        (Some(one), Some(other)) if one != other => Owner::Two(other),
        (Some(one), _) | (None, Some(one)) => Owner::One(one),
        (None, None) => Owner::Nobody,
    })
}

fn given<T>(change: &Patch<T>) -> Option<&T> {
    match change {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Clear => None,
    }
}

/// Whether two cards have spellings of one number.
fn is_same_number(before: &Card, after: &Card) -> bool {
    let number = |card: &Card| card.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok());
    number(before).zip(number(after)).is_some_and(|(before, after)| before.is_same_person(&after))
}

/// Makes the new number the one by which the person is found; the old ones are nobody's, unless all are one number.
fn renumber(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    before: &Card,
    after: &Card,
) -> SqlResult<()> {
    if !is_same_number(before, after) {
        connection
            .prepare_cached("delete from contact_numbers where workspace_id = ?1 and contact_id = ?2")?
            .execute((workspace.as_bytes(), contact.as_bytes()))?;
    }
    if let Some(wa_id) = &after.wa_id {
        connection
            .prepare_cached(
                "insert into contact_numbers (workspace_id, wa_id, contact_id) values (?1, ?2, ?3)
                 on conflict (workspace_id, wa_id) do nothing",
            )?
            .execute((workspace.as_bytes(), wa_id, contact.as_bytes()))?;
    }
    Ok(())
}

fn retag(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    tags: &[String],
) -> SqlResult<()> {
    connection
        .prepare_cached("delete from contact_tags where contact_id = ?2 and workspace_id = ?1")?
        .execute((workspace.as_bytes(), contact.as_bytes()))?;
    let mut insert = connection
        .prepare_cached("insert into contact_tags (workspace_id, tag, contact_id) values (?1, ?2, ?3)")?;
    for tag in tags {
        insert.execute((workspace.as_bytes(), tag, contact.as_bytes()))?;
    }
    Ok(())
}

/// Takes the row of `gone` into that of `kept`: what only one of them has, both groups' tags, the later wish.
pub(crate) fn join(
    connection: &Connection,
    workspace: WorkspaceId,
    kept: ContactId,
    gone: ContactId,
) -> SqlResult<()> {
    let missing = || SqlError::Bug("a contact that is merged is not there");
    let (ours, _) = Card::read(connection, workspace, kept)?.ok_or_else(missing)?;
    let (theirs, profile_name) = Card::read(connection, workspace, gone)?.ok_or_else(missing)?;
    connection
        .prepare_cached("delete from contact_tags where workspace_id = ?1 and contact_id = ?2")?
        .execute((workspace.as_bytes(), gone.as_bytes()))?;
    let (username, resting_until, last_inbound_at): (Option<String>, Option<i64>, Option<i64>) = connection
        .prepare_cached(
            "delete from contacts where workspace_id = ?1 and id = ?2
             returning username, marketing_limited_until, last_inbound_at",
        )?
        .query_row((workspace.as_bytes(), gone.as_bytes()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut card = ours.clone();
    card.wa_id = card.wa_id.or(theirs.wa_id);
    card.user_id = card.user_id.or(theirs.user_id);
    card.name = card.name.or(theirs.name);
    card.stage = card.stage.or(theirs.stage);
    card.email = card.email.or(theirs.email);
    for tag in theirs.tags {
        if !card.tags.contains(&tag) && card.tags.len() < MAX_TAGS {
            card.tags.push(tag);
        }
    }
    for (key, value) in theirs.custom_fields {
        if card.custom_fields.get(&key).is_none() && card.custom_fields.len() < MAX_CUSTOM_FIELDS {
            card.custom_fields.insert(&key, value);
        }
    }
    card.opt_out = ours.opt_out.join(theirs.opt_out);
    connection
        .prepare_cached(
            "update contacts
             set wa_id = ?3, bsuid = ?4, name = ?5, tags = ?6, stage = ?7, email = ?8, custom_fields = ?9,
                 profile_name = coalesce(profile_name, ?10), username = coalesce(username, ?13),
                 marketing_limited_until = nullif(max(coalesce(marketing_limited_until, 0), coalesce(?11, 0)), 0),
                 last_inbound_at = nullif(max(coalesce(last_inbound_at, 0), coalesce(?12, 0)), 0)
             where workspace_id = ?1 and id = ?2",
        )?
        .execute(params![
            workspace.as_bytes(),
            kept.as_bytes(),
            card.wa_id,
            card.user_id,
            card.name,
            json(&card.tags)?,
            card.stage,
            card.email,
            json(&card.custom_fields)?,
            profile_name,
            resting_until,
            last_inbound_at,
            username
        ])?;
    opt_out::write(connection, workspace, kept, card.opt_out)?;
    if card.tags != ours.tags {
        retag(connection, workspace, kept, &card.tags)?;
    }
    Ok(())
}
