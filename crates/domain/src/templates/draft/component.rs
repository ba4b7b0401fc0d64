//! Header, body, footer, cards and offers of new templates.

use super::rules::Rules;
use super::{button, samples, slots};
use crate::check::{Fields, Item, Variant};
use crate::json::{Object, Value};

/// Types of components that can be created.
pub(crate) const KINDS: [&str; 7] =
    ["HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER", "CALL_PERMISSION_REQUEST"];
/// Types of components of an authentication template.
const CODE_KINDS: [&str; 3] = ["BODY", "FOOTER", "BUTTONS"];

/// Formats of headers with a media file.
const MEDIA_FORMATS: [&str; 4] = ["IMAGE", "VIDEO", "DOCUMENT", "GIF"];

/// Part of the description of a component whose fields depend on more than its type.
#[derive(Clone, Copy)]
enum Described {
    /// Component whose fields depend on its type only.
    All,
    /// Header with one of these formats.
    Header(&'static [&'static str]),
    /// Body or footer of an authentication template.
    Code,
}

/// Types of components, with the names of their schemas.
const VARIANTS: [Variant<Described>; 11] = [
    ("HEADER", "NewTextHeader", Described::Header(&["TEXT"])),
    ("HEADER", "NewMediaHeader", Described::Header(&MEDIA_FORMATS)),
    ("HEADER", "NewOtherHeader", Described::Header(&["LOCATION", "PRODUCT"])),
    ("BODY", "NewTextBody", Described::All),
    ("BODY", "NewAuthenticationBody", Described::Code),
    ("FOOTER", "NewFooter", Described::All),
    ("FOOTER", "NewAuthenticationFooter", Described::Code),
    ("BUTTONS", "NewButtons", Described::All),
    ("CAROUSEL", "NewCarousel", Described::All),
    ("LIMITED_TIME_OFFER", "NewLimitedTimeOffer", Described::All),
    ("CALL_PERMISSION_REQUEST", "NewCallPermissionRequest", Described::All),
];
/// Types of components of a card, with the names of their schemas.
const CARD_VARIANTS: [Variant<Described>; 4] = [
    ("HEADER", "NewCardMediaHeader", Described::Header(&["IMAGE", "VIDEO"])),
    ("HEADER", "NewCardProductHeader", Described::Header(&["PRODUCT"])),
    ("BODY", "NewCardBody", Described::All),
    ("BUTTONS", "NewCardButtons", Described::All),
];

/// Reads one component into Meta's form; `None` if it cannot be read.
pub(crate) fn read(rules: &Rules<'_>, item: &Item<'_, '_>) -> Option<Value> {
    let fields = item.object()?;
    let kind_item = fields.optional("type");
    let kind = kind_item.value().and_then(Value::as_str).unwrap_or_default();
    let kind = KINDS.iter().find(|known| known.eq_ignore_ascii_case(kind));
    if let Some(kind) = kind.filter(|kind| rules.is_code() && !CODE_KINDS.contains(*kind)) {
        kind_item.refuse(format!("is not allowed in an authentication template, is {kind}"));
        fields.finish_open();
        return None;
    }
    let variants: &[Variant<Described>] = if rules.is_card { &CARD_VARIANTS } else { &VARIANTS };
    let mut component = None;
    fields.variants_in_any_case("type", variants, |fields, kind, described| {
        let mut read = Object::new();
        read.insert("type", kind);
        let is_code =
            if fields.is_described() { matches!(described, Described::Code) } else { rules.is_code() };
        match kind {
            "HEADER" => header(rules, described, fields, &mut read),
            "BODY" if is_code => code_body(fields, &mut read),
            "BODY" => body(rules, fields, &mut read),
            "FOOTER" if is_code => code_footer(fields, &mut read),
            "FOOTER" => footer(rules, item, fields, &mut read),
            "BUTTONS" => button::read_all(rules, fields, &mut read),
            "CAROUSEL" => carousel(rules, fields, &mut read),
            "LIMITED_TIME_OFFER" => offer(rules, fields, &mut read),
            _ => {}
        }
        component = Some(Value::Object(read));
    });
    component
}

fn header(rules: &Rules<'_>, described: Described, fields: &Fields<'_, '_>, read: &mut Object) {
    let formats: &[&'static str] = match (described, rules.is_card, rules.has_offer) {
        (Described::Header(formats), _, _) if fields.is_described() => formats,
        (_, true, _) => &["IMAGE", "VIDEO", "PRODUCT"],
        (_, false, true) => &["IMAGE", "VIDEO"],
        (_, false, false) => &["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "GIF", "LOCATION", "PRODUCT"],
    };
    let format = fields.required("format").one_of_any_case(formats);
    let described_format = formats.first().copied().filter(|_| fields.is_described());
    let Some(format) = format.or(described_format) else {
        let _not_checked = (fields.optional("text").is_present(), fields.optional("example").is_present());
        return;
    };
    read.insert("format", format);
    match format {
        "TEXT" => text_header(rules, fields, read),
        format if MEDIA_FORMATS.contains(&format) => media_header(fields, read),
        _ => {}
    }
}

fn text_header(rules: &Rules<'_>, fields: &Fields<'_, '_>, read: &mut Object) {
    let item = fields.required("text").about("One line with at most one parameter.");
    let example = fields.optional("example").about(HEADER_SAMPLES);
    let Some(text) = item.string(1..=60) else { return };
    read.insert("text", text);
    if text.contains(['\n', '\r']) {
        item.refuse("must be one line");
    }
    let Some(names) = slots::read(&item, text, rules.format) else { return };
    if names.len() > 1 {
        item.refuse(format!("must have at most one parameter, has {}", names.len()));
    }
    let keys = ["header_text", "header_text_named_params"];
    if let Some(example) = samples::read(rules, example, &names, keys) {
        read.insert("example", example);
    }
}

/// Documentation of the samples of a header.
const HEADER_SAMPLES: &str =
    "Sample for the parameter: `{\"header_text\":[\"…\"]}`, or `header_text_named_params`.";

fn media_header(fields: &Fields<'_, '_>, read: &mut Object) {
    let Some(example) = fields.required("example").object() else { return };
    let handles = example.required("header_handle");
    let handles = handles.about("Handle of a sample that was uploaded to Meta: `4:…`.");
    if example.is_described() {
        let _described = samples::text_or_first(handles, 1.., "");
    }
    let handle = match handles.value() {
        Some(Value::Array(given)) => given.first().and_then(Value::as_str),
        Some(value) => value.as_str(),
        None => None,
    };
    match handle.filter(|handle| !handle.is_empty()) {
        Some(handle) => {
            let mut example = Object::new();
            example.insert("header_handle", Value::Array(vec![handle.into()]));
            read.insert("example", Value::Object(example));
        }
        None if handles.is_present() => {
            handles.refuse("must hold the handle of a sample that was uploaded to Meta, such as `4:…`");
        }
        None => {}
    }
    example.finish_open();
}

fn body(rules: &Rules<'_>, fields: &Fields<'_, '_>, read: &mut Object) {
    let most = match (rules.is_card, rules.has_offer) {
        (true, _) => 160,
        (false, true) => 600,
        (false, false) => 1024,
    };
    let item = fields.required("text").about(BODY_TEXT);
    let example = fields.optional("example").about(BODY_SAMPLES);
    let text = item.string(1..=most);
    let Some((text, names)) = text.and_then(|text| Some((text, slots::read(&item, text, rules.format)?)))
    else {
        return;
    };
    read.insert("text", text);
    let trimmed = text.trim();
    if trimmed.is_empty() {
        item.refuse("must not be blank");
    } else if !names.is_empty() && (trimmed.starts_with("{{") || trimmed.ends_with("}}")) {
        item.refuse("must not begin or end with a parameter: put words around it");
    } else if slots::n_words(text) < names.len() {
        item.refuse(format!(
            "has too many parameters for its length: {} parameters, {} other words",
            names.len(),
            slots::n_words(text)
        ));
    }
    if let Some(example) = samples::read(rules, example, &names, ["body_text", "body_text_named_params"]) {
        read.insert("example", example);
    }
}

/// Documentation of the text of a body.
const BODY_TEXT: &str = "Text with parameters `{{1}}`, `{{2}}`, … between other words. Together with a limited-time offer \
                         at most 600 characters.";
/// Documentation of the samples of a body.
const BODY_SAMPLES: &str =
    "Samples for the parameters: `{\"body_text\":[[\"…\",\"…\"]]}`, or `body_text_named_params`.";

/// Reads the body of an authentication template, whose text Meta supplies.
fn code_body(fields: &Fields<'_, '_>, read: &mut Object) {
    fields.forbidden("text", "is not allowed in an authentication template: Meta supplies the text");
    if let Some(warns) = fields.optional("add_security_recommendation").boolean() {
        read.insert("add_security_recommendation", warns);
    }
}

fn code_footer(fields: &Fields<'_, '_>, read: &mut Object) {
    fields.forbidden("text", "is not allowed in an authentication template: Meta supplies the text");
    if let Some(minutes) = fields.required("code_expiration_minutes").integer(1..=90) {
        read.insert("code_expiration_minutes", minutes);
    }
}

fn footer(rules: &Rules<'_>, whole: &Item<'_, '_>, fields: &Fields<'_, '_>, read: &mut Object) {
    if rules.has_offer {
        whole.refuse("is not allowed beside a limited-time offer");
    }
    fields.forbidden("code_expiration_minutes", "is allowed in an authentication template only");
    let item = fields.required("text");
    if let Some(text) = item.string(1..=60) {
        if text.contains("{{") {
            item.refuse("must not have parameters");
        }
        read.insert("text", text);
    }
}

fn offer(rules: &Rules<'_>, fields: &Fields<'_, '_>, read: &mut Object) {
    let kind = fields.optional("type");
    if *rules.category != crate::templates::template::TemplateCategory::Marketing {
        kind.refuse("is allowed in MARKETING templates only, is LIMITED_TIME_OFFER");
    }
    let Some(given) = fields.required("limited_time_offer").object() else { return };
    let mut offer = Object::new();
    if let Some(text) = given.required("text").string(1..=16) {
        offer.insert("text", text);
    }
    if let Some(expires) = given.optional("has_expiration").boolean() {
        offer.insert("has_expiration", expires);
    }
    given.finish();
    read.insert("limited_time_offer", Value::Object(offer));
}

fn carousel(rules: &Rules<'_>, fields: &Fields<'_, '_>, read: &mut Object) {
    let item =
        fields.required("cards").about("Cards with the same components, header format and button types.");
    let Some(items) = item.array(2..=10) else { return };
    let rules = Rules { is_card: true, ..*rules };
    let mut cards = Vec::new();
    let mut first: Option<Vec<String>> = None;
    for item in items.iter() {
        let Some(card) = item.object() else { continue };
        let _ignored = card.optional("card_index").integer_or_text(0..=9);
        let parts = card.required("components");
        let Some(parts_given) = parts.array(1..=3) else {
            card.finish();
            continue;
        };
        let read_part = |part: Item<'_, '_>| {
            part.shared("NewTemplateCardComponent", |part| self::read(&rules, &part)).flatten()
        };
        let read: Vec<Value> = parts_given.iter().filter_map(read_part).collect();
        let mut signature: Vec<String> = read.iter().map(signature_of).collect();
        signature.sort();
        if parts_given.len() == read.len() {
            check_card(&parts, &signature, first.get_or_insert_with(|| signature.clone()));
        }
        card.finish();
        let mut card = Object::new();
        card.insert("components", Value::Array(read));
        cards.push(Value::Object(card));
    }
    let is_of_products =
        first.is_some_and(|signature| signature.iter().any(|part| part == "HEADER PRODUCT "));
    if is_of_products && cards.len() != 2 {
        item.refuse(format!("must have 2 cards when they show products, has {}", cards.len()));
    }
    read.insert("cards", Value::Array(cards));
}

fn check_card(parts: &Item<'_, '_>, signature: &[String], first: &[String]) {
    let n_headers = signature.iter().filter(|part| part.starts_with("HEADER")).count();
    let kinds: Vec<&str> = signature.iter().filter_map(|part| part.split(' ').next()).collect();
    let is_twice = kinds.iter().zip(kinds.iter().skip(1)).any(|(left, right)| left == right);
    if n_headers == 0 {
        parts.refuse("must hold a component of type HEADER");
    } else if is_twice {
        parts.refuse("must hold one component of each type");
    } else if signature != first {
        parts.refuse("must have the same components, header format and button types as the first card");
    }
}

/// Returns the properties that must be equal on all cards.
fn signature_of(part: &Value) -> String {
    let word =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let buttons = part.get("buttons").and_then(Value::as_array).unwrap_or_default();
    let buttons: Vec<String> = buttons.iter().map(|button| word(button, "type")).collect();
    format!("{} {} {}", word(part, "type"), word(part, "format"), buttons.join(","))
        .trim_end_matches(',')
        .to_owned()
}
