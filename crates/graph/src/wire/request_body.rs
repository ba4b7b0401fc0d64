//! Request bodies.

use bytes::Bytes;
use domain::json::{Object, Value};
use engine::ports::{OutgoingMessage, Recipient};

/// Returns the request body of a message. The content is inserted as the text that it is.
pub(crate) fn message(message: &OutgoingMessage<'_>) -> Bytes {
    let mut body = String::with_capacity(message.content.len() + message.reference.len() + 320);
    body.push_str(r#"{"messaging_product":"whatsapp","recipient_type":"individual","#);
    match message.recipient {
        Recipient::Phone(phone) => {
            body.push_str(r#""to":"+"#);
            body.push_str(phone.digits());
            body.push('"');
        }
        Recipient::Bsuid(user) => member(&mut body, "recipient", user.as_str()),
    }
    body.push(',');
    member(&mut body, "type", message.kind);
    body.push(',');
    string(&mut body, message.kind);
    body.push(':');
    body.push_str(message.content);
    if let Some(wamid) = message.context_wamid {
        body.push_str(r#","context":{"#);
        member(&mut body, "message_id", wamid);
        body.push('}');
    }
    if let Some(hash) = message.recipient_identity_key_hash {
        body.push(',');
        member(&mut body, "recipient_identity_key_hash", hash);
    }
    body.push(',');
    member(&mut body, "biz_opaque_callback_data", message.reference);
    body.push('}');
    Bytes::from(body)
}

/// Returns the request body that marks a customer's message as read.
pub(crate) fn read_mark(wamid: &str, is_typing: bool) -> Bytes {
    let mut body = String::with_capacity(wamid.len() + 128);
    body.push_str(r#"{"messaging_product":"whatsapp","status":"read","#);
    member(&mut body, "message_id", wamid);
    if is_typing {
        body.push_str(r#","typing_indicator":{"type":"text"}"#);
    }
    body.push('}');
    Bytes::from(body)
}

/// Returns a request body with `messaging_product`, as requests about phone numbers need it.
pub(crate) fn product(members: &Object) -> Bytes {
    let mut body = Object::new();
    body.insert("messaging_product", "whatsapp");
    for (name, value) in members.iter() {
        body.insert(name, value.clone());
    }
    // Writing to memory cannot fail.
    serde_json::to_vec(&Value::Object(body)).unwrap_or_default().into()
}

fn member(body: &mut String, name: &str, value: &str) {
    string(body, name);
    body.push(':');
    string(body, value);
}

fn string(body: &mut String, text: &str) {
    body.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character < ' ' || matches!(character, '"' | '\\')) {
        let (plain, tail) = rest.split_at(at);
        body.push_str(plain);
        let mut characters = tail.chars();
        if let Some(special) = characters.next() {
            escape(body, special);
        }
        rest = characters.as_str();
    }
    body.push_str(rest);
    body.push('"');
}

fn escape(body: &mut String, special: char) {
    match special {
        '"' | '\\' => {
            body.push('\\');
            body.push(special);
        }
        _ => {
            let code = u32::from(special);
            body.push_str("\\u00");
            body.extend([code >> 4, code & 15].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::contacts::bsuid::Bsuid;
    use domain::contacts::phone::PhoneNumber;
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn phone() -> Recipient {
        Recipient::Phone(PhoneNumber::from_wa_id("447700900123").expect("a wa_id"))
    }

    fn plain<'a>(recipient: &'a Recipient, reference: &'a str) -> OutgoingMessage<'a> {
        OutgoingMessage {
            recipient,
            kind: "text",
            content: r#"{"body":"Hi \ud83d\ude00","preview_url":true}"#,
            context_wamid: None,
            recipient_identity_key_hash: None,
            reference,
        }
    }

    fn text(body: Bytes) -> String {
        String::from_utf8(body.into()).expect("UTF-8")
    }

    #[test]
    fn a_message_to_a_number() {
        let recipient = phone();
        expect![[r#"{"messaging_product":"whatsapp","recipient_type":"individual","to":"+447700900123","type":"text","text":{"body":"Hi \ud83d\ude00","preview_url":true},"biz_opaque_callback_data":"019b76da-a800-7000-8000-000000000001"}"#]].assert_eq(&text(message(&plain(&recipient, "019b76da-a800-7000-8000-000000000001"))));
    }

    #[test]
    fn a_reply_to_a_user_id_with_everything() {
        let recipient = Recipient::Bsuid(Bsuid::parse("GB.77120394857261034").expect("a user id"));
        let all = OutgoingMessage {
            context_wamid: Some("wamid.HBg\"=="),
            recipient_identity_key_hash: Some("DF2lS5v2W6x="),
            ..plain(&recipient, "019b76da-a800-7000-8000-000000000001:2")
        };
        expect![[r#"{"messaging_product":"whatsapp","recipient_type":"individual","recipient":"GB.77120394857261034","type":"text","text":{"body":"Hi \ud83d\ude00","preview_url":true},"context":{"message_id":"wamid.HBg\"=="},"recipient_identity_key_hash":"DF2lS5v2W6x=","biz_opaque_callback_data":"019b76da-a800-7000-8000-000000000001:2"}"#]].assert_eq(&text(message(&all)));
    }

    #[test]
    fn a_read_mark_with_and_without_the_typing_bubble() {
        expect![[r#"{"messaging_product":"whatsapp","status":"read","message_id":"wamid.HBg="}"#]]
            .assert_eq(&text(read_mark("wamid.HBg=", false)));
        expect![[r#"{"messaging_product":"whatsapp","status":"read","message_id":"wamid.HBg=","typing_indicator":{"type":"text"}}"#]].assert_eq(&text(read_mark("wamid.HBg=", true)));
    }

    proptest! {
        #[test]
        fn any_text_is_encoded_unchanged(reference in any::<String>(), context in any::<String>()) {
            let recipient = phone();
            let body = message(&OutgoingMessage { context_wamid: Some(&context), ..plain(&recipient, &reference) });
            let read: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            prop_assert_eq!(read["biz_opaque_callback_data"].as_str(), Some(reference.as_str()));
            prop_assert_eq!(read["context"]["message_id"].as_str(), Some(context.as_str()));
        }
    }
}
