//! What Meta did to a template (reference C.6).

use domain::inbound::{TemplateUpdate, Update};

use super::fields::Fields;
use super::owned;
use crate::walk::Json;

/// The fields that say so. A published sample carries one's value under another's name, so the value decides.
pub(super) const FIELDS: [&str; 3] =
    ["message_template_status_update", "message_template_quality_update", "template_category_update"];

pub(super) fn decode(value: Json<'_>) -> Result<Update, String> {
    let fields = Fields::read(value);
    let upper = |name| fields.word(name).map(|word| word.to_ascii_uppercase());
    let is_unpaused = fields
        .get("other_info")
        .and_then(|info| info.get("title")?.word())
        .is_some_and(|title| title.eq_ignore_ascii_case("UNPAUSE"));
    let event = upper("event");
    let status = if is_unpaused { Some("APPROVED") } else { event.as_deref().and_then(status_after) };
    // What will be the category in a day says `correct_category`; what is now says `previous_category`.
    let category = fields.get("previous_category").and_then(|_| upper("new_category"));
    Ok(Update::Template(TemplateUpdate {
        name: fields.required("message_template_name")?.into_owned(),
        // Some of Meta's samples write `en-US`.
        language: fields.required("message_template_language")?.replace('-', "_"),
        status: status.map(str::to_owned),
        category,
        quality: upper("new_quality_score"),
        reason: owned(fields.word("reason")).filter(|reason| !reason.eq_ignore_ascii_case("NONE")),
    }))
}

/// The status after an event; `None` where the event changes none.
fn status_after(event: &str) -> Option<&'static str> {
    const SAME: [&str; 11] = [
        "APPROVED",
        "REJECTED",
        "PENDING",
        "PAUSED",
        "DISABLED",
        "IN_APPEAL",
        "PENDING_DELETION",
        "DELETED",
        "LIMIT_EXCEEDED",
        "LOCKED",
        "ARCHIVED",
    ];
    match event {
        "REINSTATED" | "UNARCHIVED" | "UNLOCKED" | "UNPAUSED" => Some("APPROVED"),
        // FLAGGED may still be sent; of a new word we know nothing, and the next sync will tell.
        _ => SAME.into_iter().find(|status| *status == event),
    }
}
