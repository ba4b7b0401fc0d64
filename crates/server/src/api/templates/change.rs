//! Templates: created, changed and deleted at Meta, and shown as customers would see them.

use domain::check::Fields;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::templates::{NewTemplate, TemplateEdit};
use engine::messages::admission::choose_account;
use engine::{Deps, templates};

use crate::api::error::{ApiError, Code};
use crate::api::request_context::{Audited, IdOrName};
use crate::api::templates::lookup::{find, not_found, owner};
use crate::api::templates::serialize::serialize_template;
use crate::api::{request_body, response};

/// Submits a template to Meta, or has one made from Meta's library.
pub(crate) async fn create_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let (account, new) = request_body::read(&object, read_new)?;
    let new = new.ok_or_else(|| ApiError::invalid_at("", "the template is incomplete"))?;
    let record = choose_account(&deps, &caller, account.as_deref())?;
    let stored = templates::create(&deps, &audit, &record, &new).await?;
    let stored = stored.ok_or_else(|| not_found("just made"))?;
    Ok(response::success(StatusCode::CREATED, &serialize_template(stored)))
}

/// Changes a template; it goes through Meta's review again.
pub(crate) async fn update_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let before = find(&deps, &caller, &id).await?;
    let known = &before.listed.template;
    let edit = request_body::read(&object, |fields| TemplateEdit::read(fields, known))?;
    let edit = edit.ok_or_else(|| ApiError::invalid_at("", "there is nothing to change"))?;
    if !known.status.is_editable() {
        let message = format!(
            "The template `{}` ({}) {}. Only approved, rejected and paused templates can be changed.",
            known.name,
            known.language,
            known.status.explanation()
        );
        return Err(ApiError::new(Code::TemplateNotEditable, message).with("status", known.status.as_str()));
    }
    let record = owner(&deps, &caller, &before)?;
    let changed =
        templates::edit(&deps, &audit, &record, &before, &edit).await?.ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &serialize_template(changed)))
}

/// Deletes a template at Meta: in its language, or in all.
pub(crate) async fn delete_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_every_language = request_body::read(&query, read_deletion)?;
    let stored = find(&deps, &caller, &id).await?;
    let record = owner(&deps, &caller, &stored)?;
    templates::delete(&deps, &audit, &record, &stored, is_every_language).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Documentation of `account`.
const ACCOUNT: &str = "ID or name of the account whose WhatsApp Business Account gets the template. Default: the default \
                       account.";

/// Reads the body of a new template: its account, and the template.
pub(crate) fn read_new(fields: &Fields<'_, '_>) -> (Option<String>, Option<NewTemplate>) {
    let account = fields.optional("account").about(ACCOUNT);
    (account.string(1..=200).map(str::to_owned), NewTemplate::read(fields))
}

/// Reads the query of a deletion: `true` if the template is to be deleted in every language.
pub(crate) fn read_deletion(fields: &Fields<'_, '_>) -> bool {
    let all = fields.optional("all_languages").about("`true`: deletes the template in every language.");
    all.boolean_or_text().unwrap_or(false)
}
