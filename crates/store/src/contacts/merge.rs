//! Merge of two contacts that belong to one WhatsApp user.

use domain::contacts::contact::{MAX_CUSTOM_FIELDS, MAX_TAGS};
use domain::id::{ContactId, WorkspaceId};
use rusqlite::{Connection, params};

use crate::contacts::contact_fields::ContactFields;
use crate::contacts::{lookup, opt_out, tags};
use crate::error::{SqlError, SqlResult};
use crate::row::{Cells, json, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_out::delivery_queues;

/// Merges the contact that has a business-scoped user ID into `target`. Returns the merged contact; `None` if no other
/// contact has the identifier.
pub(crate) fn merge_owner_of_bsuid(
    connection: &Connection,
    workspace: WorkspaceId,
    target: ContactId,
    user_id: &str,
) -> SqlResult<Option<ContactId>> {
    let found = lookup::find_by_bsuid(connection, workspace, user_id)?.filter(|found| *found != target);
    if let Some(source) = found {
        merge_contacts(connection, workspace, target, source)?;
    }
    Ok(found)
}

/// Merges the contact `source` into the contact `target`: messages, numbers, windows, opt-outs, delivery queues.
pub(crate) fn merge_contacts(
    connection: &Connection,
    workspace: WorkspaceId,
    target: ContactId,
    source: ContactId,
) -> SqlResult<()> {
    let keys = (workspace.as_bytes(), target.as_bytes(), source.as_bytes());
    for sql in [
        "update messages set contact_id = ?2 where workspace_id = ?1 and contact_id = ?3",
        "update contact_numbers set contact_id = ?2 where workspace_id = ?1 and contact_id = ?3",
        // The later of the two times. A missing time is the earlier one.
        "insert into service_windows (workspace_id, account_id, contact_id, last_inbound_at, refused_at)
         select workspace_id, account_id, ?2, last_inbound_at, refused_at
         from service_windows where workspace_id = ?1 and contact_id = ?3
         on conflict (workspace_id, account_id, contact_id) do update set
             last_inbound_at = nullif(max(coalesce(last_inbound_at, 0), coalesce(excluded.last_inbound_at, 0)), 0),
             refused_at = nullif(max(coalesce(refused_at, 0), coalesce(excluded.refused_at, 0)), 0)",
        "delete from service_windows where workspace_id = ?1 and contact_id = ?3",
        // A counted recipient stays counted; a reservation stays a reservation only if neither contact was counted.
        "insert into messaging_limit_recipients (workspace_id, waba_id, contact_id, counted_at, reserved_by)
         select workspace_id, waba_id, ?2, counted_at, reserved_by
         from messaging_limit_recipients where workspace_id = ?1 and contact_id = ?3
         on conflict (workspace_id, waba_id, contact_id) do update set
             counted_at = max(counted_at, excluded.counted_at),
             reserved_by = case when excluded.reserved_by is not null then reserved_by end",
        "delete from messaging_limit_recipients where workspace_id = ?1 and contact_id = ?3",
    ] {
        connection.prepare_cached(sql)?.execute_any(keys)?;
    }
    delivery_queues::merge_queues(connection, workspace, target, source)?;
    merge_records(connection, workspace, target, source)
}

row! {
    /// Columns of a merged contact that [`ContactFields`] does not contain.
    struct MergedRow {
        username: Option<String> = get "username",
        marketing_limited_until: Option<i64> = get "marketing_limited_until",
        last_inbound_at: Option<i64> = get "last_inbound_at",
    }
}

/// Merges the row of `source` into the row of `target`: missing values, the tags of both, the later opt-out signal.
fn merge_records(
    connection: &Connection,
    workspace: WorkspaceId,
    target: ContactId,
    source: ContactId,
) -> SqlResult<()> {
    let missing = || SqlError::Bug("a contact that is merged does not exist");
    let (target_fields, _) = ContactFields::read(connection, workspace, target)?.ok_or_else(missing)?;
    let (source_fields, profile_name) =
        ContactFields::read(connection, workspace, source)?.ok_or_else(missing)?;
    let row = delete_record(connection, workspace, source)?.ok_or_else(missing)?;
    let merged = merge_fields(&target_fields, source_fields);
    connection
        .prepare_cached(
            "update contacts
             set wa_id = ?3, bsuid = ?4, name = ?5, tags = ?6, stage = ?7, email = ?8, custom_fields = ?9,
                 profile_name = coalesce(profile_name, ?10), username = coalesce(username, ?13),
                 marketing_limited_until = nullif(max(coalesce(marketing_limited_until, 0), coalesce(?11, 0)), 0),
                 last_inbound_at = nullif(max(coalesce(last_inbound_at, 0), coalesce(?12, 0)), 0)
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one(params![
            workspace.as_bytes(),
            target.as_bytes(),
            merged.wa_id,
            merged.user_id,
            merged.name,
            json(&merged.tags)?,
            merged.stage,
            merged.email,
            json(&merged.custom_fields)?,
            profile_name,
            row.marketing_limited_until,
            row.last_inbound_at,
            row.username
        ])?;
    opt_out::update_opt_out(connection, workspace, target, merged.opt_out)?;
    if merged.tags != target_fields.tags {
        tags::replace_tags(connection, workspace, target, &merged.tags)?;
    }
    Ok(())
}

fn delete_record(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<Option<MergedRow>> {
    let key = (workspace.as_bytes(), contact.as_bytes());
    tags::delete_tags(connection, workspace, contact)?;
    let sql =
        format!("delete from contacts where workspace_id = ?1 and id = ?2 returning {}", MergedRow::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(key)?;
    rows.next()?.map(|row| MergedRow::read(&mut Cells::new("contacts", row))).transpose()
}

/// Returns the fields of `target`, completed with the fields of `source`.
fn merge_fields(target: &ContactFields, source: ContactFields) -> ContactFields {
    let mut merged = target.clone();
    merged.wa_id = merged.wa_id.or(source.wa_id);
    merged.user_id = merged.user_id.or(source.user_id);
    merged.name = merged.name.or(source.name);
    merged.stage = merged.stage.or(source.stage);
    merged.email = merged.email.or(source.email);
    for tag in source.tags {
        if !merged.tags.contains(&tag) && merged.tags.len() < MAX_TAGS {
            merged.tags.push(tag);
        }
    }
    for (key, value) in source.custom_fields {
        if merged.custom_fields.get(&key).is_none() && merged.custom_fields.len() < MAX_CUSTOM_FIELDS {
            merged.custom_fields.insert(&key, value);
        }
    }
    merged.opt_out = target.opt_out.join(source.opt_out);
    merged
}
