//! Contacts: get and list.

use domain::id::{ContactId, WorkspaceId};
use engine::ports::{Contact, ContactFilter, Page, PageRequest};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::error::SqlResult;
use crate::row::{Cells, columns};
use crate::sqlite::page::{ListQuery, Order, bytes, containing, text};

columns! {
    COLUMNS, read -> Contact {
        id: id "id",
        wa_id: get "wa_id",
        user_id: get "bsuid",
        name: get "coalesce(name, profile_name)",
        username: get "username",
        tags: json "tags",
        stage: get "stage",
        email: get "email",
        custom_fields: json "custom_fields",
        last_inbound_at: opt_at "last_inbound_at",
        opted_out: opt_at_and_parsed "opted_out_at, opted_out_reason",
        created_at: at "created_at",
    }
}

pub(crate) fn get_contact(
    connection: &Connection,
    workspace: WorkspaceId,
    id: ContactId,
) -> SqlResult<Option<Contact>> {
    let sql = format!("select {COLUMNS} from contacts where workspace_id = ?1 and id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), id.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("contacts", row);
    read(&mut cells).map(Some)
}

pub(crate) fn list_contacts(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &ContactFilter,
    page: PageRequest,
) -> SqlResult<Page<Contact>> {
    let workspace = || bytes(workspace.as_bytes());
    let mut list = ListQuery::new("contacts", COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [workspace()]);
    if let Some(wa_ids) = &filter.wa_ids {
        let marks = vec!["?"; wa_ids.len()].join(", ");
        let values = std::iter::once(workspace()).chain(wa_ids.iter().map(|wa_id| text(wa_id)));
        list.with(
            format!(
                "id in (select contact_id from contact_numbers where workspace_id = ? and wa_id in ({marks}))"
            ),
            values,
        );
    }
    if let Some(accounts) = &filter.accounts {
        let marks = vec!["?"; accounts.len()].join(", ");
        let messages = "select 1 from messages m where m.workspace_id = contacts.workspace_id
             and m.contact_id = contacts.id";
        let without_messages = if filter.includes_without_messages {
            format!("or not exists ({messages})")
        } else {
            String::new()
        };
        list.with(
            format!("(exists ({messages} and m.account_id in ({marks})) {without_messages})"),
            accounts.iter().map(|account| bytes(account.as_bytes())),
        );
    }
    if let Some(username) = &filter.username {
        list.with("username = ? collate nocase", [text(username)]);
    }
    if let Some(tag) = &filter.tag {
        list.with(
            "id in (select contact_id from contact_tags where workspace_id = ? and tag = ?)",
            [workspace(), text(tag)],
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
        // Spaces and punctuation in a searched number are ignored.
        let digits: String = search.chars().filter(char::is_ascii_digit).collect();
        let is_number =
            !digits.is_empty() && search.chars().all(|c| c.is_ascii_digit() || " +-.()".contains(c));
        let number = if is_number { containing(&digits) } else { pattern.clone() };
        list.with(
            "(name like ? escape '\\' or profile_name like ? escape '\\' or wa_id like ? escape '\\'
              or username like ? escape '\\')",
            [pattern.clone(), pattern, number, containing(search.trim_start_matches('@'))],
        );
    }
    list.read_page(connection, page, read)
}

pub(crate) fn list_custom_field_names(
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
