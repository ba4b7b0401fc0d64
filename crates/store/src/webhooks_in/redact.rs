//! Redaction of one contact in the bytes of a webhook payload.
//!
//! The elements of the lists of a change contain the identifiers of contacts: `entry[].changes[].value.<list>[]`. An
//! element belongs to a contact if one of its own members is the contact's number or user ID, or one of the two
//! identifiers of a number change. The element is replaced by `{}` and spaces: the body stays valid JSON, and the
//! positions of all other elements do not change.
//!
//! **Invariant:** the length of the body and the elements of other contacts do not change.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::payloads::ByteRange;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(default)]
    id: Option<serde_json::Value>,
    #[serde(borrow, default)]
    changes: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct Metadata {
    phone_number_id: String,
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Ownership of the numbers in a payload: IDs of phone numbers and WhatsApp Business Accounts of other workspaces.
pub(crate) trait NumberOwners {
    /// Returns `true` if the ID belongs to another workspace.
    fn is_foreign(&self, id: &str) -> bool;
}

/// Returns the elements of a contact; `None` if the body does not have the form of a webhook.
pub(crate) fn elements_of(
    body: &[u8],
    identifiers: &[String],
    owners: &dyn NumberOwners,
) -> Option<Vec<ByteRange>> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    let mut found = Vec::new();
    for entry in envelope.entry {
        let Ok(entry) = serde_json::from_str::<Entry<'_>>(entry.get()) else { continue };
        let waba_id = entry.id.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        for change in entry.changes {
            let Ok(change) = serde_json::from_str::<Change<'_>>(change.get()) else { continue };
            let Ok(value) = serde_json::from_str::<Members<'_>>(change.value.get()) else { continue };
            let number = value
                .get("metadata")
                .and_then(|metadata| serde_json::from_str::<Metadata>(metadata.get()).ok())
                .map(|metadata| metadata.phone_number_id);
            if owners.is_foreign(number.as_deref().unwrap_or(waba_id)) {
                continue;
            }
            for list in value.into_values() {
                let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else { continue };
                let matching = list.into_iter().filter(|element| names_identifier(element, identifiers));
                found.extend(matching.filter_map(|element| span(body, element)));
            }
        }
    }
    Some(found)
}

fn names_identifier(element: &RawValue, identifiers: &[String]) -> bool {
    let Ok(members) = serde_json::from_str::<Members<'_>>(element.get()) else { return false };
    members.iter().any(|(name, value)| match name.as_ref() {
        "timestamp" => false,
        // The old and the new identifiers of a number change.
        "user_id" | "system" if value.get().starts_with('{') => {
            let ids = serde_json::from_str::<Members<'_>>(value.get()).unwrap_or_default();
            ids.values().any(|id| is_identifier(id, identifiers))
        }
        _ => is_identifier(value, identifiers),
    })
}

fn is_identifier(value: &RawValue, identifiers: &[String]) -> bool {
    let text = serde_json::from_str::<String>(value.get()).unwrap_or_default();
    let text = text.strip_prefix('+').unwrap_or(&text);
    identifiers.iter().any(|identifier| identifier == text)
}

fn span(body: &[u8], element: &RawValue) -> Option<ByteRange> {
    let text = element.get();
    let start = text.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    (start.saturating_add(text.len()) <= body.len()).then_some(ByteRange { start, length: text.len() })
}

/// Replaces every identifier by spaces, in a body of unknown form. Digits within a longer number are not replaced.
pub(crate) fn redact_identifiers(body: &mut [u8], identifiers: &[String]) {
    for identifier in identifiers.iter().map(String::as_bytes).filter(|identifier| !identifier.is_empty()) {
        let mut from = 0;
        while let Some(start) = find(body, identifier, from) {
            let end = start.saturating_add(identifier.len());
            let is_digit = |at: Option<usize>| at.and_then(|at| body.get(at)).is_some_and(u8::is_ascii_digit);
            let is_part = identifier.iter().all(u8::is_ascii_digit)
                && (is_digit(start.checked_sub(1)) || is_digit(Some(end)));
            if !is_part && let Some(bytes) = body.get_mut(start..end) {
                bytes.fill(b' ');
            }
            from = end;
        }
    }
}

fn find(body: &[u8], identifier: &[u8], from: usize) -> Option<usize> {
    let offset = body.get(from..)?.windows(identifier.len()).position(|window| window == identifier)?;
    from.checked_add(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Foreign(&'static str);

    impl NumberOwners for Foreign {
        fn is_foreign(&self, id: &str) -> bool {
            id == self.0
        }
    }

    const BODY: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"field":"messages","value":{
        "metadata":{"display_phone_number":"15550109999","phone_number_id":"33"},
        "contacts":[{"profile":{"name":"Maya"},"wa_id":"15550100001"},{"profile":{"name":"Ann"},"wa_id":"447700900123"}],
        "messages":[{"from":"15550100001","id":"wamid.A","timestamp":"1767225600","text":{"body":"Hi \"you\" ]}"}},
            {"from":"447700900123","id":"wamid.B","contacts":[{"phones":[{"wa_id":"15550100001"}]}]}],
        "statuses":[{"id":"wamid.C","recipient_id":"15550100001"},{"id":"wamid.D","recipient_id":"447700900123"}]}}]}]}"#;

    fn redacted(identifiers: &[&str], foreign: &'static str) -> String {
        let identifiers: Vec<String> =
            identifiers.iter().map(|identifier| (*identifier).to_owned()).collect();
        let mut body = BODY.as_bytes().to_vec();
        for span in elements_of(&body, &identifiers, &Foreign(foreign)).expect("a webhook") {
            crate::payloads::redact_range(&mut body, span);
        }
        String::from_utf8(body).expect("text")
    }

    #[test]
    fn the_elements_of_one_contact_are_redacted_and_other_elements_do_not_change() {
        let body = redacted(&["15550100001"], "none");
        assert_eq!(body.len(), BODY.len());
        for redacted in ["Maya", "wamid.A", "Hi ", "wamid.C"] {
            assert!(!body.contains(redacted), "{redacted} in {body}");
        }
        for unchanged in ["Ann", "wamid.B", "wamid.D", "33", "15550109999"] {
            assert_eq!(body.find(unchanged), BODY.find(unchanged), "{unchanged}");
        }
        // The message of another contact does not change, even if it contains the erased number.
        assert_eq!(body.matches("15550100001").count(), 1);
        let json: serde_json::Value = serde_json::from_str(&body).expect("still JSON");
        assert_eq!(json["entry"][0]["changes"][0]["value"]["messages"][0], serde_json::json!({}));
    }

    #[test]
    fn payloads_of_another_workspace_do_not_change() {
        assert_eq!(redacted(&["15550100001"], "33"), BODY);
    }

    #[test]
    fn identifiers_in_a_body_of_unknown_form_are_replaced_by_spaces() {
        let identifiers = ["15550100001".to_owned(), "GB.7".to_owned()];
        assert_eq!(elements_of(br#"{"oops":["15550100001"]}"#, &identifiers, &Foreign("")), None);
        let mut body = *b"a 15550100001 b 155501000012 GB.7";
        redact_identifiers(&mut body, &identifiers);
        assert_eq!(&body, b"a             b 155501000012     ");
    }
}
