//! Create, update and delete templates at Meta.

use crate::api::error::META_ERRORS;
use crate::api::openapi::example::TEMPLATE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::templates::lookup::TEMPLATE_ID;
use crate::api::templates::serialize::TEMPLATE_EXAMPLE;
use domain::check::Fields;
use domain::check::RequestSchema;
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

/// Creates a template at Meta, with own components or from Meta's template library.
pub(crate) async fn create_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let (account, new) = request_body::read(&object, read_new)?;
    let new = new.ok_or_else(|| ApiError::invalid_at("", "the template is incomplete"))?;
    let record = choose_account(&deps, &caller, account.as_deref())?;
    let stored = templates::create_template(&deps, &audit, &record, &new).await?;
    let stored = stored.ok_or_else(ApiError::internal)?;
    Ok(response::success(StatusCode::CREATED, &serialize_template(stored)))
}

/// Changes a template. Meta reviews the template again.
pub(crate) async fn update_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let before = find(&deps, &caller, &id).await?;
    let known = &before.listed.template;
    let edit = request_body::read(&object, |fields| TemplateEdit::read(fields, Some(known)))?;
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
    let changed = templates::update_template(&deps, &audit, &record, &before, &edit)
        .await?
        .ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &serialize_template(changed)))
}

/// Deletes a template at Meta, in its language or in all languages.
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
    templates::delete_template(&deps, &audit, &record, &stored, is_every_language).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Documentation of `whatsapp_account`.
const ACCOUNT: &str = "ID or name of the account whose WhatsApp Business Account gets the template. Default: the default \
                       account.";

/// Reads the body of a new template: the account and the template.
pub(crate) fn read_new(fields: &Fields<'_, '_>) -> (Option<String>, Option<NewTemplate>) {
    let account = fields.optional("whatsapp_account").about(ACCOUNT);
    (account.string(1..=200).map(str::to_owned), NewTemplate::read(fields))
}

/// Reads the query of a deletion: `true` if the template is to be deleted in every language.
pub(crate) fn read_deletion(fields: &Fields<'_, '_>) -> bool {
    let all = fields.optional("all_languages").about("`true`: deletes the template in every language.");
    all.boolean_or_text().unwrap_or(false)
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "create_template",
            "Create a template",
            "Checks Meta's rules, then submits the template to Meta for review. The response \
             has the status and the category that Meta assigned. After an error 503, Meta may have created \
             the template: synchronize the templates before you repeat the request.",
        )
        .body(RequestSchema::of(read_new), NEW_TEMPLATES)
        .responds(201, "The template.", Schema::reference("StoredTemplate"), TEMPLATE_EXAMPLE)
        .errors([Code::AccountNotFound, Code::TemplateNotFound])
        .errors(META_ERRORS),
        Operation::new(
            "update_template",
            "Update a template",
            "Submits a change to Meta, which reviews the template again. Meta accepts \
             changes of approved, rejected and paused templates. An approved template can be changed once in \
             24 hours and 10 times in 30 days.",
        )
        .id(TEMPLATE_ID, TEMPLATE)
        .errors([Code::TemplateNotFound])
        .body(RequestSchema::of(|fields| TemplateEdit::read(fields, None)), CHANGES)
        .responds(200, "The template.", Schema::reference("StoredTemplate"), TEMPLATE_EXAMPLE)
        .errors([Code::AccountNotFound, Code::TemplateNotEditable])
        .errors(META_ERRORS),
        Operation::new(
            "delete_template",
            "Delete a template",
            "Deletes the template at Meta, in its language or in all languages.",
        )
        .id(TEMPLATE_ID, TEMPLATE)
        .errors([Code::TemplateNotFound])
        .query(RequestSchema::of_query(read_deletion))
        .responds_empty(204, "The template is deleted.")
        .errors([Code::AccountNotFound])
        .errors(META_ERRORS),
    ]
}

const NEW_TEMPLATES: [(&str, &str); 3] = [
    (
        "utility",
        r#"{"name":"ferry_delay","language":"en_GB","category":"UTILITY","components":[
            {"type":"BODY","text":"Sailing {{1}} leaves {{2}} minutes late today.","example":{"body_text":[["CM-22","45"]]}},
            {"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Stop alerts"}]}]}"#,
    ),
    (
        "login_code",
        r#"{"name":"login_code","language":"en","category":"AUTHENTICATION","message_send_ttl_seconds":300,"components":[
            {"type":"BODY","add_security_recommendation":true},{"type":"FOOTER","code_expiration_minutes":5},
            {"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE","text":"Copy code"}]}]}"#,
    ),
    (
        "from_library",
        r#"{"name":"my_delivery_update","language":"en_US","category":"UTILITY",
            "library_template_name":"delivery_update_1","library_template_button_inputs":[
            {"type":"URL","url":{"base_url":"https://shop.example/t/{{1}}","url_suffix_example":"https://shop.example/t/7"}}]}"#,
    ),
];

const CHANGES: [(&str, &str); 1] = [(
    "words",
    r#"{"components":[{"type":"BODY","text":"Thank you, {{1}}. Your order {{2}} is on its way.","example":{"body_text":[["John","ORD-789"]]}}]}"#,
)];
