//! New templates from Meta's template library: Meta supplies the text, the business supplies inputs for the buttons.
//!
//! **Invariant:** the content of the library is not checked here, because it changes.

use super::properties::{MAX_NAME, category, read_extras, read_name};
use super::{button, language};
use crate::check::{Fields, Item, Variant, is_http_url};
use crate::json::{Object, Value};
use crate::templates::template::TemplateCategory;

/// Types of buttons, with the names of the schemas of their inputs.
const KINDS: [Variant<()>; 9] = [
    ("QUICK_REPLY", "LibraryOtherButtonInput", ()),
    ("URL", "LibraryUrlButtonInput", ()),
    ("PHONE_NUMBER", "LibraryPhoneNumberButtonInput", ()),
    ("OTP", "LibraryOtpButtonInput", ()),
    ("MPM", "LibraryOtherButtonInput", ()),
    ("CATALOG", "LibraryOtherButtonInput", ()),
    ("FLOW", "LibraryOtherButtonInput", ()),
    ("VOICE_CALL", "LibraryOtherButtonInput", ()),
    ("APP", "LibraryOtherButtonInput", ()),
];
/// Optional additions to the text.
const ADDITIONS: [&str; 4] =
    ["add_contact_number", "add_learn_more_link", "add_security_recommendation", "add_track_package_link"];
/// Member with the name of the library template.
pub(super) const LIBRARY: &str = "library_template_name";
pub(super) const BODY_INPUTS: &str = "library_template_body_inputs";
pub(super) const BUTTON_INPUTS: &str = "library_template_button_inputs";

/// A new template from Meta's template library.
#[derive(Clone, Debug, PartialEq)]
pub struct LibraryDraft {
    /// Name of the new template, `[a-z0-9_]`.
    pub name: String,
    /// Language code of Meta.
    pub language: String,
    /// Category.
    pub category: TemplateCategory,
    /// Name of the library template.
    pub library_name: String,
    body_inputs: Option<Object>,
    button_inputs: Option<Value>,
    extras: Object,
}

impl LibraryDraft {
    pub(super) fn read(fields: &Fields<'_, '_>) -> Option<Self> {
        let name = read_name(&fields.required("name").about("Name of the new template."));
        let language = language::read(&fields.required("language"));
        let given = fields.required("category").about("Meta's library has no marketing templates.");
        let category = category(&given);
        if category == Some(TemplateCategory::Marketing) {
            given.refuse("must be UTILITY or AUTHENTICATION: Meta's library has no marketing templates");
        }
        let library_name = fields.required(LIBRARY).about("Name of the template in Meta's template library.");
        let library_name = library_name.string(1..=MAX_NAME).map(str::to_owned);
        for name in ["components", "parameter_format"] {
            fields
                .forbidden(name, "is not allowed together with `library_template_name`: the library has it");
        }
        let body_inputs = read_body_inputs(&fields.optional(BODY_INPUTS).about("Additions to the text."));
        let button_inputs = read_button_inputs(
            &fields.optional(BUTTON_INPUTS).about("Inputs of the buttons, in their order."),
        );
        let extras = read_extras(fields, category.as_ref());
        Some(Self {
            name: name?,
            language: language?,
            category: category?,
            library_name: library_name?,
            body_inputs,
            button_inputs,
            extras,
        })
    }

    /// Returns the request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Object::new();
        body.insert("name", self.name.as_str());
        body.insert("language", self.language.as_str());
        body.insert("category", self.category.as_str());
        body.insert(LIBRARY, self.library_name.as_str());
        if let Some(inputs) = &self.body_inputs {
            body.insert(BODY_INPUTS, Value::Object(inputs.clone()));
        }
        if let Some(inputs) = &self.button_inputs {
            body.insert(BUTTON_INPUTS, inputs.clone());
        }
        for (name, value) in self.extras.iter() {
            body.insert(name, value.clone());
        }
        Value::Object(body)
    }
}

fn read_body_inputs(item: &Item<'_, '_>) -> Option<Object> {
    let inputs = item.object()?;
    let mut read = Object::new();
    for name in ADDITIONS {
        if let Some(is_added) = inputs.optional(name).boolean() {
            read.insert(name, is_added);
        }
    }
    if let Some(minutes) = inputs.optional("code_expiration_minutes").integer(1..=90) {
        read.insert("code_expiration_minutes", minutes);
    }
    inputs.finish();
    Some(read)
}

fn read_button_inputs(item: &Item<'_, '_>) -> Option<Value> {
    let mut buttons = Vec::new();
    for item in item.array(1..=10)?.iter() {
        let button = item.shared("LibraryButtonInput", |item| {
            let mut button = None;
            if let Some(input) = item.object() {
                input.variants_in_any_case("type", &KINDS, |input, kind, ()| {
                    button = Some(Value::Object(read_button_input(kind, input)));
                });
            }
            button
        });
        buttons.extend(button.flatten());
    }
    Some(Value::Array(buttons))
}

fn read_button_input(kind: &'static str, input: &Fields<'_, '_>) -> Object {
    let mut button = Object::new();
    button.insert("type", kind);
    match kind {
        "URL" => {
            if let Some(url) = read_url(&input.required("url")) {
                button.insert("url", Value::Object(url));
            }
        }
        "PHONE_NUMBER" => {
            if let Some(number) = button::phone_number(input) {
                button.insert("phone_number", number);
            }
        }
        "OTP" => button::otp(input, &mut button),
        // The other types take no input.
        _ => {}
    }
    button
}

/// Reads the URL of a button, with a sample of the whole URL if it ends in a parameter.
fn read_url(item: &Item<'_, '_>) -> Option<Object> {
    let url = item.object()?;
    let mut read = Object::new();
    let base = url.required("base_url").about("URL with at most one parameter, `{{1}}`, at its end.");
    let example =
        url.optional("url_suffix_example").about("Whole URL with a sample, if `base_url` has a parameter.");
    let text = base.string(1..=2000);
    let fixed = text.unwrap_or_default().split("{{").next().unwrap_or_default();
    let has_parameter = text.is_some_and(|text| text.contains("{{"));
    if text.is_some() && !is_http_url(fixed) {
        base.refuse("must be an absolute URL that starts with https:// or http://");
    } else if has_parameter && text.is_none_or(|text| text.strip_suffix("{{1}}") != Some(fixed)) {
        base.refuse("must have at most one parameter, `{{1}}` at its end");
    }
    if has_parameter && !example.is_present() {
        example.refuse("is required: the URL with a sample in its parameter");
    }
    if let Some(text) = text {
        read.insert("base_url", text);
    }
    if let Some(sample) = example.string(1..=2000) {
        read.insert("url_suffix_example", sample);
    }
    url.finish();
    Some(read)
}
