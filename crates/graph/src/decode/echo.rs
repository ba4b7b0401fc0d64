//! Messages that the business wrote on its phone (field `smb_message_echoes`): outbound messages.

use domain::webhooks_in::update::{MessageEcho, WebhookUpdate};

use super::fields::ElementFields;
use super::fields::owned;
use super::message::{KINDS, message_text};
use super::user::ContactIndex;
use crate::json_reader::Json;
use crate::value;

pub(super) fn decode(element: Json<'_>, contacts: &ContactIndex<'_>) -> Result<WebhookUpdate, String> {
    let fields = ElementFields::read(element);
    let to = fields.scalar("to");
    let has_other = to.as_deref().is_some_and(|to| !to.bytes().all(|byte| byte.is_ascii_digit()));
    if has_other && fields.get("to_user_id").is_none() {
        // A group message belongs to no contact.
        return Ok(WebhookUpdate::Other);
    }
    let to = contacts.user(to.filter(|_| !has_other), fields.scalar("to_user_id"));
    if to.wa_id.is_none() && to.user_id.is_none() {
        return Err("it has neither `to` nor `to_user_id`".to_owned());
    }
    let kind = fields.required("type")?;
    let object = fields.get(&kind);
    Ok(WebhookUpdate::MessageEcho(MessageEcho {
        wamid: fields.required("id")?.into_owned(),
        to,
        at: fields.time("timestamp")?,
        text: object.and_then(|object| message_text(&kind, object)),
        object: object.and_then(value::read),
        context_wamid: fields.get("context").and_then(|context| owned(context.get("id")?.scalar())),
        kind: KINDS.iter().find(|known| **known == kind).unwrap_or(&"unsupported").to_string(),
    }))
}
