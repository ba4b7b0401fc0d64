//! Malformed and hostile payloads: no panic, nothing is lost, and no element affects another.

use bytes::Bytes;
use domain::webhooks_in::update::WebhookUpdate;
use engine::ports::WebhookChange;
use graph::decode_webhook;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// Returns a well-formed message or status that contains a number.
fn element(number: usize, is_status: bool) -> Value {
    if is_status {
        json!({"id": format!("wamid.{number}"), "status": "delivered", "timestamp": "1767261612", "recipient_id": "447700900123",
            "errors": [], "pricing": {"billable": true, "category": "utility"}})
    } else {
        json!({"from": "447700900123", "id": format!("wamid.{number}"), "timestamp": "1767261605", "type": "text",
            "text": {"body": "é\u{1F600}\"\\ /"}, "context": {"id": "wamid.x"}})
    }
}

fn body(entries: &[Vec<Vec<Value>>]) -> Value {
    let entry = |changes: &Vec<Vec<Value>>| {
        let changes: Vec<Value> = changes.iter().map(|elements| change(elements)).collect();
        json!({"id": "2", "changes": changes})
    };
    json!({"object": "whatsapp_business_account", "entry": entries.iter().map(entry).collect::<Vec<_>>()})
}

fn change(elements: &[Value]) -> Value {
    let (statuses, messages): (Vec<&Value>, Vec<&Value>) =
        elements.iter().partition(|element| element.get("status").is_some());
    json!({"field": "messages", "value": {"metadata": {"phone_number_id": "33"},
        "contacts": [{"profile": {"name": "Maya"}, "wa_id": "447700900123"}], "messages": messages, "statuses": statuses}})
}

/// Generates elements in changes in entries, each with its own number.
fn elements() -> impl Strategy<Value = Vec<Vec<Vec<Value>>>> {
    let kinds = prop::collection::vec(any::<bool>(), 0..5);
    prop::collection::vec(prop::collection::vec(kinds, 1..4), 1..4).prop_map(|entries| {
        let mut number = 0;
        let mut next = |is_status| {
            number += 1;
            element(number, is_status)
        };
        entries
            .into_iter()
            .map(|changes| {
                changes.into_iter().map(|kinds| kinds.into_iter().map(&mut next).collect()).collect()
            })
            .collect()
    })
}

fn wamids(decode: &[WebhookChange]) -> Vec<&str> {
    let mut wamids: Vec<&str> = decode
        .iter()
        .filter_map(|change| match &change.update {
            WebhookUpdate::Message(message) => Some(message.wamid.as_str()),
            WebhookUpdate::Status(report) => Some(report.wamid.as_str()),
            WebhookUpdate::MessageEcho(echo) => Some(echo.wamid.as_str()),
            WebhookUpdate::Call(_)
            | WebhookUpdate::MarketingPreference(_)
            | WebhookUpdate::NumberChange(_)
            | WebhookUpdate::Template(_)
            | WebhookUpdate::Account(_)
            | WebhookUpdate::Other => None,
        })
        .collect();
    wamids.sort_unstable();
    wamids
}

fn spans_are_inside(body: &[u8], decode: &[WebhookChange]) -> bool {
    decode.iter().all(|change| {
        let (start, length) =
            (usize::try_from(change.span.0).unwrap(), usize::try_from(change.span.1).unwrap());
        let bytes = body.get(start..start + length);
        bytes.is_some_and(|bytes| serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok())
    })
}

/// Values that replace a member.
fn junk() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(""),
        json!("x\u{0}y"),
        json!([]),
        json!({}),
        json!([[{}]]),
        json!({"id": 7, "entry": [], "type": {}}),
    ])
}

#[derive(Clone, Debug)]
enum Mutation {
    Drop,
    Replace(Value),
    Double,
}

fn mutation() -> impl Strategy<Value = (Index, Mutation)> {
    let mutation =
        prop_oneof![Just(Mutation::Drop), junk().prop_map(Mutation::Replace), Just(Mutation::Double)];
    (any::<Index>(), mutation)
}

/// Returns the pointers to all values below the root.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(index, value)| (format!("{at}/{index}"), value)).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (pointer, child) in children {
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

fn mutate(root: &mut Value, (position, mutation): &(Index, Mutation)) {
    let mut all = Vec::new();
    pointers(root, "", &mut all);
    if all.is_empty() {
        return;
    }
    let pointer = position.get(&all);
    if let Mutation::Replace(junk) = mutation {
        *root.pointer_mut(pointer).unwrap() = junk.clone();
        return;
    }
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match root.pointer_mut(parent).unwrap() {
        Value::Array(elements) => {
            let index: usize = name.parse().unwrap();
            if matches!(mutation, Mutation::Drop) {
                elements.remove(index);
            } else {
                elements.insert(index, elements[index].clone());
            }
        }
        Value::Object(members) => {
            members.remove(name);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_body_never_panics_and_spans_stay_within_it(
        entries in elements(), mutations in prop::collection::vec(mutation(), 1..8), is_pretty in any::<bool>(),
    ) {
        let mut root = body(&entries);
        for mutation in &mutations {
            mutate(&mut root, mutation);
        }
        let text = if is_pretty { serde_json::to_vec_pretty(&root) } else { serde_json::to_vec(&root) };
        let bytes = Bytes::from(text.unwrap());
        let decode = decode_webhook(&bytes).unwrap();
        prop_assert!(spans_are_inside(&bytes, &decode));
    }

    #[test]
    fn a_mutated_element_does_not_affect_other_elements(
        entries in elements(), victim in any::<Index>(), mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let total: usize = entries.iter().flatten().map(Vec::len).sum();
        prop_assume!(total > 0);
        let victim = victim.index(total) + 1;
        let name = format!("wamid.{victim}");
        let mut broken = entries;
        let mut wanted = Vec::new();
        for element in broken.iter_mut().flatten().flatten() {
            if element["id"] == name {
                for mutation in &mutations {
                    mutate(element, mutation);
                }
            } else {
                wanted.push(element["id"].as_str().unwrap().to_owned());
            }
        }
        let bytes = Bytes::from(serde_json::to_vec(&body(&broken)).unwrap());
        let decode = decode_webhook(&bytes).unwrap();
        prop_assert_eq!(decode.len(), total);
        let found = wamids(&decode);
        for wamid in wanted {
            prop_assert!(found.contains(&wamid.as_str()), "{} is lost", wamid);
        }
    }

    #[test]
    fn every_element_is_decoded_with_its_own_bytes(entries in elements()) {
        let bytes = Bytes::from(serde_json::to_vec(&body(&entries)).unwrap());
        let decode = decode_webhook(&bytes).unwrap();
        let mut wanted: Vec<String> = entries.iter().flatten().flatten().map(Value::to_string).collect();
        let mut found: Vec<String> = decode
            .iter()
            .map(|change| {
                let start = usize::try_from(change.span.0).unwrap();
                let end = start + usize::try_from(change.span.1).unwrap();
                String::from_utf8(bytes[start..end].to_vec()).unwrap()
            })
            .collect();
        wanted.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, wanted);
        prop_assert!(decode.iter().all(|change| change.undecodable.is_none()));
    }

    #[test]
    fn a_truncated_body_is_not_json(entries in elements(), cut in any::<Index>()) {
        let whole = serde_json::to_vec(&body(&entries)).unwrap();
        let bytes = Bytes::copy_from_slice(&whole[..cut.index(whole.len())]);
        prop_assert!(decode_webhook(&bytes).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = decode_webhook(&Bytes::from(bytes));
    }

    #[test]
    fn text_of_json_fragments_never_panics(chunks in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"entry\"", "\"changes\"", "\"value\"", "\"messages\"", "\"\\ud800\"", "1", "null", " ",
        "\"id\"", "\"field\"",
    ]), 0..30)) {
        let text = chunks.concat();
        if let Ok(decode) = decode_webhook(&Bytes::from(text.clone())) {
            prop_assert!(spans_are_inside(text.as_bytes(), &decode));
        }
    }
}

#[test]
fn a_thousand_updates_in_one_body_are_a_thousand_changes() {
    let elements = (0..1_000).map(|number| element(number, number % 3 > 0)).collect();
    let bytes = Bytes::from(serde_json::to_vec(&body(&[vec![elements]])).unwrap());
    assert_eq!(decode_webhook(&bytes).unwrap().len(), 1_000);
}
