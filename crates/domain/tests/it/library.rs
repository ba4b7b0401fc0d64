//! Templates from Meta's library: violations, and the request to Meta.

use domain::check::{Fields, JsonPointer, Violations};
use domain::json::Object;
use domain::templates::NewTemplate;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::properties::{any_json, places};

fn read(template: &Value) -> Result<NewTemplate, Vec<(String, String)>> {
    let object: Object = serde_json::from_value(template.clone()).unwrap();
    let found = Violations::new();
    let fields = Fields::read(&object, JsonPointer::root(), &found);
    let new = NewTemplate::read(&fields);
    fields.finish();
    let list = found.into_vec();
    if list.is_empty() {
        return Ok(new.unwrap());
    }
    Err(list.into_iter().map(|one| (one.pointer, one.reason)).collect())
}

fn update(more: &Value) -> Value {
    let mut template = json!({"name": "my_update", "language": "en_US", "category": "utility",
        "library_template_name": "delivery_update_1"});
    template.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    template
}

#[track_caller]
fn asks(template: &Value) -> Value {
    match read(template) {
        Ok(NewTemplate::FromLibrary(draft)) => serde_json::to_value(draft.body()).unwrap(),
        other => panic!("{template}: {other:?}"),
    }
}

#[track_caller]
fn refuses(template: &Value, pointer: &str, part: &str) {
    let Err(refused) = read(template) else { panic!("{template} was taken") };
    assert!(refused.iter().any(|(at, why)| at == pointer && why.contains(part)), "{refused:?}");
}

#[test]
fn the_request_to_meta_has_metas_form() {
    let plain = update(&json!({}));
    assert_eq!(asks(&plain)["category"], "UTILITY");
    let full = update(&json!({
        "message_send_ttl_seconds": 60,
        "library_template_body_inputs": {"add_contact_number": true},
        "library_template_button_inputs": [
            {"type": "url", "url": {"base_url": "https://shop.example/{{1}}", "url_suffix_example": "https://shop.example/7"}},
            {"type": "PHONE_NUMBER", "phone_number": "+1 555 010 5555"},
            {"type": "QUICK_REPLY"}]}));
    let mut asked = full.clone();
    asked["category"] = json!("UTILITY");
    asked["library_template_button_inputs"][0]["type"] = json!("URL");
    assert_eq!(asks(&full), asked);
    let code = json!({"name": "code", "language": "en_US", "category": "AUTHENTICATION",
        "library_template_name": "verify_code_1",
        "library_template_body_inputs": {"add_security_recommendation": true, "code_expiration_minutes": 5},
        "library_template_button_inputs": [{"type": "OTP", "otp_type": "ONE_TAP",
            "supported_apps": [{"package_name": "com.example", "signature_hash": "K8a/AINcGX7"}]}]});
    assert_eq!(asks(&code), code);
}

#[test]
fn each_violation_is_reported_with_its_pointer() {
    for (more, pointer, part) in [
        (json!({"name": "My"}), "/name", "lower-case"),
        (json!({"language": null}), "/language", "is required"),
        (json!({"category": "MARKETING"}), "/category", "no marketing templates"),
        (json!({"components": []}), "/components", "the library has it"),
        (json!({"parameter_format": "NAMED"}), "/parameter_format", "the library has it"),
        (json!({"library_template_name": ""}), "/library_template_name", "1"),
        (
            json!({"library_template_body_inputs": {"add_phone": true}}),
            "/library_template_body_inputs/add_phone",
            "unknown",
        ),
        (
            json!({"library_template_body_inputs": {"code_expiration_minutes": 91}}),
            "/library_template_body_inputs/code_expiration_minutes",
            "90",
        ),
        (json!({"library_template_button_inputs": []}), "/library_template_button_inputs", "1"),
        (
            json!({"library_template_button_inputs": [{"type": "LINK"}]}),
            "/library_template_button_inputs/0/type",
            "URL",
        ),
        (
            json!({"library_template_button_inputs": [{"type": "URL"}]}),
            "/library_template_button_inputs/0/url",
            "is required",
        ),
        (
            json!({"library_template_button_inputs": [{"type": "URL", "url": {"base_url": "shop.example"}}]}),
            "/library_template_button_inputs/0/url/base_url",
            "absolute",
        ),
        (
            json!({"library_template_button_inputs": [{"type": "URL", "url": {"base_url": "https://a.example/{{1}}/x"}}]}),
            "/library_template_button_inputs/0/url/base_url",
            "at its end",
        ),
        (
            json!({"library_template_button_inputs": [{"type": "URL", "url": {"base_url": "https://a.example/{{1}}"}}]}),
            "/library_template_button_inputs/0/url/url_suffix_example",
            "is required",
        ),
        (
            json!({"library_template_button_inputs": [{"type": "PHONE_NUMBER", "phone_number": "call us"}]}),
            "/library_template_button_inputs/0/phone_number",
            "phone number",
        ),
        (
            json!({"library_template_button_inputs": [{"type": "OTP", "otp_type": "ONE_TAP"}]}),
            "/library_template_button_inputs/0/supported_apps",
            "is required",
        ),
        (
            json!({"library_template_button_inputs": [{"type": "QUICK_REPLY", "text": "Yes"}]}),
            "/library_template_button_inputs/0/text",
            "unknown",
        ),
    ] {
        refuses(&update(&more), pointer, part);
    }
}

#[test]
fn inputs_without_a_library_template_are_rejected() {
    let own = json!({"name": "a", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Late."}], "library_template_body_inputs": {},
        "library_template_button_inputs": []});
    refuses(&own, "/library_template_body_inputs", "library_template_name");
    refuses(&own, "/library_template_button_inputs", "library_template_name");
}

const RIGHT: &str = r#"{"name": "a", "language": "en", "category": "UTILITY", "library_template_name": "b",
    "library_template_body_inputs": {"add_contact_number": true, "code_expiration_minutes": 5},
    "library_template_button_inputs": [
        {"type": "URL", "url": {"base_url": "https://a.example/{{1}}", "url_suffix_example": "https://a.example/1"}},
        {"type": "PHONE_NUMBER", "phone_number": "+15550105555"}, {"type": "OTP", "otp_type": "COPY_CODE"}]}"#;

proptest! {
    #[test]
    fn any_value_is_rejected_with_a_reason_or_normalized(
        pointer in any::<prop::sample::Index>(),
        new in any_json(),
    ) {
        let mut value: domain::json::Value = serde_json::from_str(RIGHT).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let pointer: String = pointer.get(&all).clone();
        *value.at_mut(&pointer).unwrap() = new;
        if value.as_object().is_none() {
            return Ok(());
        }
        match read(&serde_json::to_value(&value).unwrap()) {
            Ok(NewTemplate::FromLibrary(draft)) => {
                let again = read(&serde_json::to_value(draft.body()).unwrap());
                prop_assert_eq!(again, Ok(NewTemplate::FromLibrary(draft)));
            }
            Ok(NewTemplate::Own(_)) => {}
            Err(refused) => prop_assert!(!refused.is_empty()),
        }
    }
}

#[test]
fn the_messages_that_are_damaged_are_valid_before() {
    read(&serde_json::from_str(RIGHT).unwrap()).unwrap();
}
