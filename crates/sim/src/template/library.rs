//! A small part of Meta's library of pre-approved templates.
//!
//! **Invariant:** a template created from the library passes the rules of creation.

use serde_json::{Map, Value, json};

use crate::error::{Checked, GraphError};
use crate::validate::{Pointed, PointedObject};

/// The parameter that names one of the library.
pub(crate) const NAME: &str = "library_template_name";
const BODY_INPUTS: &str = "library_template_body_inputs";
const BUTTON_INPUTS: &str = "library_template_button_inputs";

/// A template of the library, in one language.
pub(crate) struct Entry {
    id: u64,
    name: &'static str,
    language: &'static str,
    category: &'static str,
    topic: &'static str,
    usecase: &'static str,
    industry: &'static [&'static str],
    header: Option<&'static str>,
    body: &'static str,
    /// A sample and a type for each parameter of the body.
    params: &'static [(&'static str, &'static str)],
    buttons: &'static [Button],
}

/// A button of the library.
enum Button {
    /// The business says where it leads.
    Url(&'static str),
    /// The business says whom it calls.
    Phone(&'static str),
    /// Hands over the code.
    Code(&'static str),
}

const SHOPS: &[&str] = &["E_COMMERCE"];
const BANKS: &[&str] = &["FINANCIAL_SERVICES"];
const ALL: &[&str] = &["E_COMMERCE", "FINANCIAL_SERVICES"];

static ENTRIES: [Entry; 6] = [
    Entry {
        id: 555_010_000_007_001,
        name: "delivery_update_1",
        language: "en_US",
        category: "UTILITY",
        topic: "ORDER_MANAGEMENT",
        usecase: "DELIVERY_UPDATE",
        industry: SHOPS,
        header: Some("Your order is on its way"),
        body: "Hello {{1}}, order {{2}} has left our warehouse and arrives on {{3}} at your door.",
        params: &[("Ada", "TEXT"), ("#12345", "TEXT"), ("January 1st, 2026", "DATE")],
        buttons: &[Button::Url("Track order")],
    },
    Entry {
        id: 555_010_000_007_002,
        name: "delivery_update_1",
        language: "es",
        category: "UTILITY",
        topic: "ORDER_MANAGEMENT",
        usecase: "DELIVERY_UPDATE",
        industry: SHOPS,
        header: Some("Tu pedido va en camino"),
        body: "Hola {{1}}, el pedido {{2}} ha salido del almac\u{e9}n y llega el {{3}} a tu puerta.",
        params: &[("Ada", "TEXT"), ("#12345", "TEXT"), ("1 de enero de 2026", "DATE")],
        buttons: &[Button::Url("Seguir pedido")],
    },
    Entry {
        id: 555_010_000_007_003,
        name: "order_pick_up_1",
        language: "en_US",
        category: "UTILITY",
        topic: "ORDER_MANAGEMENT",
        usecase: "ORDER_PICK_UP",
        industry: SHOPS,
        header: None,
        body: "Order {{1}} is ready to be picked up. Please show this message when you come.",
        params: &[("#12345", "TEXT")],
        buttons: &[],
    },
    Entry {
        id: 555_010_000_007_004,
        name: "low_balance_warning_1",
        language: "en_US",
        category: "UTILITY",
        topic: "PAYMENTS",
        usecase: "LOW_BALANCE_WARNING",
        industry: BANKS,
        header: Some("Your balance is low"),
        body: "Hello {{1}}, the balance of your account that ends in {{2}} is below {{3}}, the limit that you have set.",
        params: &[("Ada", "TEXT"), ("1234", "NUMBER"), ("$75.00", "AMOUNT")],
        buttons: &[Button::Url("Make a deposit"), Button::Phone("Call us")],
    },
    Entry {
        id: 555_010_000_007_005,
        name: "payment_due_reminder_1",
        language: "en_US",
        category: "UTILITY",
        topic: "PAYMENTS",
        usecase: "PAYMENT_DUE_REMINDER",
        industry: ALL,
        header: None,
        body: "Hello {{1}}, your payment of {{2}} is due on {{3}}. Thank you if you have paid already.",
        params: &[("Ada", "TEXT"), ("USD $375.32", "AMOUNT"), ("2026-04-19", "DATE")],
        buttons: &[Button::Phone("Call us")],
    },
    Entry {
        id: 555_010_000_007_006,
        name: "verify_code_1",
        language: "en_US",
        category: "AUTHENTICATION",
        topic: "IDENTITY_VERIFICATION",
        usecase: "VERIFY_CODE",
        industry: ALL,
        header: None,
        body: "*{{1}}* is your verification code.",
        params: &[("123456", "NUMBER")],
        buttons: &[Button::Code("Copy code")],
    },
];

/// The templates that pass the filters, each a parameter of the call.
pub(crate) fn found<'a>(
    asked: impl Fn(&str) -> Option<&'a str> + Copy,
) -> impl Iterator<Item = &'static Entry> {
    let is = move |key: &str, value: &str| asked(key).is_none_or(|asked| asked.eq_ignore_ascii_case(value));
    let holds = move |entry: &Entry| {
        asked("search").is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            let texts = [Some(entry.name), entry.header, Some(entry.body)];
            texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
        })
    };
    ENTRIES.iter().filter(move |entry| {
        is("name", entry.name)
            && is("topic", entry.topic)
            && is("usecase", entry.usecase)
            && is("language", entry.language)
            && asked("industry")
                .is_none_or(|asked| entry.industry.iter().any(|one| one.eq_ignore_ascii_case(asked)))
            && holds(entry)
    })
}

impl Entry {
    /// Its place in lists, whose keys fall.
    pub(crate) fn key(&self) -> u64 {
        u64::MAX - self.id
    }

    /// The entry as Graph lists it.
    pub(crate) fn node(&self) -> Value {
        let (samples, types): (Vec<&str>, Vec<&str>) = self.params.iter().copied().unzip();
        let buttons: Vec<Value> = self
            .buttons
            .iter()
            .map(|button| match button {
                Button::Url(text) => json!({"type": "URL", "text": text, "url": "https://www.example.com/"}),
                Button::Phone(text) => {
                    json!({"type": "PHONE_NUMBER", "text": text, "phone_number": "+15550105555"})
                }
                Button::Code(text) => json!({"type": "OTP", "text": text, "otp_type": "COPY_CODE"}),
            })
            .collect();
        let mut node = Map::new();
        let mut put = |key: &str, value: Value| node.insert(key.to_owned(), value);
        put("name", json!(self.name));
        put("language", json!(self.language));
        put("category", json!(self.category));
        put("topic", json!(self.topic));
        put("usecase", json!(self.usecase));
        put("industry", json!(self.industry));
        if let Some(header) = self.header {
            put("header", json!(header));
        }
        put("body", json!(self.body));
        put("body_params", json!(samples));
        put("body_param_types", json!(types));
        put("buttons", json!(buttons));
        put("id", json!(self.id.to_string()));
        Value::Object(node)
    }
}

/// The components of a template that is made from one of the library.
pub(crate) fn components(
    params: &Map<String, Value>,
    from: &str,
    language: &str,
    category: &str,
) -> Checked<Value> {
    let entry = ENTRIES.iter().find(|entry| entry.name == from && entry.language == language);
    let Some(entry) = entry else {
        return Err(GraphError::schema(format!(
            "The template library has no template \"{from}\" in the language \"{language}\"."
        )));
    };
    if entry.category != category {
        return Err(GraphError::schema(format!(
            "Param category must be {} for this library template - got \"{category}\".",
            entry.category
        )));
    }
    let null = Value::Null;
    let body_inputs = Pointed::root(BODY_INPUTS, params.get(BODY_INPUTS).unwrap_or(&null));
    let inputs = if body_inputs.value.is_null() {
        None
    } else {
        Some(body_inputs.object(&[
            "add_contact_number",
            "add_learn_more_link",
            "add_security_recommendation",
            "add_track_package_link",
            "code_expiration_minutes",
        ])?)
    };
    let mut components = Vec::new();
    if let Some(header) = entry.header {
        components.push(json!({"type": "HEADER", "format": "TEXT", "text": header}));
    }
    if category == "AUTHENTICATION" {
        let warns = inputs.as_ref().and_then(|inputs| inputs.get("add_security_recommendation"));
        let warns = warns.map(|at| at.flag()).transpose()?.unwrap_or(false);
        components.push(json!({"type": "BODY", "add_security_recommendation": warns}));
        let minutes = inputs.as_ref().and_then(|inputs| inputs.get("code_expiration_minutes"));
        if let Some(minutes) = minutes {
            components.push(json!({"type": "FOOTER", "code_expiration_minutes": minutes.integer()?}));
        }
    } else {
        let samples: Vec<&str> = entry.params.iter().map(|(sample, _)| *sample).collect();
        components.push(json!({"type": "BODY", "text": entry.body, "example": {"body_text": [samples]}}));
    }
    let buttons = buttons(params, entry)?;
    if !buttons.is_empty() {
        components.push(json!({"type": "BUTTONS", "buttons": buttons}));
    }
    Ok(Value::Array(components))
}

/// The buttons with what the business fills in: the inputs of each kind, in their order.
fn buttons(params: &Map<String, Value>, entry: &Entry) -> Checked<Vec<Value>> {
    let null = json!([]);
    let inputs = Pointed::root(BUTTON_INPUTS, params.get(BUTTON_INPUTS).unwrap_or(&null)).list()?;
    let mut left = Vec::new();
    for input in &inputs {
        let input = input.any_object()?;
        left.push((input.need("type")?.text()?.to_uppercase(), input));
    }
    let mut take = |kind: &str| -> Option<PointedObject<'_>> {
        let at = left.iter().position(|(other, _)| other == kind)?;
        Some(left.remove(at).1)
    };
    let missing = |kind: &str| {
        GraphError::schema(format!("Param {BUTTON_INPUTS} needs an input for the button of type {kind}."))
    };
    let mut buttons = Vec::new();
    for button in entry.buttons {
        buttons.push(match button {
            Button::Url(text) => {
                let input = take("URL").ok_or_else(|| missing("URL"))?;
                let url = input.need("url")?.object(&["base_url", "url_suffix_example"])?;
                let base = url.need("base_url")?.text()?;
                let mut button = json!({"type": "URL", "text": text, "url": base});
                if let (Some(sample), Some(button)) =
                    (url.text("url_suffix_example")?, button.as_object_mut())
                {
                    button.insert("example".to_owned(), json!([sample]));
                }
                button
            }
            Button::Phone(text) => {
                let input = take("PHONE_NUMBER").ok_or_else(|| missing("PHONE_NUMBER"))?;
                json!({"type": "PHONE_NUMBER", "text": text, "phone_number": input.need("phone_number")?.text()?})
            }
            Button::Code(text) => {
                let mut button = json!({"type": "OTP", "text": text, "otp_type": "COPY_CODE"});
                if let (Some(input), Some(button)) = (take("OTP"), button.as_object_mut()) {
                    for key in ["otp_type", "supported_apps", "zero_tap_terms_accepted"] {
                        if let Some(at) = input.get(key) {
                            button.insert(key.to_owned(), at.value.clone());
                        }
                    }
                }
                button
            }
        });
    }
    if let Some((kind, _)) = left.first() {
        return Err(GraphError::schema(format!(
            "Param {BUTTON_INPUTS} has an input of type {kind} for which this library template has no button."
        )));
    }
    Ok(buttons)
}
