//! Acceptance: window and wishes checked and the message written, in one transaction.

use domain::id::{AccountId, WorkspaceId};
use domain::inbound::Person;
use domain::message::{Direction, Status};
use engine::ports::{Admission, Known, NewMessage, Recipient};
use rusqlite::{Connection, params};

use super::contacts;
use crate::error::SqlResult;
use crate::row::micros;

pub(super) fn accept(connection: &Connection, new: &NewMessage) -> SqlResult<Admission> {
    let known = contacts::find(connection, new.workspace, new.account, &new.recipient)?;
    let window = known.as_ref().map(|known| known.window).unwrap_or_default();
    if new.needs_window && !window.is_open(new.now) {
        return Ok(Admission::OutsideWindow(window));
    }
    if new.is_marketing
        && let Some(known) = &known
    {
        if known.has_opted_out {
            return Ok(Admission::OptedOut);
        }
        if let Some(until) = known.resting_until.filter(|until| new.now < *until) {
            return Ok(Admission::Resting(until));
        }
    }
    let (wa_id, user_id) = match &new.recipient {
        Recipient::Phone(number) => (Some(number.digits()), None),
        Recipient::User(user) => (None, Some(user.as_str())),
    };
    let contact = match known {
        Some(known) => known.contact,
        None => {
            let person =
                Person { wa_id: wa_id.map(str::to_owned), user_id: user_id.map(str::to_owned), name: None };
            contacts::meet(connection, new.workspace, new.contact, &person, new.now)?;
            new.contact
        }
    };
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, key_id, direction, kind, status, wa_id, user_id,
                 client_reference, context_wamid, identity_key_hash, content, n_attempts, worker_id, claim_token,
                 created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 1, ?15, ?16, ?17, ?17)",
        )?
        .execute(params![
            new.id.as_bytes(),
            new.workspace.as_bytes(),
            new.account.as_bytes(),
            contact.as_bytes(),
            new.key.as_ref().map(domain::id::KeyId::as_bytes),
            Direction::Outbound.as_str(),
            new.kind,
            Status::Sending.as_str(),
            wa_id,
            user_id,
            new.client_reference,
            new.context_wamid,
            new.recipient_identity_key_hash,
            &*new.content,
            new.worker.as_bytes(),
            new.token.0,
            micros(new.now),
        ])?;
    Ok(Admission::Accepted { contact })
}

pub(super) fn look_up(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    recipient: &Recipient,
) -> SqlResult<Known> {
    Ok(contacts::find(connection, workspace, account, recipient)?.map_or_else(Known::default, |known| {
        Known {
            contact: Some(known.contact),
            window: known.window,
            has_opted_out: known.has_opted_out,
            resting_until: known.resting_until,
        }
    }))
}
