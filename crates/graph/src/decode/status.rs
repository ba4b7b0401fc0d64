//! Statuses of messages that Waypost sent.

use domain::messages::status::MessageStatus;
use domain::messages::status_report::{Pricing, StatusReport};
use domain::webhooks_in::update::WebhookUpdate;

use super::fields::ElementFields;
use super::fields::owned;
use super::user::ContactIndex;
use crate::json_reader::Json;
use crate::wire::error;

pub(super) fn decode(element: Json<'_>, contacts: &ContactIndex<'_>) -> Result<WebhookUpdate, String> {
    let fields = ElementFields::read(element);
    // Payments and calls have statuses of their own; the former type `message` is an ordinary status.
    if fields.scalar("type").is_some_and(|kind| kind != "message") {
        return Ok(WebhookUpdate::Other);
    }
    let status = match &*fields.required("status")? {
        "sent" => MessageStatus::Sent,
        "delivered" => MessageStatus::Delivered,
        "read" => MessageStatus::Read,
        "played" => MessageStatus::Played,
        "failed" => MessageStatus::Failed,
        _ => return Ok(WebhookUpdate::Other),
    };
    // In a group, the recipient is the group and the participant is the user.
    let is_group = fields.scalar("recipient_type").is_some_and(|kind| kind == "group");
    let (recipient, user_id) = if is_group {
        ("recipient_participant_id", "recipient_participant_user_id")
    } else {
        ("recipient_id", "recipient_user_id")
    };
    let user = contacts.user(fields.scalar(recipient), fields.scalar(user_id));
    Ok(WebhookUpdate::Status(StatusReport {
        wamid: fields.required("id")?.into_owned(),
        status,
        at: fields.time("timestamp")?,
        reference: fields.scalar("biz_opaque_callback_data").and_then(|reference| reference.parse().ok()),
        recipient: user.wa_id,
        user_id: user.user_id,
        error: fields
            .get("errors")
            .filter(|_| status == MessageStatus::Failed)
            .and_then(|errors| errors.elements().find_map(error::read)),
        pricing: fields.get("pricing").filter(|pricing| pricing.is_object()).map(pricing),
    }))
}

fn pricing(pricing: Json<'_>) -> Pricing {
    let field = |name| owned(pricing.get(name).and_then(Json::scalar));
    Pricing {
        billable: pricing.get("billable").and_then(Json::boolean),
        pricing_model: field("pricing_model"),
        kind: field("type"),
        category: field("category"),
    }
}
