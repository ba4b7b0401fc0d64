//! Properties that hold for any input.

use domain::check::Violation;
use domain::contacts::phone::PhoneNumber;
use domain::json::{Object, Value};
use domain::messages::content::{Content, MessageKind};
use domain::templates::{ParameterFormat, Template, TemplateCategory, TemplateStatus};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{NOW, json};

/// Texts of messages and templates, so that random JSON passes the first checks.
const WORDS: [&str; 64] = [
    "type",
    "text",
    "body",
    "preview_url",
    "id",
    "link",
    "url",
    "caption",
    "filename",
    "name",
    "language",
    "code",
    "components",
    "parameters",
    "header",
    "footer",
    "button",
    "buttons",
    "sub_type",
    "index",
    "carousel",
    "cards",
    "card_index",
    "action",
    "sections",
    "rows",
    "title",
    "reply",
    "list",
    "cta_url",
    "product",
    "flow",
    "image",
    "video",
    "document",
    "location",
    "latitude",
    "longitude",
    "emoji",
    "message_id",
    "formatted_name",
    "first_name",
    "phones",
    "birthday",
    "order_details",
    "order",
    "items",
    "amount",
    "value",
    "offset",
    "currency",
    "quick_reply",
    "copy_code",
    "payload",
    "coupon_code",
    "parameter_name",
    "BODY",
    "HEADER",
    "BUTTONS",
    "CAROUSEL",
    "URL",
    "OTP",
    "format",
    "limited_time_offer",
];

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2_i64..12).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        Just(Value::Float(0.5)),
        select(&WORDS[..]).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        select(&["https://a.example/b", "{{1}} {{name}}", "", "INR", "👍", "en"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let key =
            prop_oneof![8 => select(&WORDS[..]).prop_map(str::to_owned), 1 => ".{0,4}".prop_map(|key| key)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Object>())),
        ]
    })
}

/// Valid messages of each kind that the property tests damage.
const VALID: [(&str, &str); 15] = [
    ("text", r#"{"body":"Hi","preview_url":true}"#),
    ("image", r#"{"link":"https://a.example/b","caption":"c"}"#),
    ("document", r#"{"id":"1","filename":"f.pdf"}"#),
    ("audio", r#"{"id":"1","voice":true}"#),
    ("sticker", r#"{"url":"https://a.example/b"}"#),
    ("location", r#"{"latitude":"1.5","longitude":2,"name":"n"}"#),
    (
        "contacts",
        r#"[{"name":{"formatted_name":"A","first_name":"B"},"phones":[{"phone":"1"}],"birthday":"2000-02-29"}]"#,
    ),
    ("reaction", r#"{"message_id":"w","emoji":"👍"}"#),
    ("template", TEMPLATE_MESSAGE),
    (
        "interactive",
        r#"{"type":"button","header":{"type":"image","image":{"id":"1"}},"body":{"text":"b"},"footer":{"text":"f"},"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"A"}},{"type":"reply","reply":{"id":"b","title":"B"}}]}}"#,
    ),
    (
        "interactive",
        r#"{"type":"list","body":{"text":"b"},"action":{"button":"b","sections":[{"title":"s","rows":[{"id":"a","title":"A","description":"d"}]}]}}"#,
    ),
    (
        "interactive",
        r#"{"type":"flow","body":{"text":"b"},"action":{"name":"flow","parameters":{"flow_message_version":"3","flow_id":"1","flow_cta":"Go","flow_action_payload":{"screen":"S","data":{"a":1}}}}}"#,
    ),
    (
        "interactive",
        r#"{"type":"product_list","header":{"type":"text","text":"h"},"body":{"text":"b"},"action":{"catalog_id":"1","sections":[{"product_items":[{"product_retailer_id":"1"}]}]}}"#,
    ),
    (
        "interactive",
        r#"{"type":"carousel","body":{"text":"b"},"action":{"cards":[{"card_index":0,"type":"cta_url","header":{"type":"image","image":{"id":"1"}},"body":{"text":"b"},"action":{"name":"cta_url","parameters":{"display_text":"d","url":"https://a"}}},{"card_index":1,"type":"cta_url","header":{"type":"image","image":{"id":"1"}},"action":{"name":"cta_url","parameters":{"display_text":"d","url":"https://a"}}}]}}"#,
    ),
    (
        "interactive",
        r#"{"type":"order_details","body":{"text":"b"},"action":{"name":"review_and_pay","parameters":{"reference_id":"r","type":"digital-goods","currency":"INR","total_amount":{"value":5,"offset":100},"payment_settings":[{"type":"payment_gateway","payment_gateway":{"type":"payu","configuration_name":"c","payu":{"udf1":"x"}}}],"order":{"status":"pending","items":[{"name":"n","amount":{"value":5,"offset":100},"quantity":1}],"subtotal":{"value":5,"offset":100},"tax":{"value":0,"offset":100},"expiration":{"timestamp":"1767299999"}}}}}"#,
    ),
];

const TEMPLATE_MESSAGE: &str = r#"{"name":"a","language":"en","components":[
    {"type":"header","parameters":[{"type":"image","image":{"link":"https://a.example/b"}}]},
    {"type":"body","parameters":[{"type":"text","text":"x"},{"type":"currency","currency":{"fallback_value":"5","code":"EUR","amount_1000":5000}}]},
    {"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"s"}]},
    {"type":"button","sub_type":"copy_code","index":1,"parameters":[{"type":"coupon_code","coupon_code":"SAVE"}]},
    {"type":"limited_time_offer","parameters":[{"type":"limited_time_offer","limited_time_offer":{"expiration_time_ms":1767225600000}}]},
    {"type":"carousel","cards":[{"card_index":0,"components":[{"type":"header","parameters":[{"type":"video","video":{"id":"1"}}]},{"type":"body","parameters":[{"type":"text","text":"y"}]},{"type":"button","sub_type":"quick_reply","index":0,"parameters":[{"type":"payload","payload":"p"}]}]}]}]}"#;

const TEMPLATE: &str = r#"[
    {"type":"HEADER","format":"IMAGE"},
    {"type":"BODY","text":"{{1}} costs {{2}}"},
    {"type":"LIMITED_TIME_OFFER","limited_time_offer":{"text":"Now","has_expiration":true}},
    {"type":"BUTTONS","buttons":[{"type":"URL","text":"Go","url":"https://a/{{1}}"},{"type":"COPY_CODE"}]},
    {"type":"CAROUSEL","cards":[{"components":[{"type":"HEADER","format":"VIDEO"},{"type":"BODY","text":"{{1}}"},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"A"}]}]}]}]"#;

pub(crate) fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(index, element)| places(element, &format!("{at}/{index}"), all));
        }
        Value::Object(object) => {
            object.iter().for_each(|(key, member)| places(member, &format!("{at}/{}", escaped(key)), all));
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
    }
}

/// Returns a valid message with one value replaced, removed or added.
fn damaged() -> impl Strategy<Value = (MessageKind, Value)> {
    (select(&VALID[..]), any::<prop::sample::Index>(), any_json(), select(&WORDS[..]), 0..3).prop_map(
        |((name, object), pointer, new, key, how)| {
            let mut value = json(object);
            let mut all = Vec::new();
            places(&value, "", &mut all);
            let pointer = pointer.get(&all).clone();
            let target = value.at_mut(&pointer).unwrap();
            match (how, target) {
                (0, Value::Object(object)) => {
                    object.insert(key, new);
                }
                (1, Value::Object(object)) => {
                    let first = object.iter().next().map(|(key, _)| key.to_owned());
                    if let Some(first) = first {
                        object.remove(&first);
                    }
                }
                (1, Value::Array(elements)) => drop(elements.pop()),
                (2, Value::Array(elements)) => {
                    let duplicates = elements.clone();
                    elements.extend(duplicates);
                }
                (_, target) => *target = new,
            }
            (name.parse::<MessageKind>().unwrap(), value)
        },
    )
}

fn read(kind: MessageKind, value: &Value) -> Result<Content, Vec<Violation>> {
    Content::read(kind, value.clone(), "/base", Timestamp::from_second(NOW).unwrap())
}

/// Returns `true` if the value at a pointer or its parent exists.
fn is_in(value: &Value, base: &str, pointer: &str) -> bool {
    let Some(inner) = pointer.strip_prefix(base) else { return false };
    value.at(inner).is_some() || inner.rsplit_once('/').is_some_and(|(parent, _)| value.at(parent).is_some())
}

fn check_reading(kind: MessageKind, value: &Value) -> Result<(), TestCaseError> {
    match read(kind, value) {
        Err(violations) => {
            prop_assert!(!violations.is_empty());
            for Violation { pointer, reason } in violations {
                prop_assert!(is_in(value, "/base", &pointer), "{} in {}", pointer, value);
                prop_assert!(!reason.is_empty() && !reason.ends_with('.'), "{}", reason);
            }
        }
        Ok(content) => {
            // What is in Meta's form is taken again, and stays as it is.
            let again = read(kind, content.object());
            prop_assert_eq!(again.as_ref().map(Content::object), Ok(content.object()));
            let mut replaced = content.clone();
            for found in content.media_refs() {
                prop_assert!(content.object().at(&found.pointer).is_some());
                prop_assert!(replaced.set_media_id(&found.pointer, "777"));
            }
            prop_assert_eq!(replaced.media_refs().len(), content.media_refs().len());
            prop_assert!(read(kind, replaced.object()).is_ok());
            prop_assert_ne!(content.preview_text(), Some(""));
        }
    }
    Ok(())
}

fn template_of(components: &Value, format: ParameterFormat, category: TemplateCategory) -> Template {
    Template {
        name: "a".to_owned(),
        language: "en".to_owned(),
        status: TemplateStatus::Approved,
        parameter_format: format,
        components: Template::components_from(components, format, &category),
        category,
    }
}

fn check_binding(template: &Template, message: &Value) -> Result<(), TestCaseError> {
    let Ok(content) = read(MessageKind::Template, message) else { return Ok(()) };
    let view = content.template().unwrap();
    template.render(&view).to_string();
    for mismatch in template.bind(&view, "/template").err().unwrap_or_default() {
        let pointer = &mismatch.pointer;
        // Something missing may be two steps away: a parameter of a component without `parameters`.
        let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        prop_assert!(
            is_in(content.object(), "/template", pointer) || is_in(content.object(), "/template", parent),
            "{} in {}",
            pointer,
            content.object()
        );
        prop_assert!(!mismatch.component.is_empty() && !mismatch.reason.is_empty());
    }
    Ok(())
}

#[test]
fn the_valid_messages_are_valid_and_fit_their_templates() {
    for (name, object) in VALID {
        let kind = name.parse::<MessageKind>().unwrap();
        assert_eq!(read(kind, &json(object)).err(), None, "{object}");
    }
    let template = template_of(&json(TEMPLATE), ParameterFormat::Positional, TemplateCategory::Marketing);
    let content = read(MessageKind::Template, &json(TEMPLATE_MESSAGE)).unwrap();
    assert_eq!(template.bind(&content.template().unwrap(), "/template"), Ok(()));
}

fn format_of(is_named: bool) -> ParameterFormat {
    if is_named { ParameterFormat::Named } else { ParameterFormat::Positional }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn violations_of_any_json_have_pointers_that_exist(value in any_json(), kind in select(&MessageKind::ALL[..])) {
        check_reading(kind, &value)?;
    }

    #[test]
    fn violations_of_a_damaged_message_have_pointers_that_exist((kind, value) in damaged()) {
        check_reading(kind, &value)?;
    }

    #[test]
    fn any_short_text_is_a_message(text in "[^\u{0}]{1,40}", preview in any::<bool>()) {
        let object = read(MessageKind::Text, &Value::from(text.as_str())).unwrap().into_object();
        prop_assert_eq!(object.get("body").unwrap().as_str(), Some(text.as_str()));
        let mut object = Object::new();
        object.insert("body", text);
        object.insert("preview_url", preview);
        prop_assert!(read(MessageKind::Text, &object.into()).is_ok());
    }

    #[test]
    fn any_buttons_within_the_limits_are_accepted(
        buttons in prop::collection::btree_map("[a-z0-9:]{1,256}", "[A-Za-z ]{1,20}", 1..=3),
        body in ".{1,1024}",
    ) {
        let titles: std::collections::BTreeSet<_> = buttons.values().collect();
        prop_assume!(titles.len() == buttons.len());
        let buttons: Vec<String> = buttons.iter()
            .map(|(id, title)| format!(r#"{{"type":"reply","reply":{{"id":"{id}","title":"{title}"}}}}"#))
            .collect();
        let text = format!(r#"{{"type":"button","body":{{"text":{}}},"action":{{"buttons":[{}]}}}}"#, Value::from(body), buttons.join(","));
        prop_assert_eq!(read(MessageKind::Interactive, &json(&text)).err(), None);
    }

    #[test]
    fn binding_any_message_to_any_template_returns_a_result(
        definition in any_json(), message in any_json(), is_named in any::<bool>(), is_code in any::<bool>(),
    ) {
        let category = if is_code { TemplateCategory::Authentication } else { TemplateCategory::Utility };
        let template = template_of(&definition, format_of(is_named), category);
        let mut object = Object::new();
        object.insert("name", "a");
        object.insert("language", "en");
        object.insert("components", message);
        check_binding(&template, &object.into())?;
    }

    #[test]
    fn binding_a_damaged_message_returns_a_result(
        (kind, message) in damaged().prop_filter("template", |(kind, _)| *kind == MessageKind::Template),
        is_named in any::<bool>(),
    ) {
        let template = template_of(&json(TEMPLATE), format_of(is_named), TemplateCategory::Marketing);
        prop_assert_eq!(kind, MessageKind::Template);
        check_binding(&template, &message)?;
    }

    #[test]
    fn a_message_with_a_text_for_each_slot_fits(n_slots in 0_usize..12, is_named in any::<bool>(), has_footer in any::<bool>()) {
        let slots: Vec<String> = (1..=n_slots).map(|n| if is_named { format!("p{n}") } else { n.to_string() }).collect();
        let words: Vec<String> = slots.iter().map(|slot| format!("{{{{{slot}}}}}")).collect();
        let footer = if has_footer { r#",{"type":"FOOTER","text":"f"}"# } else { "" };
        let definition = json(&format!(r#"[{{"type":"BODY","text":"Dear {}."}}{footer}]"#, words.join(", ")));
        let template = template_of(&definition, format_of(is_named), TemplateCategory::Utility);
        prop_assert_eq!(&template.components.body.as_ref().unwrap().slots, &slots);
        let parameters: Vec<String> = slots.iter().map(|slot| {
            let name = if is_named { format!(r#","parameter_name":"{slot}""#) } else { String::new() };
            format!(r#"{{"type":"text","text":"v{slot}"{name}}}"#)
        }).collect();
        let message = json(&format!(r#"{{"name":"a","language":"en","components":[{{"type":"body","parameters":[{}]}}]}}"#, parameters.join(",")));
        let content = read(MessageKind::Template, &message).unwrap();
        let view = content.template().unwrap();
        prop_assert_eq!(template.bind(&view, "/template"), Ok(()));
        let shown: Vec<String> = slots.iter().map(|slot| format!("v{slot}")).collect();
        prop_assert_eq!(template.render(&view).body, format!("Dear {}.", shown.join(", ")));
        // One less and one more do not fit.
        if n_slots > 0 {
            let fewer = json(&message.to_string().replacen(&format!("{},", parameters[0]), "", 1).replacen(&parameters[0], "", 1));
            let content = read(MessageKind::Template, &fewer).unwrap();
            prop_assert!(template.bind(&content.template().unwrap(), "").is_err());
        }
    }

    #[test]
    fn any_text_with_braces_is_parsed_into_slots(text in "[{}a1 ]{0,24}", is_named in any::<bool>()) {
        let definition = json(&format!(r#"[{{"type":"BODY","text":"{text}"}}]"#));
        let template = template_of(&definition, format_of(is_named), TemplateCategory::Utility);
        let content = read(MessageKind::Template, &json(r#"{"name":"a","language":"en"}"#)).unwrap();
        let shown = template.render(&content.template().unwrap()).body;
        prop_assert_eq!(shown.replace(' ', ""), text.replace(' ', ""));
    }

    #[test]
    fn the_debug_output_of_a_number_does_not_contain_the_number(digits in "[1-9][0-9]{7,14}") {
        let number = PhoneNumber::from_wa_id(&digits).unwrap();
        let shown = format!("{number:?}");
        let n_shown = shown.chars().filter(char::is_ascii_digit).count();
        prop_assert_eq!(n_shown, 4, "{}", shown);
    }
}
