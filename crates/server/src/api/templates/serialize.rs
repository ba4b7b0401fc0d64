//! JSON of templates in responses.

use domain::json::Value;
use engine::ports::StoredTemplate;

use crate::api::response::object;
use crate::api::serialize::{optional, parsed_json, time};

/// A template.
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
        ("quality", optional(listed.quality)),
        ("rejected_reason", optional(listed.rejected_reason)),
        ("synced_at", time(stored.synced_at)),
    ])
}
