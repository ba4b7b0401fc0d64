//! Preview a template.

use crate::api::error::Code;
use crate::api::openapi::example::TEMPLATE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use crate::api::templates::lookup::TEMPLATE_ID;
use domain::check::Fields;
use domain::check::RequestSchema;
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

/// Renders a template with the given parameters, or with its samples.
pub(crate) async fn preview_template(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let given = request_body::object(&request_body::bytes(&headers, body).await?, true)?;
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
    let mut json = serialize_rendered(rendered);
    json.insert("text", text);
    json.insert("filled_with", source);
    Ok(response::success(StatusCode::OK, &Value::Object(json)))
}

/// Returns a message with this template and these components, checked like a send.
fn message_with(template: &Template, components: Value, now: jiff::Timestamp) -> Result<Content, ApiError> {
    let language = object([("code", template.language.as_str().into())]);
    let message =
        object([("name", template.name.as_str().into()), ("language", language), ("components", components)]);
    Content::read(MessageKind::Template, message, "", now).map_err(ApiError::invalid)
}

fn serialize_rendered(rendered: RenderedTemplate) -> Object {
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let mut json = Object::new();
    json.insert("header", text(rendered.header));
    json.insert("body", rendered.body);
    json.insert("footer", text(rendered.footer));
    json.insert("buttons", Value::Array(rendered.buttons.into_iter().map(Value::from).collect()));
    let cards = rendered.cards.into_iter().map(|card| Value::Object(serialize_rendered(card))).collect();
    json.insert("cards", Value::Array(cards));
    json
}

/// Reads the body of a preview: the components, which are checked with the template.
pub(crate) fn read_preview(fields: &Fields<'_, '_>) -> Option<Value> {
    let components = fields.optional("components").about("Components with parameters, as in a send.");
    if fields.is_described() {
        Content::check_components(components);
    }
    components.value().cloned()
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "preview_template",
            "Preview a template",
            "Renders the template with the given parameters, which are validated as in a \
             send, or with its samples.",
        )
        .id(TEMPLATE_ID, TEMPLATE)
        .errors([Code::TemplateNotFound])
        .optional_body(RequestSchema::of(read_preview), PARAMETERS)
        .responds(200, "The rendered template.", Schema::reference("TemplatePreview"), PREVIEW)
        .errors([Code::TemplateParameters]),
    ]
}

/// Returns the named schemas of the response.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let rendered = || {
        [
            required("header", Schema::string(..).or_null()),
            required("body", Schema::string(..)),
            required("footer", Schema::string(..).or_null()),
            required("buttons", Schema::array(Schema::string(..), ..).about("Labels of the buttons.")),
        ]
    };
    let card = Schema::object(
        rendered()
            .into_iter()
            .chain([required("cards", Schema::array(Schema::reference("TemplatePreviewCard"), ..=0))]),
    );
    let preview = Schema::object(rendered().into_iter().chain([
        required("cards", Schema::array(Schema::reference("TemplatePreviewCard"), ..)),
        required("text", Schema::string(..).about("Whole text of the message.")),
        required("filled_with", Schema::enumeration(["parameters", "samples"])),
    ]));
    vec![("TemplatePreview", preview), ("TemplatePreviewCard", card)]
}

const PARAMETERS: &str = r#"{"components":[{"type":"body","parameters":[{"type":"text","text":"John"},{"type":"text","text":"ORD-789"}]}]}"#;

const PREVIEW: &str = r#"{"header":null,"body":"Thank you, John. Your order ORD-789 is confirmed.","footer":null,"buttons":[],
    "cards":[],"text":"Thank you, John. Your order ORD-789 is confirmed.","filled_with":"parameters"}"#;
