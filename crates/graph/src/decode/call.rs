//! Calls of customers (field `calls`). A call opens the customer service window and has no other effect.

use domain::webhooks_in::update::{InboundCall, WebhookUpdate};

use super::fields::ElementFields;
use super::user::ContactIndex;
use crate::json_reader::Json;

pub(super) fn decode(element: Json<'_>, contacts: &ContactIndex<'_>) -> Result<WebhookUpdate, String> {
    let fields = ElementFields::read(element);
    if !fields.scalar("direction").is_some_and(|direction| direction.eq_ignore_ascii_case("USER_INITIATED")) {
        return Ok(WebhookUpdate::Other);
    }
    let from = contacts.user(fields.scalar("from"), fields.scalar("from_user_id"));
    if from.wa_id.is_none() && from.user_id.is_none() {
        return Err("it has neither `from` nor `from_user_id`".to_owned());
    }
    // The end of a call also proves the call; its time is later than the call.
    let time = if fields.get("start_time").is_some() { "start_time" } else { "timestamp" };
    Ok(WebhookUpdate::Call(InboundCall { from, at: fields.time(time)? }))
}
