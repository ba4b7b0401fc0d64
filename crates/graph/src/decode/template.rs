//! Updates about templates.

use domain::webhooks_in::update::{TemplateTextUpdate, TemplateUpdate, WebhookUpdate};

use super::fields::ElementFields;
use super::fields::owned;
use crate::json_reader::Json;

/// Webhook fields about templates. Meta's published samples contain the value of one field under the name of another,
/// so the value decides.
pub(super) const FIELDS: [&str; 4] = [
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
];

pub(super) fn decode(value: Json<'_>) -> Result<WebhookUpdate, String> {
    let fields = ElementFields::read(value);
    let upper = |name| fields.upper(name);
    let is_unpaused = fields
        .get("other_info")
        .and_then(|info| info.get("title")?.scalar())
        .is_some_and(|title| title.eq_ignore_ascii_case("UNPAUSE"));
    let event = upper("event");
    let status = if is_unpaused { Some("APPROVED") } else { event.as_deref().and_then(status_after) };
    // With `correct_category`, the category changes in a day; with `previous_category`, it has changed.
    let category = fields.get("previous_category").and_then(|_| upper("new_category"));
    Ok(WebhookUpdate::Template(TemplateUpdate {
        name: fields.required("message_template_name")?.into_owned(),
        // Some of Meta's samples write `en-US`.
        language: fields.required("message_template_language")?.replace('-', "_"),
        status: status.map(str::to_owned),
        category,
        quality: upper("new_quality_score"),
        reason: reason(&fields),
        text: text(&fields),
    }))
}

/// Returns Meta's reason and the description of it, from whichever object the event contains.
fn reason(fields: &ElementFields<'_>) -> Option<String> {
    let reason = owned(fields.scalar("reason")).filter(|reason| !reason.eq_ignore_ascii_case("NONE"));
    let joined = |object: &str, names: [&str; 2], between: &str| {
        let object = fields.get(object)?;
        let joined: Vec<_> = names.into_iter().filter_map(|name| object.get(name)?.scalar()).collect();
        Some(joined.join(between)).filter(|joined| !joined.is_empty())
    };
    let rejection = || joined("rejection_info", ["reason", "recommendation"], " ");
    let other = || joined("other_info", ["title", "description"], ": ");
    let end = || {
        let date = fields.get("disable_info")?.get("disable_date")?.scalar()?;
        Some(format!("disabled on {date}"))
    };
    let all: Vec<_> = [reason, rejection().or_else(other).or_else(end)].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(": "))
}

/// Returns the current content of the template.
fn text(fields: &ElementFields<'_>) -> Option<TemplateTextUpdate> {
    const BUTTON: &str = "message_template_button_";
    let body = owned(fields.scalar("message_template_element"));
    let header = owned(fields.scalar("message_template_title"));
    let footer = owned(fields.scalar("message_template_footer"));
    let buttons = fields.get("message_template_buttons");
    if body.is_none() && header.is_none() && footer.is_none() && buttons.is_none() {
        return None;
    }
    let buttons = buttons.into_iter().flat_map(Json::elements).map(|button| {
        let field = |name: &str| owned(button.get(&format!("{BUTTON}{name}")).and_then(Json::scalar));
        (field("text").unwrap_or_default(), field("url").or_else(|| field("phone_number")))
    });
    Some(TemplateTextUpdate { header, body, footer, buttons: buttons.collect() })
}

/// Returns the status after an event; `None` if the event does not change the status.
fn status_after(event: &str) -> Option<&'static str> {
    const SAME: [&str; 12] = [
        // The template can still be sent, but will be disabled soon, which is reported.
        "FLAGGED",
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
        // An unknown event changes nothing; the next synchronisation reads the status.
        _ => SAME.into_iter().find(|status| *status == event),
    }
}
