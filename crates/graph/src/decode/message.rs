//! What a customer wrote (reference C.4).

use std::borrow::Cow;

use domain::inbound::Inbound;

use super::fields::Fields;
use super::owned;
use super::person::People;
use crate::value;
use crate::walk::Json;

/// The types that are known; every other one is `unsupported`, as is Meta's old word for that, `unknown`.
const KINDS: [&str; 17] = [
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

pub(super) fn decode(element: Json<'_>, people: &People<'_>) -> Result<Inbound, String> {
    let fields = Fields::read(element);
    let wamid = fields.required("id")?;
    let at = fields.time("timestamp")?;
    let kind = match fields.get("type") {
        Some(_) => fields.required("type")?,
        None => Cow::Borrowed("unsupported"),
    };
    // A message of a person whom only `contacts` names is theirs.
    let from = people.person(fields.word("from"), fields.word("from_user_id"));
    if from.wa_id.is_none() && from.user_id.is_none() {
        return Err("it has neither `from` nor `from_user_id`".to_owned());
    }
    let object = fields.get(&kind);
    Ok(Inbound {
        wamid: wamid.into_owned(),
        from,
        at,
        text: object.and_then(|object| words(&kind, object)),
        object: object.and_then(value::read),
        context_wamid: fields.get("context").and_then(|context| owned(context.get("id")?.word())),
        kind: KINDS.iter().find(|known| **known == kind).unwrap_or(&"unsupported").to_string(),
    })
}

/// The words in the object of a type.
fn words(kind: &str, object: Json<'_>) -> Option<String> {
    let word = |name| object.get(name)?.string().filter(|text| !text.is_empty());
    let text = match kind {
        "text" | "system" => word("body"),
        "image" | "video" | "audio" | "document" => word("caption"),
        "button" | "order" => word("text"),
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
            // An edit of an edit is none, so this ends.
            return if inner == "edit" { None } else { words(&inner, message.get(&inner)?) };
        }
        _ => None,
    };
    owned(text)
}
