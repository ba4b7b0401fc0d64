//! New templates and changes of templates: violations, and the normalized form.

use domain::check::{Fields, JsonPointer, Violations};
use domain::json::{Object, Value};
use domain::templates::{
    ParameterFormat, Template, TemplateCategory, TemplateDraft, TemplateEdit, TemplateStatus,
};
use proptest::prelude::*;
use serde_json::json;

use crate::properties::{any_json, places};

fn read(template: &serde_json::Value) -> Result<TemplateDraft, Vec<(String, String)>> {
    let object: Object = serde_json::from_value(template.clone()).unwrap();
    let found = Violations::new();
    let fields = Fields::read(&object, JsonPointer::root(), &found);
    let draft = TemplateDraft::read(&fields);
    fields.finish();
    let list = found.into_vec();
    if list.is_empty() {
        return Ok(draft.unwrap());
    }
    Err(list.into_iter().map(|one| (one.pointer, one.reason)).collect())
}

/// Returns a valid template with these components.
fn of(category: &str, components: &serde_json::Value) -> serde_json::Value {
    json!({"name": "ferry_delay", "language": "en_GB", "category": category, "components": components})
}

fn written(draft: &TemplateDraft) -> serde_json::Value {
    serde_json::to_value(draft.body()).unwrap()
}

fn body(text: &str, samples: &[&str]) -> serde_json::Value {
    json!({"type": "BODY", "text": text, "example": {"body_text": [samples]}})
}

#[track_caller]
fn refuses(template: &serde_json::Value, pointer: &str, part: &str) {
    let Err(refused) = read(template) else { panic!("{template} was taken") };
    assert!(
        refused.iter().any(|(at, reason)| at == pointer && reason.contains(part)),
        "{template}\nwanted `{part}` at `{pointer}`, got {refused:?}"
    );
}

#[track_caller]
fn takes(template: &serde_json::Value) -> TemplateDraft {
    read(template).unwrap_or_else(|refused| panic!("{template}: {refused:?}"))
}

#[test]
fn the_sample_template_of_meta_is_accepted_and_normalized() {
    let draft = takes(&json!({"name": "ferry_delay", "language": "en_GB", "category": "utility",
        "parameter_format": "named", "components": [
        {"type": "header", "format": "document", "example": {"header_handle": ["4:ZmVycnk="]}},
        {"type": "Body", "text": "Sailing from {{port}} leaves {{minutes}} minutes late today.",
         "example": {"body_text_named_params": [
            {"param_name": "port", "example": "Oban"}, {"param_name": "minutes", "example": "45"}]}},
        {"type": "BUTTONS", "buttons": [
            {"type": "url", "text": "Track ferry", "url": "https://ferry.example/t/{{1}}",
             "example": "https://ferry.example/t/CM-2291"},
            {"type": "QUICK_REPLY", "text": "Stop alerts"}]}]}));
    let body = written(&draft);
    assert_eq!((&body["category"], &body["parameter_format"]), (&json!("UTILITY"), &json!("NAMED")));
    assert_eq!(
        body["components"],
        json!([
            {"type": "HEADER", "format": "DOCUMENT", "example": {"header_handle": ["4:ZmVycnk="]}},
            {"type": "BODY", "text": "Sailing from {{port}} leaves {{minutes}} minutes late today.",
             "example": {"body_text_named_params": [
                {"param_name": "port", "example": "Oban"}, {"param_name": "minutes", "example": "45"}]}},
            {"type": "BUTTONS", "buttons": [
                {"type": "URL", "text": "Track ferry", "url": "https://ferry.example/t/{{1}}",
                 "example": ["https://ferry.example/t/CM-2291"]},
                {"type": "QUICK_REPLY", "text": "Stop alerts"}]}
        ])
    );
    let template = draft.template(TemplateStatus::Pending, TemplateCategory::Utility);
    assert_eq!(template.components.body.unwrap().slots, ["port", "minutes"]);
}

#[test]
fn samples_may_be_a_list_a_text_or_a_nested_list() {
    for example in [json!([["Oban", "45"]]), json!(["Oban", "45"])] {
        let text = "From {{1}} it is {{2}} minutes.";
        let draft = takes(&of(
            "UTILITY",
            &json!([{"type": "BODY", "text": text, "example": {"body_text": example}}]),
        ));
        assert_eq!(written(&draft)["components"][0]["example"], json!({"body_text": [["Oban", "45"]]}));
    }
    let draft = takes(&of(
        "UTILITY",
        &json!([{"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}", "example": {"header_text": "Maya"}},
            {"type": "BODY", "text": "Bye {{1}}.", "example": {"body_text": "Maya"}}]),
    ));
    assert_eq!(written(&draft)["components"][0]["example"], json!({"header_text": ["Maya"]}));
    assert_eq!(written(&draft)["components"][1]["example"], json!({"body_text": [["Maya"]]}));
}

#[test]
fn the_properties_of_a_template_are_checked() {
    let with = |name: &str, value: serde_json::Value| {
        let mut template = of("UTILITY", &json!([body("Late.", &[])]));
        template["components"] = json!([{"type": "BODY", "text": "Late."}]);
        template[name] = value;
        template
    };
    for (name, value, part) in [
        ("name", json!("Ferry"), "lower-case"),
        ("name", json!("ferry-delay"), "lower-case"),
        ("name", json!(""), "must be"),
        ("name", json!("x".repeat(513)), "is 513"),
        ("name", json!(7), "must be a string"),
        ("language", json!("en-GB"), "did you mean `en_GB`?"),
        ("language", json!("xx"), "one of Meta's language codes"),
        ("language", json!("english"), "one of Meta's language codes"),
        ("category", json!("SPAM"), "must be"),
        ("category", json!("MARKETIN"), "did you mean `MARKETING`?"),
        ("parameter_format", json!("BOTH"), "must be"),
        ("components", json!([]), "element"),
        ("components", json!({}), "must be an array"),
        ("message_send_ttl_seconds", json!(29), "must be -1 or 30 to 43200"),
        ("message_send_ttl_seconds", json!(43_201), "must be -1 or 30 to 43200"),
        ("message_send_ttl_seconds", json!("60"), "must be a whole number"),
        ("header", json!("Hi"), "unknown field"),
    ] {
        refuses(&with(name, value), &format!("/{name}"), part);
    }
    takes(&with("name", json!("x".repeat(512))));
    takes(&with("message_send_ttl_seconds", json!(-1)));
    takes(&with("allow_category_change", json!(true)));
    for name in ["name", "language", "category", "components"] {
        refuses(&with(name, json!(null)), &format!("/{name}"), "is required");
    }
    let all = read(&json!({})).unwrap_err();
    let pointers: Vec<_> = all.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/language", "/category", "/components"]);
}

#[test]
fn bodies_are_checked() {
    let long = |n: usize| "x".repeat(n);
    let text = |text: &str, samples: &[&str]| of("UTILITY", &json!([body(text, samples)]));
    for (template, pointer, part) in [
        (text(&long(1025), &[]), "/components/0/text", "is 1025"),
        (text("", &[]), "/components/0/text", "must be"),
        (text("   ", &[]), "/components/0/text", "blank"),
        (text("{{1}} is late", &["a"]), "/components/0/text", "begin or end"),
        (text("It is {{1}}", &["a"]), "/components/0/text", "begin or end"),
        (text("It is {{1}} \n", &["a"]), "/components/0/text", "begin or end"),
        (text("It {{2}} is", &["a"]), "/components/0/text", "from {{1}}"),
        (text("It {{1}} is {{3}} now", &["a", "b"]), "/components/0/text", "expected {{2}}"),
        (text("It {{+1}} is", &["a"]), "/components/0/text", "found {{+1}}"),
        (text("It {{}} is", &["a"]), "/components/0/text", "found {{}}"),
        (text("It {{name}} is", &["a"]), "/components/0/text", "found {{name}}"),
        (text("It {{1 is", &["a"]), "/components/0/text", "does not close"),
        (text("It 1}} is", &["a"]), "/components/0/text", "has not opened"),
        (text("It {{ {{1}} is", &["a"]), "/components/0/text", "within another"),
        (text("a {{1}} {{2}} {{3}} b", &["a", "b", "c"]), "/components/0/text", "too many parameters"),
        (text("It {{1}} is {{2}} now", &["a"]), "/components/0/example/body_text", "2 samples"),
        (text("It {{1}} is", &["a", "b"]), "/components/0/example/body_text", "1 sample,"),
        (text("It {{1}} is", &[" "]), "/components/0/example/body_text", "not empty"),
        (
            of("UTILITY", &json!([{"type": "BODY", "text": "It {{1}} is"}])),
            "/components/0/example",
            "is required",
        ),
        (of("UTILITY", &json!([{"type": "BODY"}])), "/components/0/text", "is required"),
        (
            of("UTILITY", &json!([{"type": "BODY", "text": "a", "colour": 1}])),
            "/components/0/colour",
            "unknown",
        ),
        (of("UTILITY", &json!([{"type": "FOOTER", "text": "a"}])), "/components", "type BODY"),
        (of("UTILITY", &json!([body("a", &[]), body("b", &[])])), "/components/1", "second component"),
        (of("UTILITY", &json!([{"type": "POEM", "text": "a"}])), "/components/0/type", "must be"),
        (of("UTILITY", &json!([7])), "/components/0", "must be an object"),
        (of("UTILITY", &json!([{"text": "a"}])), "/components/0/type", "is required"),
    ] {
        refuses(&template, pointer, part);
    }
    takes(&text(&long(1024), &[]));
    takes(&text("It {{1}} is {{1}} again", &["a"]));
    takes(&text("It {{ 1 }} is", &["a"]));
    takes(&text("It {{2}} is {{1}} now", &["a", "b"]));
}

#[test]
fn named_slots_are_checked() {
    let named = |text: &str, samples: serde_json::Value| {
        let mut template = of(
            "UTILITY",
            &json!([{"type": "BODY", "text": text, "example": {"body_text_named_params": samples}}]),
        );
        template["parameter_format"] = json!("NAMED");
        template
    };
    let sample = |name: &str| json!({"param_name": name, "example": "x"});
    takes(&named("It {{port}} is", json!([sample("port")])));
    refuses(&named("It {{Port}} is", json!([sample("Port")])), "/components/0/text", "found {{Port}}");
    refuses(&named("It {{1}} is", json!([sample("1")])), "/components/0/text", "found {{1}}");
    refuses(&named("It {{}} is", json!([sample("a")])), "/components/0/text", "found {{}}");
    let pointer = "/components/0/example/body_text_named_params";
    refuses(&named("It {{port}} is", json!([sample("harbour")])), pointer, "a sample for `port`");
    refuses(&named("It {{port}} is", json!([])), pointer, "element");
    let blank = json!([{"param_name": "port", "example": ""}]);
    refuses(&named("It {{port}} is", blank), &format!("{pointer}/0/example"), "must be");
}

#[test]
fn headers_and_footers_are_checked() {
    let with = |component: serde_json::Value| {
        of("MARKETING", &json!([component, {"type": "BODY", "text": "Late."}]))
    };
    let header = |format: &str, rest: serde_json::Value| {
        let mut header = json!({"type": "HEADER", "format": format});
        header.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        with(header)
    };
    for (template, pointer, part) in [
        (header("TEXT", json!({})), "/components/0/text", "is required"),
        (header("TEXT", json!({"text": "x".repeat(61)})), "/components/0/text", "is 61"),
        (header("TEXT", json!({"text": "two\nlines"})), "/components/0/text", "one line"),
        (
            header("TEXT", json!({"text": "{{1}} and {{2}}", "example": {"header_text": ["a", "b"]}})),
            "/components/0/text",
            "at most one parameter",
        ),
        (header("TEXT", json!({"text": "Hi {{1}}"})), "/components/0/example", "is required"),
        (header("IMAGE", json!({})), "/components/0/example", "is required"),
        (header("IMAGE", json!({"example": {}})), "/components/0/example/header_handle", "is required"),
        (
            header("IMAGE", json!({"example": {"header_handle": []}})),
            "/components/0/example/header_handle",
            "handle",
        ),
        (header("SONG", json!({})), "/components/0/format", "must be"),
        (header("LOCATION", json!({"place": 1})), "/components/0/place", "unknown"),
        (with(json!({"type": "HEADER"})), "/components/0/format", "is required"),
        (with(json!({"type": "FOOTER"})), "/components/0/text", "is required"),
        (with(json!({"type": "FOOTER", "text": "x".repeat(61)})), "/components/0/text", "is 61"),
        (with(json!({"type": "FOOTER", "text": "Bye {{1}}"})), "/components/0/text", "parameters"),
        (
            with(json!({"type": "FOOTER", "text": "a", "code_expiration_minutes": 5})),
            "/components/0/code_expiration_minutes",
            "authentication",
        ),
    ] {
        refuses(&template, pointer, part);
    }
    takes(&header("LOCATION", json!({})));
    takes(&header("video", json!({"example": {"header_handle": "4:a"}})));
    takes(&with(json!({"type": "FOOTER", "text": "x".repeat(60)})));
}

#[test]
fn buttons_are_checked() {
    let of_buttons = |buttons: serde_json::Value| {
        of("MARKETING", &json!([{"type": "BODY", "text": "Late."}, {"type": "BUTTONS", "buttons": buttons}]))
    };
    let one = |button: serde_json::Value| of_buttons(json!([button]));
    let reply = |n: usize| json!({"type": "QUICK_REPLY", "text": format!("Reply {n}")});
    let url =
        |url: &str| json!({"type": "URL", "text": "Open", "url": url, "example": ["https://a.example/x"]});
    let in_buttons = |rest: &str| format!("/components/1/buttons{rest}");
    for (template, pointer, part) in [
        (of_buttons(json!([])), "", "element"),
        (of_buttons((0..11).map(reply).collect()), "", "is required|must have"),
        (of_buttons(json!([reply(0), url("https://a.example"), reply(1)])), "", "must not mix"),
        (
            of_buttons(json!([url("https://a.example"), url("https://b.example"), url("https://c.example")])),
            "/2/type",
            "at most 2",
        ),
        (one(json!({"type": "SWITCH"})), "/0/type", "must be"),
        (one(json!({"type": "QUICK_REPLY"})), "/0/text", "is required"),
        (one(json!({"type": "QUICK_REPLY", "text": "x".repeat(26)})), "/0/text", "is 26"),
        (one(json!({"type": "QUICK_REPLY", "text": "a", "payload": "b"})), "/0/payload", "unknown"),
        (one(url("ftp://a.example")), "/0/url", "https://"),
        (one(url("{{1}}")), "/0/url", "https://"),
        (one(url("https://a.example/{{1}}/x")), "/0/url", "at its end"),
        (one(url("https://a.example/{{1}}/{{2}}")), "/0/url", "at most one"),
        (
            one(json!({"type": "URL", "text": "a", "url": "https://a.example/{{1}}"})),
            "/0/example",
            "is required",
        ),
        (
            one(
                json!({"type": "URL", "text": "a", "url": format!("https://a.example/{}", "x".repeat(2000))}),
            ),
            "/0/url",
            "2,000|2000",
        ),
        (
            one(json!({"type": "PHONE_NUMBER", "text": "a", "phone_number": "call me"})),
            "/0/phone_number",
            "phone",
        ),
        (one(json!({"type": "PHONE_NUMBER", "text": "a"})), "/0/phone_number", "is required"),
        (one(json!({"type": "COPY_CODE", "example": "x".repeat(21)})), "/0/example", "is 21"),
        (one(json!({"type": "COPY_CODE", "example": []})), "/0/example", "sample"),
        (one(json!({"type": "FLOW", "text": "a"})), "/0", "exactly one"),
        (
            one(json!({"type": "FLOW", "text": "a", "flow_id": "1", "flow_name": "b"})),
            "/0/flow_name",
            "exactly one",
        ),
        (
            one(json!({"type": "FLOW", "text": "a", "flow_id": "1", "flow_action": "run"})),
            "/0/flow_action",
            "must be",
        ),
        (one(json!({"type": "OTP", "otp_type": "COPY_CODE"})), "/0/type", "authentication"),
    ] {
        let refused = read(&template).expect_err(&template.to_string());
        let is_told = refused.iter().any(|(at, reason)| {
            *at == in_buttons(pointer) && part.split('|').any(|part| reason.contains(part))
        });
        assert!(is_told, "{template}\nwanted `{part}` at `{}`, got {refused:?}", in_buttons(pointer));
    }
    takes(&of_buttons((0..10).map(reply).collect()));
    takes(&of_buttons(json!([url("https://a.example/{{1}}"), reply(0), reply(1)])));
    takes(&of_buttons(json!([{"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550100001"},
        {"type": "COPY_CODE", "example": "SPRING25"}, {"type": "CATALOG", "text": "View catalog"}])));
    takes(&one(
        json!({"type": "FLOW", "text": "Book", "flow_id": "1", "flow_action": "navigate", "navigate_screen": "A"}),
    ));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn authentication_templates_have_special_rules() {
    let button = |button: serde_json::Value| {
        of(
            "AUTHENTICATION",
            &json!([
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 10},
            {"type": "BUTTONS", "buttons": [button]}]),
        )
    };
    let draft = takes(&button(json!({"type": "otp", "otp_type": "copy_code", "text": "Copy"})));
    assert_eq!(
        written(&draft)["components"],
        json!([
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 10},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "text": "Copy", "otp_type": "COPY_CODE"}]}
        ])
    );
    let app = json!({"package_name": "com.example", "signature_hash": "K8a/AINcGX7"});
    takes(&button(json!({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": [app]})));
    takes(&button(
        json!({"type": "OTP", "otp_type": "ZERO_TAP", "zero_tap_terms_accepted": true, "supported_apps": [app]}),
    ));
    let at = |rest: &str| format!("/components/2/buttons/0{rest}");
    for (one, pointer, part) in [
        (json!({"type": "OTP"}), "/otp_type", "is required"),
        (json!({"type": "OTP", "otp_type": "MAGIC"}), "/otp_type", "must be"),
        (json!({"type": "OTP", "otp_type": "ONE_TAP"}), "/supported_apps", "is required"),
        (
            json!({"type": "OTP", "otp_type": "COPY_CODE", "supported_apps": [app]}),
            "/supported_apps",
            "not allowed",
        ),
        (
            json!({"type": "OTP", "otp_type": "ZERO_TAP", "supported_apps": [app]}),
            "/zero_tap_terms_accepted",
            "true",
        ),
        (
            json!({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": vec![app.clone(); 6]}),
            "/supported_apps",
            "has 6",
        ),
        (
            json!({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": [{"package_name": "app", "signature_hash": "K8a/AINcGX7"}]}),
            "/supported_apps/0/package_name",
            "two parts",
        ),
        (
            json!({"type": "OTP", "otp_type": "ONE_TAP", "supported_apps": [{"package_name": "com.app", "signature_hash": "short"}]}),
            "/supported_apps/0/signature_hash",
            "11 characters",
        ),
        (json!({"type": "URL", "text": "a", "url": "https://a.example"}), "/type", "must be OTP"),
    ] {
        refuses(&button(one), &at(pointer), part);
    }
    let otp = json!({"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]});
    let with = |components: serde_json::Value| of("AUTHENTICATION", &components);
    refuses(
        &with(json!([{"type": "BODY", "text": "Code {{1}}!"}, otp])),
        "/components/0/text",
        "Meta supplies the text",
    );
    refuses(&with(json!([{"type": "BODY"}])), "/components", "OTP button");
    refuses(
        &with(json!([{"type": "BODY"}, otp, {"type": "HEADER", "format": "TEXT", "text": "a"}])),
        "/components/2/type",
        "not allowed",
    );
    refuses(
        &with(json!([{"type": "BODY"}, otp, {"type": "FOOTER", "text": "a"}])),
        "/components/2/text",
        "Meta supplies the text",
    );
    for minutes in [0, 91] {
        let footer = json!({"type": "FOOTER", "code_expiration_minutes": minutes});
        refuses(
            &with(json!([{"type": "BODY"}, otp, footer])),
            "/components/2/code_expiration_minutes",
            "must be",
        );
    }
}

#[test]
fn offers_and_carousels_are_checked() {
    let offer = |rest: &[serde_json::Value]| {
        let mut components = vec![
            json!({"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Ends soon", "has_expiration": true}}),
            json!({"type": "BODY", "text": "Half price."}),
        ];
        components.extend(rest.iter().cloned());
        of("MARKETING", &json!(components))
    };
    let image = json!({"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4:a"]}});
    takes(&offer(std::slice::from_ref(&image)));
    refuses(
        &offer(&[json!({"type": "FOOTER", "text": "a"})]),
        "/components/2",
        "beside a limited-time offer",
    );
    refuses(
        &offer(&[json!({"type": "HEADER", "format": "TEXT", "text": "a"})]),
        "/components/2/format",
        "must be",
    );
    let coupon = json!({"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "example": "x".repeat(16)}]});
    refuses(&offer(&[coupon]), "/components/2/buttons/0/example", "is 16");
    let mut utility = offer(&[]);
    utility["category"] = json!("UTILITY");
    refuses(&utility, "/components/0/type", "MARKETING");
    let mut long = offer(&[]);
    long["components"][1]["text"] = json!("x".repeat(601));
    refuses(&long, "/components/1/text", "is 601");
    long["components"][0]["limited_time_offer"]["text"] = json!("x".repeat(17));
    refuses(&long, "/components/0/limited_time_offer/text", "is 17");

    let card = |format: &str, text: Option<&str>| {
        let mut header = json!({"type": "HEADER", "format": format});
        if format != "PRODUCT" {
            header["example"] = json!({"header_handle": ["4:a"]});
        }
        let mut components = vec![header];
        components.extend(text.map(|text| json!({"type": "BODY", "text": text})));
        components.push(json!({"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Yes"}]}));
        json!({"components": components})
    };
    let carousel = |cards: Vec<serde_json::Value>| {
        of("MARKETING", &json!([{"type": "BODY", "text": "Look."}, {"type": "CAROUSEL", "cards": cards}]))
    };
    takes(&carousel(vec![card("IMAGE", Some("a")), card("IMAGE", Some("b"))]));
    takes(&carousel(vec![card("PRODUCT", None), card("PRODUCT", None)]));
    refuses(&carousel(vec![card("IMAGE", None)]), "/components/1/cards", "has 1");
    refuses(&carousel(vec![card("IMAGE", None); 11]), "/components/1/cards", "has 11");
    refuses(&carousel(vec![card("PRODUCT", None); 3]), "/components/1/cards", "2 cards");
    let at = "/components/1/cards/1/components";
    refuses(&carousel(vec![card("IMAGE", None), card("VIDEO", None)]), at, "as the first card");
    refuses(&carousel(vec![card("IMAGE", None), card("IMAGE", Some("a"))]), at, "as the first card");
    let headless = json!({"components": [{"type": "BODY", "text": "a"}]});
    refuses(&carousel(vec![headless.clone(), headless]), "/components/1/cards/0/components", "HEADER");
    let long = "x".repeat(161);
    refuses(
        &carousel(vec![card("IMAGE", Some(&long)), card("IMAGE", Some("a"))]),
        "/components/1/cards/0/components/1/text",
        "is 161",
    );
    let document = carousel(vec![card("DOCUMENT", None), card("DOCUMENT", None)]);
    refuses(&document, "/components/1/cards/0/components/0/format", "must be");
}

fn approved(status: TemplateStatus) -> Template {
    let components: Value = serde_json::from_value(json!([{"type": "BODY", "text": "Late."}])).unwrap();
    Template {
        name: "ferry_delay".to_owned(),
        language: "en".to_owned(),
        status,
        category: TemplateCategory::Utility,
        parameter_format: ParameterFormat::Positional,
        components: Template::components_from(
            &components,
            ParameterFormat::Positional,
            &TemplateCategory::Utility,
        ),
    }
}

fn edit(change: &serde_json::Value, before: &Template) -> Result<serde_json::Value, Vec<String>> {
    let object: Object = serde_json::from_value(change.clone()).unwrap();
    let found = Violations::new();
    let fields = Fields::read(&object, JsonPointer::root(), &found);
    let edit = TemplateEdit::read(&fields, Some(before));
    fields.finish();
    let body = edit.map(|edit| serde_json::to_value(edit.body()).unwrap());
    found.result(body).map(Option::unwrap).map_err(|list| list.into_iter().map(|one| one.pointer).collect())
}

#[test]
fn a_template_change_needs_at_least_one_field() {
    let (approved, rejected) = (approved(TemplateStatus::Approved), approved(TemplateStatus::Rejected));
    let components = json!([{"type": "BODY", "text": "On time."}]);
    let change = json!({"components": components, "name": "ferry_delay", "language": "en"});
    assert_eq!(edit(&change, &approved), Ok(json!({"components": components})));
    assert_eq!(edit(&json!({"category": "marketing"}), &rejected), Ok(json!({"category": "MARKETING"})));
    let ttl = json!({"message_send_ttl_seconds": 60});
    assert_eq!(edit(&ttl, &approved), Ok(ttl.clone()));
    for (change, before, pointer) in [
        (json!({}), &approved, ""),
        (json!({"category": "MARKETING"}), &approved, "/category"),
        (json!({"name": "other"}), &rejected, "/name"),
        (json!({"language": "fr"}), &rejected, "/language"),
        (json!({"components": [{"type": "BODY", "text": "{{1}}"}]}), &rejected, "/components/0/text"),
        (json!({"status": "APPROVED"}), &rejected, "/status"),
    ] {
        let refused = edit(&change, before).expect_err(&change.to_string());
        assert!(refused.iter().any(|at| at == pointer), "{change}: {refused:?}");
    }
}

#[test]
fn templates_in_some_statuses_cannot_be_changed() {
    for status in ["APPROVED", "REJECTED", "PAUSED", "SOMETHING_NEW"] {
        assert!(TemplateStatus::parse(status).is_editable(), "{status}");
    }
    for status in ["PENDING", "DISABLED", "IN_APPEAL", "PENDING_DELETION", "LOCKED"] {
        assert!(!TemplateStatus::parse(status).is_editable(), "{status}");
    }
}

#[test]
fn samples_fill_a_template() {
    let components: Value = serde_json::from_value(json!([
        {"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}", "example": {"header_text": ["Maya"]}},
        {"type": "BODY", "text": "From {{1}}, {{2}} late.", "example": {"body_text": [["Oban", "45 min"]]}},
        {"type": "CAROUSEL", "cards": [
            {"components": [{"type": "HEADER", "format": "IMAGE"},
                {"type": "BODY", "text": "For {{1}}.", "example": {"body_text": [["two"]]}}]}]}
    ]))
    .unwrap();
    let category = TemplateCategory::Utility;
    let mut template = approved(TemplateStatus::Pending);
    template.components = Template::components_from(&components, ParameterFormat::Positional, &category);
    let samples = Template::samples(&components);
    let message = domain::templates::TemplateMessage { name: "a", language: "en", components: &samples };
    assert_eq!(
        template.render(&message).to_string(),
        "Hi Maya\nFrom Oban, 45 min late.\n---\n[image]\nFor two."
    );
    assert!(Template::samples(&Value::Null).is_empty());
}

/// Valid templates that the property test damages.
const RIGHT: [&str; 3] = [
    r#"{"name":"a","language":"en","category":"UTILITY","parameter_format":"NAMED","message_send_ttl_seconds":60,"components":[
        {"type":"HEADER","format":"TEXT","text":"Hi {{who}}","example":{"header_text_named_params":[{"param_name":"who","example":"x"}]}},
        {"type":"BODY","text":"a {{port}} b","example":{"body_text_named_params":[{"param_name":"port","example":"x"}]}},
        {"type":"BUTTONS","buttons":[{"type":"URL","text":"a","url":"https://a.example/{{1}}","example":"x"},{"type":"FLOW","text":"b","flow_id":"1"}]}]}"#,
    r#"{"name":"a","language":"en","category":"AUTHENTICATION","components":[{"type":"BODY","add_security_recommendation":true},
        {"type":"FOOTER","code_expiration_minutes":5},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"ONE_TAP",
        "supported_apps":[{"package_name":"a.b","signature_hash":"K8a/AINcGX7"}]}]}]}"#,
    r#"{"name":"a","language":"en","category":"MARKETING","components":[{"type":"BODY","text":"a {{1}} b","example":{"body_text":["x"]}},
        {"type":"CAROUSEL","cards":[
            {"components":[{"type":"HEADER","format":"IMAGE","example":{"header_handle":"4:a"}},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"a"}]}]},
            {"components":[{"type":"HEADER","format":"IMAGE","example":{"header_handle":"4:a"}},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"b"}]}]}]}]}"#,
];

proptest! {
    #[test]
    fn any_template_is_rejected_or_normalized(
        right in prop::sample::select(&RIGHT[..]),
        pointer in any::<prop::sample::Index>(),
        new in any_json(),
    ) {
        let mut value: Value = serde_json::from_str(right).unwrap();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let pointer: String = pointer.get(&all).clone();
        *value.at_mut(&pointer).unwrap() = new;
        if value.as_object().is_none() {
            return Ok(());
        }
        match read(&serde_json::to_value(&value).unwrap()) {
            Ok(draft) => prop_assert_eq!(read(&written(&draft)), Ok(draft)),
            Err(refused) => prop_assert!(!refused.is_empty()),
        }
    }
}

#[test]
fn the_messages_that_are_damaged_are_valid_before() {
    for right in RIGHT {
        takes(&serde_json::from_str(right).unwrap());
    }
}
