//! People: found by every number and id they are known by, met once, merged when two turn out to be one.

use domain::contacts::phone::PhoneNumber;
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::messages::window::Window;
use domain::webhooks_in::update::WhatsAppUser;
use engine::ports::Recipient;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::contacts::{number_changes, records};
use crate::error::SqlResult;
use crate::events::event_payloads;
use crate::messages::messaging_limit;
use crate::row::{Cells, micros};
use crate::webhooks_out::fan_out;

/// What an acceptance needs to know of a recipient.
pub(crate) struct Acquaintance {
    pub(crate) contact: ContactId,
    pub(crate) has_opted_out: bool,
    pub(crate) resting_until: Option<Timestamp>,
    pub(crate) window: Window,
}

const BY_NUMBER: &str = "
    select c.id, c.opted_out_at is not null, c.marketing_limited_until, w.last_inbound_at, w.refused_at
    from contact_numbers n
    join contacts c on c.id = n.contact_id
    left join service_windows w on w.workspace_id = n.workspace_id and w.account_id = ?3 and w.contact_id = c.id
    where n.workspace_id = ?1 and n.wa_id = ?2";

const BY_USER: &str = "
    select c.id, c.opted_out_at is not null, c.marketing_limited_until, w.last_inbound_at, w.refused_at
    from contacts c
    left join service_windows w on w.workspace_id = c.workspace_id and w.account_id = ?3 and w.contact_id = c.id
    where c.workspace_id = ?1 and c.bsuid = ?2";

/// Looks a recipient up: a number also under the other spellings that WhatsApp treats as the same person.
pub(crate) fn find(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    recipient: &Recipient,
) -> SqlResult<Option<Acquaintance>> {
    let look = |sql: &str, key: &str| -> SqlResult<Option<Acquaintance>> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((workspace.as_bytes(), key, account.as_bytes()))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut cells = Cells::new("contacts", row);
        Ok(Some(Acquaintance {
            contact: cells.id()?,
            has_opted_out: cells.flag()?,
            resting_until: cells.opt_at()?,
            window: Window { last_inbound_at: cells.opt_at()?, refused_at: cells.opt_at()? },
        }))
    };
    match recipient {
        Recipient::User(user) => look(BY_USER, user.as_str()),
        Recipient::Phone(number) => {
            if let Some(found) = look(BY_NUMBER, number.digits())? {
                return Ok(Some(found));
            }
            for variant in number.variants() {
                if let Some(found) = look(BY_NUMBER, variant.digits())? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
    }
}

/// Writes down, and tells of, a person we meet for the first time.
pub(crate) fn meet(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    person: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into contacts (
                 id, workspace_id, wa_id, bsuid, profile_name, username, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )?
        .execute((
            contact.as_bytes(),
            workspace.as_bytes(),
            &person.wa_id,
            &person.user_id,
            &person.name,
            &person.username,
            micros(now),
        ))?;
    if let Some(wa_id) = &person.wa_id {
        add_number(connection, workspace, contact, wa_id)?;
    }
    event_payloads::person(connection, (workspace, Some(account)), contact, (&[], None), now)
}

pub(crate) fn add_number(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    wa_id: &str,
) -> SqlResult<()> {
    connection
        .prepare_cached("insert into contact_numbers (workspace_id, wa_id, contact_id) values (?1, ?2, ?3)")?
        .execute((workspace.as_bytes(), wa_id, contact.as_bytes()))?;
    Ok(())
}

pub(crate) fn by_number(
    connection: &Connection,
    workspace: WorkspaceId,
    wa_id: &str,
) -> SqlResult<Option<ContactId>> {
    let mut statement = connection
        .prepare_cached("select contact_id from contact_numbers where workspace_id = ?1 and wa_id = ?2")?;
    let found = statement.query_row((workspace.as_bytes(), wa_id), |row| row.get(0)).optional()?;
    Ok(found.map(ContactId::from_bytes))
}

/// Whether somebody has this number, in any spelling, or this user id.
pub(crate) fn is_known(connection: &Connection, workspace: WorkspaceId, mark: &str) -> SqlResult<bool> {
    Ok(by_any_spelling(connection, workspace, mark)?.or(by_user(connection, workspace, mark)?).is_some())
}

/// The contact under this number or another spelling of it.
pub(crate) fn by_any_spelling(
    connection: &Connection,
    workspace: WorkspaceId,
    wa_id: &str,
) -> SqlResult<Option<ContactId>> {
    if let Some(found) = by_number(connection, workspace, wa_id)? {
        return Ok(Some(found));
    }
    let Ok(number) = PhoneNumber::from_wa_id(wa_id) else { return Ok(None) };
    for variant in number.variants() {
        if let Some(found) = by_number(connection, workspace, variant.digits())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(crate) fn by_user(
    connection: &Connection,
    workspace: WorkspaceId,
    user_id: &str,
) -> SqlResult<Option<ContactId>> {
    let mut statement =
        connection.prepare_cached("select id from contacts where workspace_id = ?1 and bsuid = ?2")?;
    let found = statement.query_row((workspace.as_bytes(), user_id), |row| row.get(0)).optional()?;
    Ok(found.map(ContactId::from_bytes))
}

/// The contact that goes by one of these ids.
pub(crate) fn known(
    connection: &Connection,
    workspace: WorkspaceId,
    person: &WhatsAppUser,
) -> SqlResult<Option<ContactId>> {
    let numbered = match &person.wa_id {
        Some(wa_id) => by_any_spelling(connection, workspace, wa_id)?,
        None => None,
    };
    match (numbered, &person.user_id) {
        (None, Some(user_id)) => by_user(connection, workspace, user_id),
        (numbered, _) => Ok(numbered),
    }
}

/// The contact that this person is: found by either id, met if new (as `fresh`), merged if the two ids led to two.
pub(crate) fn recognise(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    fresh: ContactId,
    person: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<ContactId> {
    let Some(contact) = known(connection, workspace, person)? else {
        meet(connection, (workspace, account), fresh, person, now)?;
        return Ok(fresh);
    };
    learn(connection, (workspace, account), contact, person, now)?;
    Ok(contact)
}

/// Adds to a contact what a person turned out to be: another spelling of the number, a user id, a profile name.
/// Where that belongs to another contact already, the two are one person and are merged into `contact`.
pub(crate) fn learn(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    person: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<()> {
    // Read and compared here: most of the time there is nothing new, and nothing is written then.
    let known: Option<Identity> = connection
        .prepare_cached(
            "select wa_id, bsuid, profile_name, username, name is not null from contacts
             where workspace_id = ?1 and id = ?2",
        )?
        .query_row((workspace.as_bytes(), contact.as_bytes()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((known_wa_id, known_user_id, known_name, known_username, has_own_name)) = known else {
        return Ok(());
    };
    let mut merged = None;
    if let Some(wa_id) = &person.wa_id
        && known_wa_id.as_ref() != Some(wa_id)
    {
        match by_number(connection, workspace, wa_id)? {
            Some(found) if found == contact => {}
            Some(found) => {
                merge(connection, workspace, contact, found)?;
                merged = Some(found);
            }
            // A late report about a number that its person has left since: it is nobody's until somebody writes.
            None if known_wa_id.is_some() && number_changes::was_left(connection, workspace, wa_id)? => {}
            None => add_number(connection, workspace, contact, wa_id)?,
        }
    }
    let is_new_user = person.user_id.is_some() && person.user_id != known_user_id;
    if let Some(user_id) = person.user_id.as_ref().filter(|_| is_new_user)
        && let Some(found) = by_user(connection, workspace, user_id)?
        && found != contact
    {
        merge(connection, workspace, contact, found)?;
        merged = Some(found);
    }
    let is_new_name = person.name.is_some() && person.name != known_name;
    let is_new_username = person.username.is_some() && person.username != known_username;
    let is_new_number = known_wa_id.is_none() && person.wa_id.is_some();
    if is_new_user || is_new_name || is_new_number || is_new_username {
        connection
            .prepare_cached(
                "update contacts
                 set wa_id = coalesce(wa_id, ?3), bsuid = coalesce(?4, bsuid),
                     profile_name = coalesce(?5, profile_name), username = coalesce(?6, username), updated_at = ?7
                 where workspace_id = ?1 and id = ?2",
            )?
            .execute((
                workspace.as_bytes(),
                contact.as_bytes(),
                &person.wa_id,
                &person.user_id,
                &person.name,
                &person.username,
                micros(now),
            ))?;
    }
    let changes: Vec<_> = [
        (is_new_number, "phone_number"),
        (is_new_user, "user_id"),
        (is_new_name && !has_own_name, "name"),
        (is_new_username, "username"),
        (merged.is_some(), "merged_contact_id"),
    ]
    .into_iter()
    .filter_map(|(has_changed, name)| has_changed.then_some(name))
    .collect();
    if changes.is_empty() {
        return Ok(());
    }
    event_payloads::person(connection, (workspace, Some(account)), contact, (&changes, merged), now)
}

/// What a contact is known by: number, user id, profile name, user name, and whether we gave it a name.
type Identity = (Option<String>, Option<String>, Option<String>, Option<String>, bool);

/// Makes `gone` a part of `kept`: messages, numbers, windows, wishes.
pub(crate) fn merge(
    connection: &Connection,
    workspace: WorkspaceId,
    kept: ContactId,
    gone: ContactId,
) -> SqlResult<()> {
    let keys = (workspace.as_bytes(), kept.as_bytes(), gone.as_bytes());
    for sql in [
        "update messages set contact_id = ?2 where workspace_id = ?1 and contact_id = ?3",
        "update contact_numbers set contact_id = ?2 where workspace_id = ?1 and contact_id = ?3",
        // The later of two times; a time that is not known loses.
        "insert into service_windows (workspace_id, account_id, contact_id, last_inbound_at, refused_at)
         select workspace_id, account_id, ?2, last_inbound_at, refused_at
         from service_windows where workspace_id = ?1 and contact_id = ?3
         on conflict (workspace_id, account_id, contact_id) do update set
             last_inbound_at = nullif(max(coalesce(last_inbound_at, 0), coalesce(excluded.last_inbound_at, 0)), 0),
             refused_at = nullif(max(coalesce(refused_at, 0), coalesce(excluded.refused_at, 0)), 0)",
        "delete from service_windows where workspace_id = ?1 and contact_id = ?3",
        // Whoever was reached is counted; a reservation stays one only where there is nothing more.
        "insert into messaging_limit_recipients (workspace_id, waba_id, contact_id, counted_at, reserved_by)
         select workspace_id, waba_id, ?2, counted_at, reserved_by
         from messaging_limit_recipients where workspace_id = ?1 and contact_id = ?3
         on conflict (workspace_id, waba_id, contact_id) do update set
             counted_at = max(counted_at, excluded.counted_at),
             reserved_by = case when excluded.reserved_by is not null then reserved_by end",
        "delete from messaging_limit_recipients where workspace_id = ?1 and contact_id = ?3",
    ] {
        connection.prepare_cached(sql)?.execute(keys)?;
    }
    fan_out::join_lanes(connection, workspace, kept, gone)?;
    records::join(connection, workspace, kept, gone)
}

/// Opens the window, as far as `at` opens it.
pub(crate) fn open_window(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    at: Timestamp,
    now: Timestamp,
) -> SqlResult<()> {
    let heard = Window::default().heard(at, now).last_inbound_at.map(micros);
    connection
        .prepare_cached(
            "insert into service_windows (workspace_id, account_id, contact_id, last_inbound_at) values (?1, ?2, ?3, ?4)
             on conflict (workspace_id, account_id, contact_id) do update
             set last_inbound_at = max(coalesce(last_inbound_at, 0), excluded.last_inbound_at),
                 refused_at = case when refused_at > excluded.last_inbound_at then refused_at end",
        )?
        .execute((workspace.as_bytes(), account.as_bytes(), contact.as_bytes(), heard))?;
    connection
        .prepare_cached(
            "update contacts set last_inbound_at = max(coalesce(last_inbound_at, 0), ?3)
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), contact.as_bytes(), heard))?;
    // What waited for the messaging limit reaches nobody new any more.
    messaging_limit::let_pass(connection, workspace, contact)
}

/// Writes down that Meta called the window closed at `at`.
pub(crate) fn close_window(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    contact: ContactId,
    at: Timestamp,
) -> SqlResult<()> {
    let refused = Window::default().refused(at).refused_at.map(micros);
    connection
        .prepare_cached(
            "insert into service_windows (workspace_id, account_id, contact_id, refused_at) values (?1, ?2, ?3, ?4)
             on conflict (workspace_id, account_id, contact_id) do update
             set refused_at = max(coalesce(refused_at, 0), excluded.refused_at)",
        )?
        .execute((workspace.as_bytes(), account.as_bytes(), contact.as_bytes(), refused))?;
    Ok(())
}
