//! Lookup of contacts by number and by business-scoped user ID.

use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::messages::window::Window;
use engine::ports::Recipient;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::row::{Cells, row};

/// Facts about a recipient that decide about a send.
pub(crate) struct RecipientFacts {
    pub(crate) contact: ContactId,
    pub(crate) has_opted_out: bool,
    pub(crate) marketing_limited_until: Option<Timestamp>,
    pub(crate) window: Window,
}

row! {
    struct FactsRow {
        contact: ContactId = id "c.id",
        has_opted_out: bool = flag "c.opted_out_at is not null",
        marketing_limited_until: Option<Timestamp> = opt_at "c.marketing_limited_until",
        last_inbound_at: Option<Timestamp> = opt_at "w.last_inbound_at",
        refused_at: Option<Timestamp> = opt_at "w.refused_at",
    }
}

const FROM_NUMBER: &str = "
    contact_numbers n
    join contacts c on c.id = n.contact_id
    left join service_windows w on w.workspace_id = n.workspace_id and w.account_id = ?3 and w.contact_id = c.id
    where n.workspace_id = ?1 and n.wa_id = ?2";

const FROM_BSUID: &str = "
    contacts c
    left join service_windows w on w.workspace_id = c.workspace_id and w.account_id = ?3 and w.contact_id = c.id
    where c.workspace_id = ?1 and c.bsuid = ?2";

/// Finds a recipient. A number is also found under the other spellings that WhatsApp treats as the same number.
pub(crate) fn find_recipient(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    recipient: &Recipient,
) -> SqlResult<Option<RecipientFacts>> {
    let query = |from: &str, identifier: &str| -> SqlResult<Option<RecipientFacts>> {
        let sql = format!("select {} from {from}", FactsRow::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query((workspace.as_bytes(), identifier, account.as_bytes()))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let row = FactsRow::read(&mut Cells::new("contacts", row))?;
        Ok(Some(RecipientFacts {
            contact: row.contact,
            has_opted_out: row.has_opted_out,
            marketing_limited_until: row.marketing_limited_until,
            window: Window { last_inbound_at: row.last_inbound_at, refused_at: row.refused_at },
        }))
    };
    match recipient {
        Recipient::Bsuid(user) => query(FROM_BSUID, user.as_str()),
        Recipient::Phone(number) => {
            if let Some(found) = query(FROM_NUMBER, number.digits())? {
                return Ok(Some(found));
            }
            for variant in number.variants() {
                if let Some(found) = query(FROM_NUMBER, variant.digits())? {
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
    user: &WhatsAppUser,
) -> SqlResult<Option<ContactId>> {
    let numbered = match &user.wa_id {
        Some(wa_id) => find_by_any_spelling(connection, workspace, wa_id)?,
        None => None,
    };
    match (numbered, &user.user_id) {
        (None, Some(user_id)) => find_by_bsuid(connection, workspace, user_id),
        (numbered, _) => Ok(numbered),
    }
}
