//! Buttons of new templates.

use super::rules::Rules;
use super::{samples, slots};
use crate::check::{Fields, Item, Variant, is_http_url};
use crate::json::{Object, Value};
use crate::templates::text::ParameterFormat;

/// Types of buttons that can be created, each with the name of its schema and the maximum number in a template.
const KINDS: [Variant<usize>; 11] = [
    ("QUICK_REPLY", "NewLabelButton", 10),
    ("URL", "NewUrlButton", 2),
    ("PHONE_NUMBER", "NewPhoneNumberButton", 1),
    ("COPY_CODE", "NewCopyCodeButton", 1),
    ("OTP", "NewOtpButton", 1),
    ("FLOW", "NewFlowButton", 1),
    ("CATALOG", "NewProductsButton", 1),
    ("MPM", "NewProductsButton", 1),
    ("SPM", "NewProductsButton", 1),
    ("VOICE_CALL", "NewVoiceCallButton", 1),
    ("ORDER_DETAILS", "NewLabelButton", 1),
];
/// Maximum length of a label.
const MAX_LABEL: usize = 25;

/// Reads the `buttons` of a component.
pub(crate) fn read_all(rules: &Rules<'_>, fields: &Fields<'_, '_>, read: &mut Object) {
    let item = fields.required("buttons").about(
        "Quick replies must stand together, before or after all other buttons. At most 2 URL buttons, and one button of \
         each other type.",
    );
    let most = if rules.is_card { 2 } else { 10 };
    let Some(items) = item.array(1..=most) else { return };
    let mut kinds: Vec<&'static str> = Vec::new();
    let mut buttons = Vec::new();
    for item in items.iter() {
        let button = item.shared("NewTemplateButton", |item| read_button(rules, item, &mut kinds));
        buttons.extend(button.flatten());
    }
    // Quick replies must be adjacent: in the list of buttons there is at most one change between quick replies and
    // others.
    let n_changes = kinds
        .iter()
        .zip(kinds.iter().skip(1))
        .filter(|(left, right)| (**left == "QUICK_REPLY") != (**right == "QUICK_REPLY"))
        .count();
    if n_changes > 1 {
        item.refuse("must not mix quick replies with other buttons: put all of them first or last");
    }
    read.insert("buttons", Value::Array(buttons));
}

/// Reads one button, and adds its type to the types of the buttons before.
fn read_button(rules: &Rules<'_>, item: Item<'_, '_>, kinds: &mut Vec<&'static str>) -> Option<Value> {
    let button = item.object()?;
    let mut read = None;
    button.variants_in_any_case("type", &KINDS, |button, kind, most| {
        kinds.push(kind);
        let kind_item = button.optional("type");
        if kinds.iter().filter(|other| **other == kind).count() == most + 1 {
            kind_item.refuse(format!("must be on at most {most} buttons of a template, is {kind}"));
        }
        if rules.is_code() != (kind == "OTP") {
            kind_item.refuse(if rules.is_code() {
                format!("must be OTP in an authentication template, is {kind}")
            } else {
                "is allowed in an authentication template only, is OTP".to_owned()
            });
        }
        let mut fields = Object::new();
        fields.insert("type", kind);
        one(rules, kind, button, &mut fields);
        read = Some(Value::Object(fields));
    });
    read
}

fn one(rules: &Rules<'_>, kind: &str, button: &Fields<'_, '_>, read: &mut Object) {
    match kind {
        "QUICK_REPLY" | "ORDER_DETAILS" => label(button, read),
        "VOICE_CALL" => {
            label(button, read);
            if let Some(minutes) = button.optional("ttl_minutes").integer(1..) {
                read.insert("ttl_minutes", minutes);
            }
        }
        "URL" => {
            label(button, read);
            url(rules, button, read);
            if let Some(link) = button.optional("app_deep_link").open_object() {
                read.insert("app_deep_link", Value::Object(link.clone()));
            }
        }
        "PHONE_NUMBER" => {
            label(button, read);
            if let Some(number) = phone_number(button) {
                read.insert("phone_number", number);
            }
        }
        "COPY_CODE" => {
            let _fixed = button.optional("text").about("Meta supplies the label.").string(..);
            let example = button.required("example");
            let example =
                example.about("Sample code, at most 15 characters together with a limited-time offer.");
            let most = if rules.has_offer { 15 } else { 20 };
            if let Some(text) = samples::text_or_first(example, 1..=most, "must hold a sample code") {
                read.insert("example", Value::Array(vec![text.into()]));
            }
        }
        "FLOW" => flow(button, read),
        "OTP" => {
            for name in ["text", "autofill_text"] {
                if let Some(text) = button.optional(name).string(1..=MAX_LABEL) {
                    read.insert(name, text);
                }
            }
            otp(button, read);
        }
        // Meta supplies the labels of these buttons.
        _ => {
            let text = button.optional("text").about("Meta supplies the label.");
            if let Some(text) = text.string(1..=MAX_LABEL) {
                read.insert("text", text);
            }
        }
    }
}

fn label(button: &Fields<'_, '_>, read: &mut Object) {
    if let Some(text) = button.required("text").string(1..=MAX_LABEL) {
        read.insert("text", text);
    }
}

/// Reads the phone number of a button.
pub(crate) fn phone_number<'a>(button: &Fields<'a, '_>) -> Option<&'a str> {
    let item = button.required("phone_number").about("Phone number with its country code.");
    let text = item.pattern(r"^[-+.() ]*([0-9][-+.() ]*){7,15}$").string(1..=20)?;
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c));
    let n_digits = text.chars().filter(char::is_ascii_digit).count();
    if is_plain && (7..=15).contains(&n_digits) {
        return Some(text);
    }
    item.refuse("must be a phone number with its country code");
    None
}

fn url(rules: &Rules<'_>, button: &Fields<'_, '_>, read: &mut Object) {
    let item = button.required("url").about("URL with at most one parameter, at its end.");
    let example =
        button.optional("example").about("List with the whole URL with a sample, if it has a parameter.");
    let Some(text) = item.string(1..=2000) else { return };
    // The slot of a URL is `{{1}}`, also in a template with named parameters, where a name is accepted too.
    let format = match rules.format {
        ParameterFormat::Named if !text.contains("{{1}}") => ParameterFormat::Named,
        ParameterFormat::Named | ParameterFormat::Positional => ParameterFormat::Positional,
    };
    let Some(names) = slots::read(&item, text, format) else { return };
    let fixed = text.split("{{").next().unwrap_or_default();
    if !is_http_url(fixed) {
        item.refuse("must be an absolute URL that starts with https:// or http://");
        return;
    }
    if names.len() > 1 || (names.len() == 1 && (!text.ends_with("}}") || text.matches("{{").count() > 1)) {
        item.refuse("must have at most one parameter, at its end");
        return;
    }
    read.insert("url", text);
    let sample = match example.value() {
        Some(Value::Array(list)) => list.first().and_then(Value::as_str),
        Some(value) => value.as_str(),
        None => None,
    };
    match sample.filter(|sample| !sample.is_empty()) {
        Some(sample) if !names.is_empty() => {
            read.insert("example", Value::Array(vec![sample.into()]));
        }
        Some(_) => {}
        None if !names.is_empty() => {
            example.refuse("is required: the URL with a sample in its parameter, in a list");
        }
        None => {}
    }
}

fn flow(button: &Fields<'_, '_>, read: &mut Object) {
    label(button, read);
    let flow = button.exactly_one(&["flow_id", "flow_name", "flow_json"], |name, item| {
        item.string(1..).map(|text| (name, text))
    });
    if let Some((name, text)) = flow {
        read.insert(name, text);
    }
    if let Some(action) = button.optional("flow_action").one_of(&["navigate", "data_exchange"]) {
        read.insert("flow_action", action);
    }
    for name in ["navigate_screen", "icon"] {
        if let Some(text) = button.optional(name).string(1..) {
            read.insert(name, text);
        }
    }
}

/// Reads the way in which an authentication template delivers its code, without the labels.
pub(crate) fn otp(button: &Fields<'_, '_>, read: &mut Object) {
    let kind = button.required("otp_type").one_of_any_case(&["COPY_CODE", "ONE_TAP", "ZERO_TAP"]);
    let apps = button.optional("supported_apps").about(
        "Apps that receive the code: at least one with `ONE_TAP` and `ZERO_TAP`, none with `COPY_CODE`.",
    );
    let terms = button.optional("zero_tap_terms_accepted").about("Must be `true` with `ZERO_TAP`.");
    let has_accepted = terms.boolean();
    if button.is_described() {
        let _described = read_apps(&apps);
        // An empty list is allowed with `COPY_CODE`.
        let _described = apps.keyword("minItems", 0);
    }
    if let Some(has_accepted) = has_accepted {
        read.insert("zero_tap_terms_accepted", has_accepted);
    }
    let Some(kind) = kind else { return };
    read.insert("otp_type", kind);
    if kind == "ZERO_TAP" && has_accepted != Some(true) {
        terms.refuse("must be true with `otp_type: ZERO_TAP`");
    }
    if kind == "COPY_CODE" {
        if apps.value().and_then(Value::as_array).is_none_or(|apps| !apps.is_empty()) && apps.is_present() {
            apps.refuse("is not allowed with `otp_type: COPY_CODE`");
        }
        return;
    }
    if !apps.is_present() {
        apps.refuse(format!("is required with `otp_type: {kind}`"));
    }
    if let Some(apps) = read_apps(&apps) {
        read.insert("supported_apps", apps);
    }
}

fn read_apps(apps: &Item<'_, '_>) -> Option<Value> {
    let mut read_apps = Vec::new();
    for item in apps.array(1..=5)?.iter() {
        let Some(app) = item.object() else { continue };
        let mut read_app = Object::new();
        let package =
            app.required("package_name").pattern(r"^[^.]+(\.[^.]+)+$").example("com.example").string_that(
                |text| text.split('.').count() >= 2 && text.split('.').all(|part| !part.is_empty()),
                "must have at least two parts with a dot between them, such as `com.example`",
            );
        let hash = app.required("signature_hash").pattern("^[A-Za-z0-9+/=]{11}$").string_that(
            |text| text.len() == 11 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)),
            "must be exactly 11 characters of base64",
        );
        app.finish();
        for (name, text) in [("package_name", package), ("signature_hash", hash)] {
            if let Some(text) = text {
                read_app.insert(name, text);
            }
        }
        read_apps.push(Value::Object(read_app));
    }
    Some(Value::Array(read_apps))
}
