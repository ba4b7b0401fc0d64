//! The WhatsApp Business Account and its edges.

use serde_json::{Map, Value, json};

use crate::{
    clock::{self, seconds},
    error::{Checked, GraphError},
    graph::{
        Call, Caller, Purpose, Reply, ReplyBody, Verification, numbers,
        paging::{self, Fields},
        templates,
    },
    phone,
    seed::new_number,
    state::{State, Waba},
};

const DEFAULT: [&str; 4] = ["id", "name", "timezone_id", "message_template_namespace"];

const KNOWN: [&str; 6] = [
    "on_behalf_of_business_info",
    "primary_funding_id",
    "purchase_order_number",
    "linked_commerce_account",
    "primary_business_location",
    "auth_international_rate_eligibility",
];

/// Settings that `POST /{waba}` can change.
const SWITCHES: [&str; 5] = [
    "is_enabled_for_insights",
    "disable_marketing_messages_on_cloud_api",
    "template_auto_archival_enabled",
    "name",
    "timezone_id",
];

fn node(waba: &Waba, messaging_limit: &str) -> Map<String, Value> {
    let node = json!({
        "id": waba.id,
        "name": waba.name,
        "timezone_id": "1",
        "message_template_namespace": waba.namespace,
        "currency": "USD",
        "country": "US",
        "status": "ACTIVE",
        "account_review_status": "APPROVED",
        "business_verification_status": "verified",
        "ownership_type": "SELF",
        "owner_business_info": {"id": waba.business_id, "name": waba.name},
        "is_enabled_for_insights": false,
        "disable_marketing_messages_on_cloud_api": false,
        "template_auto_archival_enabled": false,
        "marketing_messages_lite_api_status": "ONBOARDED",
        "marketing_messages_onboarding_status": "ONBOARDED",
        "whatsapp_business_manager_messaging_limit": messaging_limit,
        "is_shared_with_partners": false,
        "creation_time": seconds(waba.created_at),
        "health_status": {"can_send_message": "AVAILABLE", "entities": [
            {"entity_type": "WABA", "id": waba.id, "can_send_message": "AVAILABLE"},
            {"entity_type": "BUSINESS", "id": waba.business_id, "can_send_message": "AVAILABLE"}]},
    });
    let mut node = node.as_object().cloned().unwrap_or_default();
    node.extend(waba.switches.clone());
    node
}

/// A call on an account or one of its edges.
pub(crate) fn edge(
    state: &mut State,
    call: &Call,
    caller: &Caller,
    id: &str,
    edge: Option<&str>,
) -> Checked<Reply> {
    let Some(waba) = state.wabas.get(id) else {
        return Err(GraphError::no_node(call.method.as_str(), id));
    };
    match (call.method.as_str(), edge) {
        ("GET", None) => {
            let fields = Fields { node_type: "WhatsAppBusinessAccount", default: &DEFAULT, known: &KNOWN };
            fields.pick(state, call, &node(waba, &state.settings.messaging_limit)).map(Reply::json)
        }
        ("POST", None) => {
            let changes: Vec<(String, Value)> = SWITCHES
                .iter()
                .filter_map(|key| {
                    let value = call.flag(key).map(Value::Bool).or_else(|| call.params.get(*key).cloned());
                    Some(((*key).to_owned(), value?))
                })
                .collect();
            if changes.is_empty() {
                return Err(GraphError::schema(format!("One of {} is required.", SWITCHES.join(", "))));
            }
            if let Some(waba) = state.wabas.get_mut(id) {
                waba.switches.extend(changes);
                state.is_dirty = true;
            }
            Ok(Reply::success())
        }
        ("GET", Some("phone_numbers")) => list_numbers(state, call, id),
        ("POST", Some("phone_numbers")) => add_number(state, call, id),
        ("GET", Some("subscribed_apps")) => Ok(Reply::json(subscriptions(state, waba))),
        ("POST", Some("subscribed_apps")) => subscribe(state, call, caller, id),
        ("DELETE", Some("subscribed_apps")) => {
            if let Some(waba) = state.wabas.get_mut(id) {
                waba.subscriptions.remove(&caller.app_id);
                state.is_dirty = true;
            }
            Ok(Reply::success())
        }
        ("GET", Some("product_catalogs" | "flows" | "assigned_users" | "solutions")) => {
            Ok(Reply::json(json!({"data": []})))
        }
        ("POST" | "DELETE", Some("product_catalogs")) => Ok(Reply::success()),
        (_, Some("message_templates")) => templates::edge(state, call, id),
        (method, None | Some("phone_numbers" | "subscribed_apps" | "product_catalogs")) => {
            Err(GraphError::no_method(method))
        }
        (_, Some(edge)) => Err(GraphError::no_edge(edge)),
    }
}

fn list_numbers(state: &State, call: &Call, waba_id: &str) -> Checked<Reply> {
    let mut rows = Vec::new();
    for (id, position) in state.order.iter().zip(0_u64..) {
        let Some(number) = state.numbers.get(id).filter(|number| number.waba_id == waba_id) else { continue };
        rows.push((position, numbers::FIELDS.pick(state, call, &numbers::node(state, number))?));
    }
    rows.reverse();
    paging::page(state, call, &format!("phone_numbers/{waba_id}"), rows)
        .map(|page| Reply::json(Value::Object(page)))
}

fn add_number(state: &mut State, call: &Call, waba_id: &str) -> Checked<Reply> {
    let text = |key: &str| {
        let value = call.params.get(key).map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
        value.ok_or_else(|| GraphError::schema(format!("The parameter {key} is required.")))
    };
    let digits = phone::only_digits(&format!("{}{}", text("cc")?, text("phone_number")?));
    let name = text("verified_name")?;
    if state.numbers.values().any(|number| number.digits == digits) {
        return Err(GraphError::of(100).details("The phone number is in use already"));
    }
    let id = state.mint_id("number");
    let mut number = new_number(&id, waba_id, &format!("+{digits}"), &name, state.env.now);
    number.is_registered = false;
    number.is_verified = false;
    number.pin = None;
    state.order.push(id.clone());
    state.numbers.insert(id.clone(), number);
    state.is_dirty = true;
    Ok(Reply::json(json!({"id": id})))
}

fn subscriptions(state: &State, waba: &Waba) -> Value {
    let rows: Vec<Value> = waba
        .subscriptions
        .iter()
        .filter_map(|(app_id, url)| {
            let app = state.apps.get(app_id)?;
            let mut row = json!({"whatsapp_business_api_data": {
                "id": app.id, "name": app.name, "link": format!("https://www.facebook.com/games/?app_id={}", app.id)}});
            if let (Some(url), Some(row)) = (url, row.as_object_mut()) {
                row.insert("override_callback_uri".to_owned(), json!(url));
            }
            Some(row)
        })
        .collect();
    json!({"data": rows})
}

fn subscribe(state: &mut State, call: &Call, caller: &Caller, waba_id: &str) -> Checked<Reply> {
    if let Some(url) = call.text("override_callback_uri").filter(|url| !url.is_empty()) {
        crate::validate::length("Override callback uri", url.chars().count(), 1, 200)?;
        let Some(token) = call.text("verify_token") else {
            return Err(GraphError::schema("The parameter verify_token is required."));
        };
        let purpose = Purpose::Waba { id: waba_id.to_owned(), app_id: caller.app_id.clone() };
        let verification = Verification { url: url.to_owned(), token: token.to_owned(), purpose };
        return Ok(Reply { http: 200, body: ReplyBody::Verify(Box::new(verification)), mark: None });
    }
    if let Some(waba) = state.wabas.get_mut(waba_id) {
        waba.subscriptions.insert(caller.app_id.clone(), None);
        state.is_dirty = true;
    }
    Ok(Reply::success())
}

impl State {
    /// Uses a callback that has passed its verification.
    pub(crate) fn use_callback(&mut self, verification: &Verification) {
        let url = verification.url.clone();
        match &verification.purpose {
            Purpose::App { id, fields, version } => {
                if let Some(app) = self.apps.get_mut(id) {
                    app.callback_url = Some(url);
                    app.verify_token.clone_from(&verification.token);
                    app.fields.clone_from(fields);
                    app.version = Some(*version);
                }
            }
            Purpose::Waba { id, app_id } => {
                if let Some(waba) = self.wabas.get_mut(id) {
                    waba.subscriptions.insert(app_id.clone(), Some(url));
                }
            }
            Purpose::Number { id, app_id } => {
                if let Some(number) = self.numbers.get_mut(id) {
                    number.callback = Some(crate::state::Override { app_id: app_id.clone(), url });
                }
            }
        }
        self.is_dirty = true;
        tracing::debug!(at = clock::text(self.env.now), "a callback passed its verification");
    }
}
