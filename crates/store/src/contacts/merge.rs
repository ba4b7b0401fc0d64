//! Merge of two contacts that belong to one person.

use domain::contacts::contact::{MAX_CUSTOM_FIELDS, MAX_TAGS};
use domain::id::{ContactId, WorkspaceId};
use rusqlite::{Connection, params};

use crate::contacts::contact_fields::ContactFields;
use crate::contacts::{opt_out, tags};
use crate::error::{SqlError, SqlResult};
use crate::row::json;
use crate::webhooks_out::delivery_queues;

/// Makes `gone` a part of `kept`: messages, numbers, windows, wishes.
pub(crate) fn merge_contacts(
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
    delivery_queues::merge_queues(connection, workspace, kept, gone)?;
    merge_records(connection, workspace, kept, gone)
}

/// Takes the row of `gone` into that of `kept`: what only one of them has, both groups' tags, the later wish.
pub(crate) fn merge_records(
    connection: &Connection,
    workspace: WorkspaceId,
    kept: ContactId,
    gone: ContactId,
) -> SqlResult<()> {
    let missing = || SqlError::Bug("a contact that is merged is not there");
    let (ours, _) = ContactFields::read(connection, workspace, kept)?.ok_or_else(missing)?;
    let (theirs, profile_name) = ContactFields::read(connection, workspace, gone)?.ok_or_else(missing)?;
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
    opt_out::update_opt_out(connection, workspace, kept, card.opt_out)?;
    if card.tags != ours.tags {
        tags::replace_tags(connection, workspace, kept, &card.tags)?;
    }
    Ok(())
}
