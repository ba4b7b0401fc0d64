//! Template object of a send, as far as it can be checked without the definition of the template. [`crate::templates`]
//! checks the parameters against the definition.

use super::media::{self, MediaShape};
use super::{basic, interactive};
use crate::check::{Fields, Item};
use crate::json::{Object, Value};

const COMPONENTS: [&str; 9] = [
    "header",
    "body",
    "footer",
    "button",
    "carousel",
    "limited_time_offer",
    "tap_target_configuration",
    "order_status",
    "order_details",
];

/// Types of buttons that take a parameter.
const BUTTONS: [&str; 8] =
    ["quick_reply", "url", "copy_code", "flow", "catalog", "mpm", "voice_call", "order_details"];

pub(crate) fn check_template(item: Item<'_, '_>) {
    let Some(template) = item.object() else { return };
    template.required("name").string_that(
        |name| (1..=512).contains(&name.len()) && name.bytes().all(is_name_byte),
        "must be a template name: 1 to 512 of a-z, 0-9 and _",
    );
    let language = template.required("language");
    if matches!(language.value(), Some(Value::String(_))) {
        check_language(language);
    } else if let Some(language) = language.object() {
        check_language(language.required("code"));
        language.optional("policy").one_of(&["deterministic"]);
        language.finish();
    }
    template.optional("namespace").string(..);
    if let Some(components) = template.optional("components").array(..) {
        for component in components.iter() {
            check_component(component, false);
        }
    }
    template.finish();
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn check_language(code: Item<'_, '_>) {
    let is_code = |code: &str| {
        (2..=15).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    code.string_that(is_code, "must be a language code such as en or pt_BR");
}

fn check_component(item: Item<'_, '_>, is_in_card: bool) {
    let Some(component) = item.object() else { return };
    let names: &[&str] = if is_in_card { &["header", "body", "button"] } else { &COMPONENTS };
    let Some(kind) = component.required("type").one_of_any_case(names) else { return };
    match kind {
        "carousel" => {
            if let Some(cards) = component.required("cards").array(1..=10) {
                for card in cards.iter() {
                    check_card(card);
                }
            }
        }
        "button" => {
            let _sub_type = component.required("sub_type").one_of_any_case(&BUTTONS);
            component.required("index").integer_or_text(0..=9);
            check_parameters(&component);
        }
        _ => check_parameters(&component),
    }
    component.finish();
}

fn check_card(item: Item<'_, '_>) {
    let Some(card) = item.object() else { return };
    card.required("card_index").integer_or_text(0..=9);
    if let Some(components) = card.required("components").array(..) {
        for component in components.iter() {
            check_component(component, true);
        }
    }
    card.finish();
}

fn check_parameters(component: &Fields<'_, '_>) {
    if let Some(parameters) = component.optional("parameters").array(..) {
        for parameter in parameters.iter() {
            if let Some(parameter) = parameter.object() {
                check_parameter(parameter);
            }
        }
    }
}

/// Types of parameters; the value of each is in the member of the same name.
const PARAMETERS: [&str; 16] = [
    "text",
    "currency",
    "date_time",
    "image",
    "video",
    "document",
    "gif",
    "location",
    "product",
    "payload",
    "coupon_code",
    "action",
    "ttl_minutes",
    "limited_time_offer",
    "tap_target_configuration",
    "order_status",
];

fn check_parameter(parameter: Fields<'_, '_>) {
    // Without a type, the members are not known.
    let Some(kind) = parameter.required("type").one_of(&PARAMETERS) else { return };
    let value = parameter.required(kind);
    match kind {
        "text" => {
            // The allowed text depends on the template; no parameter is longer than this limit.
            value.string(..=32_768);
            parameter.optional("parameter_name").string(1..);
        }
        "currency" => {
            if let Some(currency) = value.object() {
                currency.required("fallback_value").string(1..);
                let is_code = |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic());
                currency
                    .required("code")
                    .string_that(is_code, "must be a currency code of three letters, such as EUR");
                currency.required("amount_1000").integer(..);
                currency.finish();
            }
            parameter.optional("parameter_name").string(1..);
        }
        "date_time" => {
            if let Some(time) = value.object() {
                time.required("fallback_value").string(1..);
                // Meta ignores year, month, calendar and other members.
                time.finish_open();
            }
            parameter.optional("parameter_name").string(1..);
        }
        "image" | "video" | "gif" => media::check(value, MediaShape::Bare),
        "document" => media::check(value, MediaShape::BareDocument),
        "location" => basic::check_location(value),
        "product" => {
            if let Some(product) = value.object() {
                product.required("product_retailer_id").string(1..);
                product.required("catalog_id").string(1..);
                product.finish();
            }
        }
        // Meta's documentation gives no clear limit; so a text beyond 256 characters is left to Meta.
        "payload" => {
            value.string(..=1024);
        }
        "coupon_code" => {
            value.string_that(is_coupon, "must be 1 to 20 letters and digits");
        }
        "action" => check_action(value),
        "ttl_minutes" => {
            value.integer(1..);
        }
        "limited_time_offer" => {
            if let Some(offer) = value.object() {
                offer.required("expiration_time_ms").integer(0..);
                offer.finish();
            }
        }
        "tap_target_configuration" => {
            if let Some(targets) = value.array(1..) {
                for target in targets.iter() {
                    let Some(target) = target.object() else { continue };
                    target.required("url").http_url();
                    target.required("title").string(1..);
                    target.finish();
                }
            }
        }
        _ => {
            value.open_object();
        }
    }
    parameter.finish();
}

fn is_coupon(code: &str) -> bool {
    (1..=20).contains(&code.chars().count()) && code.chars().all(char::is_alphanumeric)
}

/// Checks the action of a flow, catalog, multi-product or order details button.
fn check_action(item: Item<'_, '_>) {
    let Some(action) = item.object() else { return };
    action.optional("flow_token").string(..);
    action.optional("flow_action_data").open_object();
    action.optional("thumbnail_product_retailer_id").string(1..);
    if let Some(sections) = action.optional("sections").array(1..=10) {
        interactive::list::check_product_sections(&sections);
    }
    action.optional("order_details").open_object();
    action.finish();
}

pub(crate) fn normalize_template(template: &mut Value) {
    let Some(template) = template.as_object_mut() else { return };
    if let Some(language) = template.get_mut("language")
        && let Value::String(code) = language
    {
        let mut object = Object::new();
        object.insert("code", std::mem::take(code));
        *language = object.into();
    }
    normalize_components(template);
}

fn normalize_components(holder: &mut Object) {
    let Some(Value::Array(components)) = holder.get_mut("components") else { return };
    for component in components.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(Value::String(kind)) = component.get_mut("type") {
            // The type is documented in lower case only; the definitions of templates have it in upper case.
            kind.make_ascii_lowercase();
        }
        if let Some(Value::Array(parameters)) = component.get_mut("parameters") {
            parameters.iter_mut().for_each(media::normalize_within);
        }
        if let Some(Value::Array(cards)) = component.get_mut("cards") {
            cards.iter_mut().filter_map(Value::as_object_mut).for_each(normalize_components);
        }
    }
}
