//! Inbound messages.

use std::borrow::Cow;

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::messages::inbound::{InboundMessage, InboundMetadata};

use super::fields::ElementFields;
use super::fields::owned;
use super::user::ContactIndex;
use crate::json_reader::Json;
use crate::value;

/// Known types. Any other type is `unsupported`, and so is `unknown`, Meta's former name for it.
pub(super) const KINDS: [&str; 17] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "button",
    "reaction",
    "order",
    "system",
    "request_welcome",
    "edit",
    "revoke",
    "unsupported",
];

pub(super) fn decode(element: Json<'_>, contacts: &ContactIndex<'_>) -> Result<InboundMessage, String> {
    let fields = ElementFields::read(element);
    let wamid = fields.required("id")?;
    let at = fields.time("timestamp")?;
    let kind = match fields.get("type") {
        Some(_) => fields.required("type")?,
        None => Cow::Borrowed("unsupported"),
    };
    // If only `contacts` names the sender, the message is from that contact.
    let object = fields.get(&kind);
    let system = object.filter(|_| kind == "system");
    // If only the user id changed, the update names only the previous user.
    let before = |name| system?.get(name)?.scalar();
    let from = contacts.user(
        fields.scalar("from").or_else(|| before("customer")),
        fields.scalar("from_user_id").or_else(|| before("previous_user_id")),
    );
    if from.wa_id.is_none() && from.user_id.is_none() {
        return Err("it has neither `from` nor `from_user_id`".to_owned());
    }
    let new_identity = system.and_then(|system| new_identity(system, &from));
    let context = fields.get("context");
    Ok(InboundMessage {
        wamid: wamid.into_owned(),
        from,
        at,
        text: object.and_then(|object| message_text(&kind, object)),
        object: object.and_then(value::read),
        context_wamid: context.and_then(|context| owned(context.get("id")?.scalar())),
        metadata: metadata(&fields, context, new_identity),
        kind: KINDS.iter().find(|known| **known == kind).unwrap_or(&"unsupported").to_string(),
    })
}

fn metadata(
    fields: &ElementFields<'_>,
    context: Option<Json<'_>>,
    new_identity: Option<WhatsAppUser>,
) -> InboundMetadata {
    let is_set = |name| context.and_then(|context| context.get(name)?.boolean()) == Some(true);
    let is_there = |json: &Json<'_>| json.is_object() || json.is_array();
    let read = |name| fields.get(name).filter(is_there).and_then(value::read);
    InboundMetadata {
        is_forwarded: is_set("forwarded"),
        is_frequently_forwarded: is_set("frequently_forwarded"),
        referred_product: context
            .and_then(|context| context.get("referred_product"))
            .filter(is_there)
            .and_then(value::read),
        referral: read("referral"),
        errors: read("errors"),
        group_id: owned(fields.scalar("group_id")),
        new_identity,
    }
}

/// Returns the identity of the user after a `system` message; `None` if the message reports no new identity.
///
/// Meta sends the new number as `wa_id`, formerly as `new_wa_id`. The type is ignored: `user_changed_number`,
/// `customer_changed_number` and `user_changed_user_id` all occur, and an identity check contains no new id.
fn new_identity(system: Json<'_>, from: &WhatsAppUser) -> Option<WhatsAppUser> {
    let field = |name| owned(system.get(name).and_then(Json::scalar));
    let wa_id =
        field("new_wa_id").or_else(|| field("wa_id")).filter(|wa_id| Some(wa_id) != from.wa_id.as_ref());
    let user_id = field("user_id").filter(|user_id| Some(user_id) != from.user_id.as_ref());
    let is_changed = wa_id.is_some() || user_id.is_some();
    is_changed.then(|| WhatsAppUser { wa_id, user_id, ..WhatsAppUser::default() })
}

/// Returns the text in the object of a type.
pub(super) fn message_text(kind: &str, object: Json<'_>) -> Option<String> {
    let field = |name| object.get(name)?.string().filter(|text| !text.is_empty());
    let text = match kind {
        "text" | "system" => field("body"),
        "image" | "video" | "audio" | "document" => field("caption"),
        "button" | "order" => field("text"),
        "interactive" => {
            return ["button_reply", "list_reply", "nfm_reply"].into_iter().find_map(|name| {
                let reply = object.get(name)?;
                let text = reply.get("title").or_else(|| reply.get("body"))?.string();
                owned(text.filter(|text| !text.is_empty()))
            });
        }
        "edit" => {
            let message = object.get("message")?;
            let inner = message.get("type")?.string()?;
            // An edit of an edit is refused, so this recursion ends.
            return if inner == "edit" { None } else { message_text(&inner, message.get(&inner)?) };
        }
        _ => None,
    };
    owned(text)
}
