//! Template object of a send, as far as it can be checked without the definition of the template. [`crate::templates`]
//! checks the parameters against the definition.

use super::media::{self, MediaShape};
use super::{basic, interactive};
use crate::check::{Fields, Item, Variant};
use crate::json::{Object, Value};

/// Content of a component of a template message.
#[derive(Clone, Copy)]
enum ComponentShape {
    Parameters,
    Button,
    Carousel,
}

const COMPONENTS: [Variant<ComponentShape>; 9] = [
    ("header", "ParametersComponent", ComponentShape::Parameters),
    ("body", "ParametersComponent", ComponentShape::Parameters),
    ("footer", "ParametersComponent", ComponentShape::Parameters),
    ("button", "ButtonComponent", ComponentShape::Button),
    ("carousel", "CarouselComponent", ComponentShape::Carousel),
    ("limited_time_offer", "ParametersComponent", ComponentShape::Parameters),
    ("tap_target_configuration", "ParametersComponent", ComponentShape::Parameters),
    ("order_status", "ParametersComponent", ComponentShape::Parameters),
    ("order_details", "ParametersComponent", ComponentShape::Parameters),
];

/// Components of a card of a carousel.
const CARD_COMPONENTS: [Variant<ComponentShape>; 3] = [
    ("header", "CardParametersComponent", ComponentShape::Parameters),
    ("body", "CardParametersComponent", ComponentShape::Parameters),
    ("button", "ButtonComponent", ComponentShape::Button),
];

/// Types of buttons that take a parameter.
const BUTTONS: [&str; 8] =
    ["quick_reply", "url", "copy_code", "flow", "catalog", "mpm", "voice_call", "order_details"];

pub(crate) fn check_template(item: Item<'_, '_>) {
    item.shared("Template", check_template_object);
}

fn check_template_object(item: Item<'_, '_>) {
    let Some(template) = item.object() else { return };
    template.about("Approved template, with its parameters.");
    template.required("name").about("Name of the template.").pattern("^[a-z0-9_]{1,512}$").string_that(
        |name| (1..=512).contains(&name.len()) && name.bytes().all(is_name_byte),
        "must be a template name: 1 to 512 of a-z, 0-9 and _",
    );
    template
        .required("language")
        .about("Language code of the template, or Meta's language object.")
        .string_or(check_language, check_language_object);
    template.optional("namespace").about("Accepted for compatibility with the Cloud API.").string(..);
    check_components(template.optional("components").about("Components that have parameters."));
    template.finish();
}

/// Checks the components of a template message.
pub(crate) fn check_components(item: Item<'_, '_>) {
    if let Some(components) = item.array(..) {
        for component in components.iter() {
            component.shared("TemplateComponent", |component| check_component(component, &COMPONENTS));
        }
    }
}

fn check_language_object(item: Item<'_, '_>) {
    if let Some(language) = item.object() {
        check_language(language.required("code"));
        language.optional("policy").one_of(&["deterministic"]);
        language.finish();
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn check_language(code: Item<'_, '_>) {
    let is_code = |code: &str| {
        (2..=15).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    let code = code.pattern("^[A-Za-z_]{2,15}$").example("pt_BR");
    code.string_that(is_code, "must be a language code such as en or pt_BR");
}

fn check_component(item: Item<'_, '_>, variants: &[Variant<ComponentShape>]) {
    let Some(component) = item.object() else { return };
    component.variants_in_any_case("type", variants, |component, _, part| match part {
        ComponentShape::Carousel => {
            component.about("Cards of a carousel.");
            if let Some(cards) = component.required("cards").array(1..=10) {
                for card in cards.iter() {
                    card.shared("CarouselComponentCard", check_card);
                }
            }
        }
        ComponentShape::Button => {
            component.about("Parameter of a button.");
            let _sub_type = component.required("sub_type").about("Kind of button.").one_of_any_case(&BUTTONS);
            component.required("index").about("Position of the button, from 0.").integer_or_text(0..=9);
            check_parameters(component);
        }
        ComponentShape::Parameters => {
            component.about("Parameters of a component.");
            check_parameters(component);
        }
    });
}

fn check_card(item: Item<'_, '_>) {
    let Some(card) = item.object() else { return };
    card.required("card_index").about("Position of the card, from 0.").integer_or_text(0..=9);
    if let Some(components) = card.required("components").array(..) {
        for component in components.iter() {
            component.shared("CardComponent", |component| check_component(component, &CARD_COMPONENTS));
        }
    }
    card.finish();
}

fn check_parameters(component: &Fields<'_, '_>) {
    if let Some(parameters) = component.optional("parameters").array(..) {
        for parameter in parameters.iter() {
            parameter.shared("TemplateParameter", check_parameter);
        }
    }
}

/// Types of parameters; the value of each is in the member of the same name.
const PARAMETERS: [Variant<()>; 16] = [
    ("text", "TextParameter", ()),
    ("currency", "CurrencyParameter", ()),
    ("date_time", "DateTimeParameter", ()),
    ("image", "ImageParameter", ()),
    ("video", "VideoParameter", ()),
    ("document", "DocumentParameter", ()),
    ("gif", "GifParameter", ()),
    ("location", "LocationParameter", ()),
    ("product", "ProductParameter", ()),
    ("payload", "PayloadParameter", ()),
    ("coupon_code", "CouponCodeParameter", ()),
    ("action", "ActionParameter", ()),
    ("ttl_minutes", "TtlMinutesParameter", ()),
    ("limited_time_offer", "LimitedTimeOfferParameter", ()),
    ("tap_target_configuration", "TapTargetParameter", ()),
    ("order_status", "OrderStatusParameter", ()),
];

fn check_parameter(parameter: Item<'_, '_>) {
    // Without a kind its fields are not known either.
    if let Some(parameter) = parameter.object() {
        parameter.variants("type", &PARAMETERS, |parameter, kind, ()| {
            check_value(kind, parameter.required(kind));
            if matches!(kind, "text" | "currency" | "date_time") {
                parameter
                    .optional("parameter_name")
                    .about("Name of the parameter, for a template with named parameters.")
                    .string(1..);
            }
        });
    }
}

fn check_value(kind: &str, value: Item<'_, '_>) {
    match kind {
        // The template limits the text further; no parameter is longer than this.
        "text" => {
            value.string(..=32_768);
        }
        "currency" => check_currency(value),
        "date_time" => {
            if let Some(time) = value.object() {
                time.required("fallback_value")
                    .about("Date and time, as the recipient sees them.")
                    .string(1..);
                // Year, month, calendar and so on: Meta ignores them.
                time.finish_open();
            }
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
            value.about("Payload that the webhook carries when the button is pressed.").string(..=1024);
        }
        "coupon_code" => {
            value
                .about("Coupon code: letters and digits.")
                .keyword("minLength", 1)
                .keyword("maxLength", 20)
                .string_that(is_coupon, "must be 1 to 20 letters and digits");
        }
        "action" => check_action(value),
        "ttl_minutes" => {
            value.integer(1..);
        }
        "limited_time_offer" => {
            if let Some(offer) = value.object() {
                offer
                    .required("expiration_time_ms")
                    .about("End of the offer, in Unix milliseconds.")
                    .integer(0..);
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
}

fn check_currency(value: Item<'_, '_>) {
    let Some(currency) = value.object() else { return };
    currency.required("fallback_value").about("Amount, as the recipient sees it.").string(1..);
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic());
    currency
        .required("code")
        .about("Currency code (ISO 4217).")
        .pattern("^[A-Za-z]{3}$")
        .string_that(is_code, "must be a currency code of three letters, such as EUR");
    currency.required("amount_1000").about("Amount, multiplied by 1000.").integer(..);
    currency.finish();
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
    interactive::list::check_product_sections(action.optional("sections"));
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
