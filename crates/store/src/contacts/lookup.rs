//! Lookup of contacts by number and by business-scoped user ID.

use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::messages::window::Window;
use engine::ports::Recipient;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::row::Cells;

/// Facts about a recipient that decide about a send.
pub(crate) struct RecipientFacts {
    pub(crate) contact: ContactId,
    pub(crate) has_opted_out: bool,
    pub(crate) marketing_limited_until: Option<Timestamp>,
    pub(crate) window: Window,
}

const BY_NUMBER: &str = "
    select c.id, c.opted_out_at is not null, c.marketing_limited_until, w.last_inbound_at, w.refused_at
    from contact_numbers n
    join contacts c on c.id = n.contact_id
    left join service_windows w on w.workspace_id = n.workspace_id and w.account_id = ?3 and w.contact_id = c.id
    where n.workspace_id = ?1 and n.wa_id = ?2";

const BY_BSUID: &str = "
    select c.id, c.opted_out_at is not null, c.marketing_limited_until, w.last_inbound_at, w.refused_at
    from contacts c
    left join service_windows w on w.workspace_id = c.workspace_id and w.account_id = ?3 and w.contact_id = c.id
    where c.workspace_id = ?1 and c.bsuid = ?2";

/// Finds a recipient. A number is also found under the other spellings that WhatsApp treats as the same person.
pub(crate) fn find_recipient(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    recipient: &Recipient,
) -> SqlResult<Option<RecipientFacts>> {
    let query = |sql: &str, key: &str| -> SqlResult<Option<RecipientFacts>> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((workspace.as_bytes(), key, account.as_bytes()))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut cells = Cells::new("contacts", row);
        Ok(Some(RecipientFacts {
            contact: cells.id()?,
            has_opted_out: cells.flag()?,
            marketing_limited_until: cells.opt_at()?,
            window: Window { last_inbound_at: cells.opt_at()?, refused_at: cells.opt_at()? },
        }))
    };
    match recipient {
        Recipient::Bsuid(user) => query(BY_BSUID, user.as_str()),
        Recipient::Phone(number) => {
            if let Some(found) = query(BY_NUMBER, number.digits())? {
                return Ok(Some(found));
            }
            for variant in number.variants() {
                if let Some(found) = query(BY_NUMBER, variant.digits())? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        }
    }
}

pub(crate) fn find_by_number(
    connection: &Connection,
    workspace: WorkspaceId,
    wa_id: &str,
) -> SqlResult<Option<ContactId>> {
    let mut statement = connection
        .prepare_cached("select contact_id from contact_numbers where workspace_id = ?1 and wa_id = ?2")?;
    let found = statement.query_row((workspace.as_bytes(), wa_id), |row| row.get(0)).optional()?;
    Ok(found.map(ContactId::from_bytes))
}

/// Returns `true` if a contact has this number, in any spelling, or this business-scoped user ID.
pub(crate) fn is_in_use(
    connection: &Connection,
    workspace: WorkspaceId,
    identifier: &str,
) -> SqlResult<bool> {
    Ok(find_by_any_spelling(connection, workspace, identifier)?
        .or(find_by_bsuid(connection, workspace, identifier)?)
        .is_some())
}

/// Finds the contact with this number or another spelling of it.
pub(crate) fn find_by_any_spelling(
    connection: &Connection,
    workspace: WorkspaceId,
    wa_id: &str,
) -> SqlResult<Option<ContactId>> {
    if let Some(found) = find_by_number(connection, workspace, wa_id)? {
        return Ok(Some(found));
    }
    let Ok(number) = PhoneNumber::from_wa_id(wa_id) else { return Ok(None) };
    for variant in number.variants() {
        if let Some(found) = find_by_number(connection, workspace, variant.digits())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(crate) fn find_by_bsuid(
    connection: &Connection,
    workspace: WorkspaceId,
    user_id: &str,
) -> SqlResult<Option<ContactId>> {
    let mut statement =
        connection.prepare_cached("select id from contacts where workspace_id = ?1 and bsuid = ?2")?;
    let found = statement.query_row((workspace.as_bytes(), user_id), |row| row.get(0)).optional()?;
    Ok(found.map(ContactId::from_bytes))
}

/// Finds the contact with one of these identifiers.
pub(crate) fn find_by_identifiers(
    connection: &Connection,
    workspace: WorkspaceId,
    person: &WhatsAppUser,
) -> SqlResult<Option<ContactId>> {
    let numbered = match &person.wa_id {
        Some(wa_id) => find_by_any_spelling(connection, workspace, wa_id)?,
        None => None,
    };
    match (numbered, &person.user_id) {
        (None, Some(user_id)) => find_by_bsuid(connection, workspace, user_id),
        (numbered, _) => Ok(numbered),
    }
}
