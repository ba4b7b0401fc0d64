//! The accounts and templates that are always there. Everything here is constant, so that a gateway that was set up
//! once keeps working with every later simulator.
//!
//! **Invariant:** no number here is a magic recipient, and no secret here opens anything but a simulator.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    error::Checked,
    phone,
    state::{App, Number, State, Token, Waba},
};

/// The code that verifies any number.
pub const VERIFICATION_CODE: &str = "123456";
/// The two-step PIN of the seeded numbers.
pub const PIN: &str = "123456";
/// The verify token of the seeded apps, unless the options name another.
pub const VERIFY_TOKEN: &str = "sandbox-verify-token";

/// An account of the simulator, with all that a gateway needs to use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimAccount {
    /// A name for people.
    pub name: String,
    /// The business phone number's id.
    pub phone_number_id: String,
    /// The WhatsApp Business Account's id.
    pub waba_id: String,
    /// A token of the app for that account.
    pub access_token: String,
    /// The app's secret, which signs the webhooks.
    pub app_secret: String,
    /// The app's verify token.
    pub verify_token: String,
    /// The number as people write it.
    pub display_phone_number: String,
    /// The app's id.
    pub app_id: String,
}

/// The constants of one seeded account.
struct Seed {
    name: &'static str,
    app_id: &'static str,
    business_id: &'static str,
    waba_id: &'static str,
    phone_number_id: &'static str,
    display: &'static str,
    access_token: &'static str,
    app_secret: &'static str,
}

const SEEDS: [Seed; 2] = [
    Seed {
        name: "Sandbox Shop",
        app_id: "555010000000001",
        business_id: "555010000000101",
        waba_id: "555010000000201",
        phone_number_id: "555010000000301",
        display: "+1 555-010-9999",
        access_token: "EAAsandbox1AccessTokenOfTheSimulatorItOpensNothingElse",
        app_secret: "sandbox-1-app-secret-of-the-simulator",
    },
    Seed {
        name: "Sandbox Clinic",
        app_id: "555010000000002",
        business_id: "555010000000102",
        waba_id: "555010000000202",
        phone_number_id: "555010000000302",
        display: "+1 555-010-9998",
        access_token: "EAAsandbox2AccessTokenOfTheSimulatorItOpensNothingElse",
        app_secret: "sandbox-2-app-secret-of-the-simulator",
    },
];

/// Fills an empty state with the seeded accounts.
pub(crate) fn plant(state: &mut State, verify_token: &str) {
    for seed in &SEEDS {
        let app = App {
            id: seed.app_id.to_owned(),
            name: format!("{} app", seed.name),
            secret: seed.app_secret.to_owned(),
            verify_token: verify_token.to_owned(),
            callback_url: None,
            fields: None,
            version: None,
            requires_proof: false,
        };
        state.apps.insert(app.id.clone(), app);
        let now = state.env.now;
        let token = Token {
            app_id: seed.app_id.to_owned(),
            wabas: BTreeSet::from([seed.waba_id.to_owned()]),
            is_valid: true,
            issued_at: now,
            expires_at: None,
        };
        state.tokens.insert(seed.access_token.to_owned(), token);
        let mut waba = new_waba(seed.waba_id, seed.name, seed.business_id, now);
        waba.subscriptions.insert(seed.app_id.to_owned(), None);
        state.wabas.insert(waba.id.clone(), waba);
        plant_templates(state, seed.waba_id);
        let number = new_number(seed.phone_number_id, seed.waba_id, seed.display, seed.name, now);
        state.order.push(number.id.clone());
        state.numbers.insert(number.id.clone(), number);
    }
    state.is_dirty = true;
}

/// An account without templates, numbers and apps.
pub(crate) fn new_waba(id: &str, name: &str, business_id: &str, now: i64) -> Waba {
    Waba {
        id: id.to_owned(),
        name: name.to_owned(),
        business_id: business_id.to_owned(),
        namespace: format!("sandbox_{id}"),
        created_at: now,
        templates: BTreeMap::new(),
        held_names: Vec::new(),
        creations: Vec::new(),
        subscriptions: BTreeMap::new(),
        switches: Map::new(),
    }
}

/// A registered number.
pub(crate) fn new_number(id: &str, waba_id: &str, display: &str, name: &str, now: i64) -> Number {
    let profile = json!({"about": "A simulated business", "vertical": "OTHER"});
    Number {
        id: id.to_owned(),
        waba_id: waba_id.to_owned(),
        display: display.to_owned(),
        digits: phone::only_digits(display),
        name: name.to_owned(),
        created_at: now,
        is_registered: true,
        is_verified: true,
        has_requested_code: false,
        pin: Some(PIN.to_owned()),
        n_wrong_pins: 0,
        registrations: Vec::new(),
        callback: None,
        profile: profile.as_object().cloned().unwrap_or_default(),
        is_cart_enabled: true,
        is_catalog_visible: false,
        blocked: Vec::new(),
        settings: Map::new(),
        automation: Map::new(),
        public_key: None,
        quality: "GREEN".to_owned(),
    }
}

/// Adds the seeded templates to an account, approved.
pub(crate) fn plant_templates(state: &mut State, waba_id: &str) {
    let Some(templates) = templates().as_array().cloned() else { return };
    // The first of the list is the newest, as lists show them.
    for template in templates.into_iter().rev() {
        let added = template.as_object().map(|params| state.add_template(waba_id, params, "APPROVED"));
        if let Some(Err(error)) = added {
            tracing::error!(message = error.message, "a seeded template breaks the rules");
        }
    }
}

impl State {
    /// Adds a template with a status, past limits and review.
    pub(crate) fn add_template(
        &mut self,
        waba_id: &str,
        params: &Map<String, Value>,
        status: &str,
    ) -> Checked<String> {
        let mut template = self.new_template(waba_id, params)?;
        status.clone_into(&mut template.status);
        template.review_at = None;
        "GREEN".clone_into(&mut template.quality);
        let id = template.id.clone();
        if let Some(waba) = self.wabas.get_mut(waba_id) {
            waba.templates.insert(id.clone(), template);
        }
        self.is_dirty = true;
        Ok(id)
    }

    /// The accounts in the order in which they were made.
    pub(crate) fn accounts(&self) -> Vec<SimAccount> {
        self.order.iter().filter_map(|id| self.account(id)).collect()
    }

    /// The account of a number.
    pub(crate) fn account(&self, number_id: &str) -> Option<SimAccount> {
        let number = self.numbers.get(number_id)?;
        let (access_token, token) =
            self.tokens.iter().find(|(_, token)| token.wabas.contains(&number.waba_id))?;
        let app = self.apps.get(&token.app_id)?;
        Some(SimAccount {
            name: number.name.clone(),
            phone_number_id: number.id.clone(),
            waba_id: number.waba_id.clone(),
            access_token: access_token.clone(),
            app_secret: app.secret.clone(),
            verify_token: app.verify_token.clone(),
            display_phone_number: number.display.clone(),
            app_id: app.id.clone(),
        })
    }
}

fn templates() -> Value {
    json!([
        {"name": "hello_world", "language": "en_US", "category": "UTILITY", "components": [
            {"type": "BODY", "text": "Hello from the sandbox: this message came through a simulated WhatsApp."},
            {"type": "FOOTER", "text": "Nobody's phone has rung"}]},
        {"name": "order_confirmation", "language": "en", "category": "UTILITY", "components": [
            {"type": "BODY", "text": "Thank you, {{1}}. Your order {{2}} is confirmed and will leave us today.",
             "example": {"body_text": [["Maya", "WP-1001"]]}}]},
        {"name": "sandbox_named_parameters", "language": "en_GB", "category": "UTILITY", "parameter_format": "NAMED",
         "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Your visit, {{customer}}",
             "example": {"header_text_named_params": [{"param_name": "customer", "example": "Maya"}]}},
            {"type": "BODY", "text": "We expect you on {{day}} at {{hour}}, at the front desk.",
             "example": {"body_text_named_params": [
                {"param_name": "day", "example": "Thursday"}, {"param_name": "hour", "example": "10:30"}]}},
            {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "I will come"}, {"type": "QUICK_REPLY", "text": "Another day"}]}]},
        {"name": "sandbox_image_header", "language": "en", "category": "UTILITY", "components": [
            {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4:c2FtcGxl"]}},
            {"type": "BODY", "text": "Parcel {{1}} is on its way to you.", "example": {"body_text": [["P-77"]]}},
            {"type": "BUTTONS", "buttons": [
                {"type": "URL", "text": "Follow it", "url": "https://shop.example/track/{{1}}",
                 "example": ["https://shop.example/track/P-77"]}]}]},
        {"name": "sandbox_document_header", "language": "en", "category": "UTILITY", "components": [
            {"type": "HEADER", "format": "DOCUMENT", "example": {"header_handle": ["4:c2FtcGxl"]}},
            {"type": "BODY", "text": "Here is your invoice for order {{1}}, with our thanks.",
             "example": {"body_text": [["WP-1001"]]}}]},
        {"name": "sandbox_location_header", "language": "en", "category": "UTILITY", "components": [
            {"type": "HEADER", "format": "LOCATION"},
            {"type": "BODY", "text": "This is where your order waits for you."}]},
        {"name": "sandbox_marketing", "language": "en", "category": "MARKETING", "components": [
            {"type": "BODY", "text": "Dear {{1}}, everything blue is cheaper this week.",
             "example": {"body_text": [["Maya"]]}},
            {"type": "FOOTER", "text": "Answer STOP to hear no more"},
            {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop offers"}]}]},
        {"name": "sandbox_coupon", "language": "en", "category": "MARKETING", "components": [
            {"type": "BODY", "text": "A little something for your next order."},
            {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE", "example": "BLUE25"}]}]},
        {"name": "sandbox_limited_offer", "language": "en", "category": "MARKETING", "components": [
            {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4:c2FtcGxl"]}},
            {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Until midnight", "has_expiration": true}},
            {"type": "BODY", "text": "Take a quarter off, {{1}}, while it lasts.", "example": {"body_text": [["Maya"]]}},
            {"type": "BUTTONS", "buttons": [
                {"type": "COPY_CODE", "example": "BLUE25"},
                {"type": "URL", "text": "Shop now", "url": "https://shop.example/o/{{1}}",
                 "example": ["https://shop.example/o/blue"]}]}]},
        {"name": "sandbox_login_code", "language": "en", "category": "AUTHENTICATION", "components": [
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 10},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"}]}]},
        {"name": "sandbox_carousel", "language": "en", "category": "MARKETING", "components": [
            {"type": "BODY", "text": "Two things for you, {{1}}, picked by hand.", "example": {"body_text": [["Maya"]]}},
            {"type": "CAROUSEL", "cards": [card(), card()]}]},
    ])
}

fn card() -> Value {
    json!({"components": [
        {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4:c2FtcGxl"]}},
        {"type": "BODY", "text": "Now for {{1}} only.", "example": {"body_text": [["12 EUR"]]}},
        {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "More like this"},
            {"type": "URL", "text": "Look", "url": "https://shop.example/i/{{1}}",
             "example": ["https://shop.example/i/7"]}]}]})
}
