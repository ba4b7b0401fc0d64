//! Templates: created, changed and deleted at Meta, and shown as customers would see them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::json::{Object, Value};
use domain::messages::content::{Content, MessageKind};
use domain::templates::TemplateMessage;
use domain::templates::{NewTemplate, RenderedTemplate, Template, TemplateEdit};
use engine::access::api_key::Caller;
use engine::messages::send::{SendError, TemplateRef, choose_account};
use engine::ports::{AccountRecord, StoredTemplate};
use engine::{Deps, templates};

use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::response;
use crate::api::response::object;
use crate::api::templates::records::{find, not_found};
use crate::api::{ApiError, Code, request_body, serialize};

/// Submits a template to Meta, or has one made from Meta's library.
pub(crate) async fn create_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let (account, new) = request_body::read(&object, |fields| {
        (fields.optional("account").string(1..=200).map(str::to_owned), NewTemplate::read(fields))
    })?;
    let new = new.ok_or_else(|| ApiError::invalid_at("", "the template is incomplete"))?;
    let record = choose_account(&deps, &caller, account.as_deref())?;
    let stored = templates::create(&deps, &by, &record, &new).await?;
    let stored = stored.ok_or_else(|| not_found("just made"))?;
    Ok(response::success(StatusCode::CREATED, &serialize::template(stored)))
}

/// Changes a template; it goes through Meta's review again.
pub(crate) async fn update_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
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
            "The template `{}` ({}) {}: Meta takes changes of approved, rejected and paused templates only.",
            known.name,
            known.language,
            known.status.explanation()
        );
        return Err(ApiError::new(Code::TemplateNotEditable, message).with("status", known.status.as_str()));
    }
    let record = owner(&deps, &caller, &before)?;
    let changed =
        templates::edit(&deps, &by, &record, &before, &edit).await?.ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &serialize::template(changed)))
}

/// Deletes a template at Meta: in its language, or in all.
pub(crate) async fn delete_template(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_every_language = request_body::read(&query, |fields| {
        fields.optional("all_languages").boolean_or_text().unwrap_or(false)
    })?;
    let stored = find(&deps, &caller, &id).await?;
    let record = owner(&deps, &caller, &stored)?;
    templates::delete(&deps, &by, &record, &stored, is_every_language).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shows a template with the parameters given, or with the samples that it was created with.
pub(crate) async fn preview_template(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let given = request_body::object(&request_body::bytes(&deps, &headers, body).await?, true)?;
    let stored = find(&deps, &caller, &id).await?;
    let given = request_body::read(&given, |fields| fields.optional("components").value().cloned())?;
    let template = &stored.listed.template;
    let (rendered, source) = match given {
        Some(components) => {
            let content = message_with(template, components, deps.now())?;
            let message = content.template().ok_or_else(|| not_found(&id))?;
            template.bind(&message, "").map_err(|mismatches| {
                let template = TemplateRef {
                    name: template.name.clone(),
                    language: template.language.clone(),
                    account: String::new(),
                };
                SendError::TemplateParameters { template: Box::new(template), mismatches }
            })?;
            (template.render(&message), "parameters")
        }
        None => {
            let components: Value = serde_json::from_str(&stored.listed.components).unwrap_or(Value::Null);
            let samples = Template::samples(&components);
            let (name, language) = (template.name.as_str(), template.language.as_str());
            (template.render(&TemplateMessage { name, language, components: &samples }), "samples")
        }
    };
    let text = rendered.to_string();
    let mut shown = show_rendered(rendered);
    shown.insert("text", text);
    shown.insert("filled_with", source);
    Ok(response::success(StatusCode::OK, &Value::Object(shown)))
}

/// A message of this template with these components, checked as a send is.
fn message_with(template: &Template, components: Value, now: jiff::Timestamp) -> Result<Content, ApiError> {
    let language = object([("code", template.language.as_str().into())]);
    let message =
        object([("name", template.name.as_str().into()), ("language", language), ("components", components)]);
    Content::read(MessageKind::Template, message, "", now).map_err(ApiError::invalid)
}

fn show_rendered(rendered: RenderedTemplate) -> Object {
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let mut shown = Object::new();
    shown.insert("header", text(rendered.header));
    shown.insert("body", rendered.body);
    shown.insert("footer", text(rendered.footer));
    shown.insert("buttons", Value::Array(rendered.buttons.into_iter().map(Value::from).collect()));
    let cards = rendered.cards.into_iter().map(|card| Value::Object(show_rendered(card))).collect();
    shown.insert("cards", Value::Array(cards));
    shown
}

/// An account through which the template can be changed.
fn owner(deps: &Deps, caller: &Caller, stored: &StoredTemplate) -> Result<Arc<AccountRecord>, ApiError> {
    let directory = deps.directory.current();
    let owner = directory
        .accounts_of(caller.workspace())
        .filter(|record| record.account.waba_id == stored.waba_id)
        .find(|record| caller.may_use(&record.account));
    owner.cloned().ok_or_else(|| {
        let message =
            format!("There is no account of the WhatsApp Business Account {} any more.", stored.waba_id);
        ApiError::new(Code::AccountNotFound, message)
    })
}
