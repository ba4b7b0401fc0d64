//! JSON of templates in responses.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::json::Value;
use engine::ports::StoredTemplate;

use crate::api::response::object;
use crate::api::serialize::{or_null, parsed_json, time};

/// JSON of a template.
pub(crate) fn serialize_template(stored: StoredTemplate) -> Value {
    let listed = stored.listed;
    let template = listed.template;
    object([
        ("id", stored.id.to_string().into()),
        ("template_id", listed.meta_id.into()),
        ("waba_id", stored.waba_id.into()),
        ("name", template.name.into()),
        ("language", template.language.into()),
        ("category", template.category.as_str().into()),
        ("status", template.status.as_str().into()),
        ("parameter_format", template.parameter_format.as_str().into()),
        ("components", parsed_json(&listed.components)),
        ("quality", or_null(listed.quality)),
        ("rejected_reason", or_null(listed.rejected_reason)),
        ("synced_at", time(stored.synced_at)),
    ])
}

/// Returns the named schema of a template.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let template = Schema::object([
        required("id", Schema::uuid().about("Waypost's ID.")),
        required("template_id", Schema::string(1..).about("Meta's ID.")),
        required("waba_id", Schema::string(1..)),
        required("name", Schema::string(1..)),
        required("language", Schema::string(1..)),
        required(
            "category",
            Schema::string(1..)
                .about("`MARKETING`, `UTILITY`, `AUTHENTICATION` or another category of Meta."),
        ),
        required(
            "status",
            Schema::string(1..)
                .about("`APPROVED`, `PENDING`, `REJECTED`, `PAUSED` or another status of Meta."),
        ),
        required("parameter_format", Schema::enumeration(["POSITIONAL", "NAMED"])),
        required("components", Schema::array(Schema::any_object(), ..).about("Components in Meta's format.")),
        required("quality", Schema::string(1..).or_null()),
        required("rejected_reason", Schema::string(1..).or_null()),
        required("synced_at", Schema::time()),
    ]);
    vec![("StoredTemplate", template)]
}

pub(crate) const TEMPLATE_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000004","template_id":"638556904220408",
    "waba_id":"555010000000201","name":"order_confirmation","language":"en","category":"UTILITY","status":"APPROVED",
    "parameter_format":"POSITIONAL","components":[{"type":"BODY","text":"Thank you, {{1}}. Your order {{2}} is confirmed."}],
    "quality":"GREEN","rejected_reason":null,"synced_at":"2026-05-29T10:30:00.000Z"}"#;
