//! Preview a template.

use domain::check::Fields;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::json::{Object, Value};
use domain::messages::content::{Content, MessageKind};
use domain::templates::TemplateMessage;
use domain::templates::{RenderedTemplate, Template};
use engine::Deps;
use engine::messages::outcome::{SendError, TemplateRef};

use crate::api::error::ApiError;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::response::object;
use crate::api::templates::lookup::{find, not_found};
use crate::api::{request_body, response};

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
    let given = request_body::read(&given, read_preview)?;
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

/// Reads the body of a preview: the components, which are checked with the template.
pub(crate) fn read_preview(fields: &Fields<'_, '_>) -> Option<Value> {
    let components = fields.optional("components").about("Components with parameters, as in a send.");
    if fields.is_described() {
        Content::check_components(components);
    }
    components.value().cloned()
}
