//! What became of a message that we sent (reference C.5).

use domain::messages::message::{Pricing, Status, StatusReport};
use domain::webhooks_in::update::Update;

use super::fields::Fields;
use super::owned;
use super::person::People;
use crate::walk::Json;
use crate::wire::error;

pub(super) fn decode(element: Json<'_>, people: &People<'_>) -> Result<Update, String> {
    let fields = Fields::read(element);
    // Payments and calls have statuses of their own; an old `message` is an ordinary one.
    if fields.word("type").is_some_and(|kind| kind != "message") {
        return Ok(Update::Other);
    }
    let status = match &*fields.required("status")? {
        "sent" => Status::Sent,
        "delivered" => Status::Delivered,
        "read" => Status::Read,
        "played" => Status::Played,
        "failed" => Status::Failed,
        _ => return Ok(Update::Other),
    };
    // In a group the recipient is the group, and the participant is who has it.
    let is_group = fields.word("recipient_type").is_some_and(|kind| kind == "group");
    let (recipient, user_id) = if is_group {
        ("recipient_participant_id", "recipient_participant_user_id")
    } else {
        ("recipient_id", "recipient_user_id")
    };
    let person = people.person(fields.word(recipient), fields.word(user_id));
    Ok(Update::Status(StatusReport {
        wamid: fields.required("id")?.into_owned(),
        status,
        at: fields.time("timestamp")?,
        reference: fields.word("biz_opaque_callback_data").and_then(|reference| reference.parse().ok()),
        recipient: person.wa_id,
        user_id: person.user_id,
        error: fields
            .get("errors")
            .filter(|_| status == Status::Failed)
            .and_then(|errors| errors.elements().find_map(error::read)),
        pricing: fields.get("pricing").filter(|pricing| pricing.is_object()).map(pricing),
    }))
}

fn pricing(pricing: Json<'_>) -> Pricing {
    let word = |name| owned(pricing.get(name).and_then(Json::word));
    Pricing {
        billable: pricing.get("billable").and_then(Json::boolean),
        pricing_model: word("pricing_model"),
        kind: word("type"),
        category: word("category"),
    }
}
