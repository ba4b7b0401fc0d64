//! Create, update and delete accounts.
//!
//! **Invariant:** secrets of a request are passed to the use case only. No error message contains a secret.

use crate::api::accounts::serialize::ACCOUNT_EXAMPLE;
use crate::api::accounts::serialize::ACCOUNT_ID;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use domain::id::WorkspaceId;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::access::caller::Caller;
use engine::accounts::CreateAccountError;
use engine::messages::admission::choose_account;
use engine::ports::{AccountRecord, DeleteAccountResult, StoreErrorKind};
use engine::{Deps, accounts, directory};

use crate::api::accounts::request::{read_changes, read_deletion, read_new};
use crate::api::accounts::serialize::account_response;
use crate::api::error::{ApiError, Code, META_ERRORS};
use crate::api::request_body;
use crate::api::request_context::{Audited, IdOrName};

/// Creates an account.
pub(crate) async fn create_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let new = request_body::read(&object, |fields| read_new(fields, caller.workspace(), caller.is_test()))?;
    let new = new.ok_or_else(|| ApiError::invalid_at("", "the account is incomplete"))?;
    check_may_create(&caller, new.is_sandbox)?;
    check_may_change_default(&deps, &caller, new.is_default)?;
    let (name, phone_number_id, is_sandbox) = (new.name.clone(), new.phone_number_id.clone(), new.is_sandbox);
    check_unique(&deps, &caller, &name, Some((&phone_number_id, is_sandbox)), None)?;
    let added = match accounts::create_account(&deps, &audit, new).await {
        // Only a caller whose access token can read the number learns that another workspace has the number.
        Err(CreateAccountError::Store(error)) if error.kind() == StoreErrorKind::Conflict => {
            directory::refresh(&deps).await?;
            check_unique(&deps, &caller, &name, None, None)?;
            return Err(ApiError::account_exists(Some("phone_number_id")));
        }
        added => added?,
    };
    let directory = deps.directory.current();
    let record =
        directory.account(caller.workspace(), &added.id.to_string()).ok_or_else(|| not_found(&added.name))?;
    account_response(&deps, &caller, record, StatusCode::CREATED).await
}

/// Changes the given fields. A valid new access token ends a hold that the old token caused.
pub(crate) async fn update_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let changes = request_body::read(&object, |fields| read_changes(fields, Some(&record)))?;
    check_may_change_default(&deps, &caller, changes.is_default == Some(true))?;
    if let Some(name) = &changes.name {
        check_unique(&deps, &caller, name, None, Some(&record))?;
    }
    let changed = accounts::update_account(&deps, &audit, &record, changes).await?;
    account_response(&deps, &caller, &changed, StatusCode::OK).await
}

/// Deletes an account. If the account has queued messages, `force` is required, which cancels them.
pub(crate) async fn delete_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_forced = request_body::read(&query, read_deletion)?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    match accounts::delete_account(&deps, &audit, &record.account, is_forced).await? {
        DeleteAccountResult::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        DeleteAccountResult::NotFound => Err(not_found(&id)),
        DeleteAccountResult::HasQueuedMessages(n_waiting) => {
            let message = format!(
                "The account has {n_waiting} queued messages. Wait until they are sent, or use `?force=true` to cancel them \
                 and delete the account."
            );
            Err(ApiError::new(Code::AccountBusy, message).with("waiting", i64::from(n_waiting)))
        }
    }
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::AccountNotFound, format!("There is no account `{id}`."))
}

/// Checks that the caller would have access to the new account.
fn check_may_create(caller: &Caller, is_sandbox: bool) -> Result<(), ApiError> {
    let reason = match (caller.is_test(), is_sandbox) {
        (true, false) => "A test key (`wp_test_…`) can create sandbox accounts only.",
        (false, true) if caller.key_id().is_some() => {
            "Sandbox accounts must be created with a test key (`wp_test_…`)."
        }
        _ if caller.is_account_restricted() => {
            "This API key is restricted to a list of accounts, so it cannot create accounts."
        }
        (true, true) | (false, _) => return Ok(()),
    };
    Err(ApiError::new(Code::Forbidden, reason))
}

/// Checks that a test key does not replace a live account as the default account.
fn check_may_change_default(deps: &Deps, caller: &Caller, wants_default: bool) -> Result<(), ApiError> {
    let directory = deps.directory.current();
    let default = directory.accounts_of(caller.workspace()).find(|record| record.account.is_default);
    if wants_default && caller.is_test() && default.is_some_and(|record| !record.account.is_sandbox) {
        let message = "The default account is a live account. A test key (`wp_test_…`) cannot replace it as the default.";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    Ok(())
}

/// Checks that no other account of the workspace has the name, and that no account of the same kind (live or sandbox) has
/// the phone number id.
fn check_unique(
    deps: &Deps,
    caller: &Caller,
    name: &str,
    number: Option<(&str, bool)>,
    own: Option<&AccountRecord>,
) -> Result<(), ApiError> {
    let directory = deps.directory.current();
    let is_other = |record: &&Arc<AccountRecord>| own.is_none_or(|own| own.account.id != record.account.id);
    let mut others = directory.accounts_of(caller.workspace()).filter(is_other);
    if others.any(|record| record.account.name == name) {
        return Err(ApiError::account_exists(Some("name")));
    }
    let is_taken = |(id, is_sandbox): (&str, bool)| {
        let mut own = directory.accounts_of(caller.workspace()).map(|record| &record.account);
        own.any(|account| account.phone_number_id == id && account.is_sandbox == is_sandbox)
    };
    if number.is_some_and(is_taken) {
        return Err(ApiError::account_exists(Some("phone_number_id")));
    }
    Ok(())
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "create_account",
            "Create an account",
            "Adds a WhatsApp phone number that sends messages. Waypost verifies at Meta that the access token can read the phone number and its WhatsApp Business Account; if Meta cannot be reached, the account is not created (503, or 429 if Meta limits the calls). A sandbox account is not verified. No response contains the tokens and secrets of the account. After this request, test the account, and subscribe to its webhooks so that Meta sends them to Waypost.",
        )
        .body(
            RequestSchema::of(|fields| read_new(fields, WorkspaceId::from_parts(0, &[0; 10]), false)),
            [("shop", CREATE_ACCOUNT_RESPONSE)],
        )
        .responds(201, "The account.", Schema::reference("Account"), ACCOUNT_EXAMPLE)
        .errors([Code::AccountExists])
        .errors(META_ERRORS),
        Operation::new(
            "update_account",
            "Update an account",
            "Changes the given fields. `null` clears `app_secret`, `verify_token` and \
             `fetch_media`. Waypost verifies a new access token at Meta first; a valid token ends a hold that \
             an invalid token caused. If Meta cannot be reached, the token is not changed (503, or 429 if Meta limits the \
             calls); only a sandbox account takes the token without verification and stays held. A replaced app secret stays valid for webhooks for 24 hours.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .responds(200, "The account.", Schema::reference("Account"), ACCOUNT_EXAMPLE)
        .body(
            RequestSchema::of(|fields| read_changes(fields, None)),
            [("name", r#"{"name":"Main street","default":true}"#)],
        )
        .errors([Code::AccountExists])
        .errors(META_ERRORS),
        Operation::new(
            "delete_account",
            "Delete an account",
            "The messages of the account are kept. An account with queued messages is \
             deleted only with `force`, which cancels them.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .query(RequestSchema::of_query(read_deletion))
        .responds_empty(204, "The account is deleted.")
        .errors([Code::AccountBusy]),
    ]
}

const CREATE_ACCOUNT_RESPONSE: &str = r#"{"name":"shop","phone_number_id":"106540352242922","waba_id":"102290129340398","access_token":"EAAGm0PX4ZCpsBAKJYXZCJ7",
    "app_secret":"2f1c9d7e5b3a48f6","verify_token":"a-word-of-yours","sandbox":true}"#;
