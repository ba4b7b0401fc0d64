//! The phone number node and its edges.
//!
//! **Invariant:** a number that is not registered has the status `DISCONNECTED` and cannot send.

use serde_json::{Map, Value, json};

use crate::{
    clock,
    error::{Checked, GraphError},
    graph::{
        Call, Caller, Purpose, Reply, ReplyBody, Verification, blocks, media, paging::Fields, profile,
        registration,
    },
    state::{Number, State},
};

const DEFAULT: [&str; 8] = [
    "verified_name",
    "code_verification_status",
    "display_phone_number",
    "quality_rating",
    "platform_type",
    "throughput",
    "last_onboarded_time",
    "webhook_configuration",
];

/// Fields that exist and that the simulator has no value for.
const KNOWN: [&str; 8] = [
    "certificate",
    "new_certificate",
    "username",
    "eligibility_for_api_business_global_search",
    "unified_cert_status",
    "new_name_status",
    "is_preverified_number",
    "conversational_automation",
];

/// Fields of a phone number.
pub(crate) const FIELDS: Fields<'_> =
    Fields { node_type: "WhatsAppBusinessPhoneNumber", default: &DEFAULT, known: &KNOWN };

/// The node of a number.
pub(crate) fn node(state: &State, number: &Number) -> Map<String, Value> {
    let waba = state.wabas.get(&number.waba_id);
    let mut webhooks = Map::new();
    if let Some(callback) = &number.callback {
        webhooks.insert("phone_number".to_owned(), json!(callback.url));
    }
    let mut overrides = waba.into_iter().flat_map(|waba| waba.subscriptions.iter());
    if let Some((_, Some(url))) = overrides.find(|(_, url)| url.is_some()) {
        webhooks.insert("whatsapp_business_account".to_owned(), json!(url));
    }
    let apps = waba.into_iter().flat_map(|waba| waba.subscriptions.keys());
    let mut callbacks = apps
        .filter_map(|id| state.apps.get(id))
        .filter_map(|app| app.callback_url.as_ref().or(state.env.callback_url.as_ref()));
    if let Some(url) = callbacks.next() {
        webhooks.insert("application".to_owned(), json!(url));
    }
    let can_send = if number.is_registered { "AVAILABLE" } else { "BLOCKED" };
    let mut entity = json!({"entity_type": "PHONE_NUMBER", "id": number.id, "can_send_message": can_send});
    if !number.is_registered
        && let Some(entity) = entity.as_object_mut()
    {
        entity.insert(
            "errors".to_owned(),
            json!([{"error_code": 141_000, "error_description": "The number is not registered.",
                    "possible_solution": "Register it."}]),
        );
    }
    let node = json!({
        "id": number.id,
        "display_phone_number": number.display,
        "verified_name": number.name,
        "status": if number.is_registered { "CONNECTED" } else { "DISCONNECTED" },
        "quality_rating": number.quality,
        "quality_score": {"score": number.quality},
        "code_verification_status": if number.is_verified { "VERIFIED" } else { "NOT_VERIFIED" },
        "name_status": "APPROVED",
        "platform_type": if number.is_registered { "CLOUD_API" } else { "NOT_APPLICABLE" },
        "throughput": {"level": if state.settings.throughput > 80 { "HIGH" } else { "STANDARD" }},
        "account_mode": "LIVE",
        "messaging_limit_tier": state.settings.messaging_limit,
        "whatsapp_business_manager_messaging_limit": state.settings.messaging_limit,
        "is_official_business_account": false,
        "is_pin_enabled": number.pin.is_some(),
        "is_on_biz_app": false,
        "search_visibility": "NON_VISIBLE",
        "country_code": crate::phone::country(&number.digits),
        "last_onboarded_time": onboarded(number.created_at),
        "webhook_configuration": webhooks,
        "health_status": {"can_send_message": can_send, "entities": [
            entity, {"entity_type": "WABA", "id": number.waba_id, "can_send_message": "AVAILABLE"}]},
    });
    let mut node = node.as_object().cloned().unwrap_or_default();
    if !number.automation.is_empty() {
        node.insert("conversational_automation".to_owned(), json!(number.automation));
    }
    node
}

/// Graph's ISO 8601 with `+0000`.
fn onboarded(at: i64) -> String {
    let text = clock::text(at);
    let seconds = text.split(['.', 'Z']).next().unwrap_or_default();
    format!("{seconds}+0000")
}

/// A call on a number or one of its edges.
pub(crate) fn edge(
    state: &mut State,
    call: &Call,
    caller: &Caller,
    id: &str,
    edge: Option<&str>,
) -> Checked<Reply> {
    let Some(number) = state.numbers.get(id).cloned() else {
        return Err(GraphError::no_node(call.method.as_str(), id));
    };
    match (call.method.as_str(), edge) {
        ("GET", None) => FIELDS.pick(state, call, &node(state, &number)).map(Reply::json),
        ("POST", None) => update(state, call, caller, id),
        ("POST", Some("messages")) => state.send(call, id, false),
        ("POST", Some("marketing_messages")) => state.send(call, id, true),
        ("POST", Some("media")) => media::upload(state, call, id),
        ("POST", Some("register")) => registration::register(state, call, id),
        ("POST", Some("deregister")) => registration::deregister(state, id),
        ("POST", Some("request_code")) => registration::request_code(state, call, id),
        ("POST", Some("verify_code")) => registration::verify_code(state, call, id),
        ("GET", Some("whatsapp_business_profile")) => profile::read(call, &number),
        ("POST", Some("whatsapp_business_profile")) => profile::write(state, call, id),
        ("GET", Some("whatsapp_commerce_settings")) => Ok(Reply::json(json!({"data": [{
            "id": number.id,
            "is_cart_enabled": number.is_cart_enabled,
            "is_catalog_visible": number.is_catalog_visible,
        }]}))),
        ("POST", Some("whatsapp_commerce_settings")) => change(state, id, |number| {
            number.is_cart_enabled = call.flag("is_cart_enabled").unwrap_or(number.is_cart_enabled);
            number.is_catalog_visible = call.flag("is_catalog_visible").unwrap_or(number.is_catalog_visible);
        }),
        ("GET", Some("block_users")) => blocks::list(state, call, &number),
        ("POST", Some("block_users")) => blocks::change(state, call, id, true),
        ("DELETE", Some("block_users")) => blocks::change(state, call, id, false),
        ("GET", Some("settings")) => Ok(Reply::json(settings(&number))),
        ("POST", Some("settings")) => write_settings(state, call, id),
        ("POST", Some("conversational_automation")) => automation(state, call, id),
        ("GET", Some("conversational_automation")) => {
            Ok(Reply::json(json!({"conversational_automation": number.automation, "id": number.id})))
        }
        ("GET", Some("whatsapp_business_encryption")) => {
            let data: Vec<Value> = number
                .public_key
                .iter()
                .map(|key| json!({"business_public_key": key, "business_public_key_signature_status": "VALID"}))
                .collect();
            Ok(Reply::json(json!({"data": data})))
        }
        ("POST", Some("whatsapp_business_encryption")) => {
            let Some(key) = call.text("business_public_key").map(str::to_owned) else {
                return Err(GraphError::schema("The parameter business_public_key is required."));
            };
            change(state, id, |number| number.public_key = Some(key))
        }
        (method, None) => Err(GraphError::no_method(method)),
        (
            method,
            Some(
                "messages"
                | "marketing_messages"
                | "media"
                | "register"
                | "deregister"
                | "request_code"
                | "verify_code"
                | "whatsapp_business_profile"
                | "whatsapp_commerce_settings"
                | "block_users"
                | "settings",
            ),
        ) => Err(GraphError::no_method(method)),
        (_, Some(edge)) => Err(GraphError::no_edge(edge)),
    }
}

/// Changes a number and answers success.
pub(crate) fn change(state: &mut State, id: &str, change: impl FnOnce(&mut Number)) -> Checked<Reply> {
    if let Some(number) = state.numbers.get_mut(id) {
        change(number);
        state.is_dirty = true;
    }
    Ok(Reply::success())
}

fn update(state: &mut State, call: &Call, caller: &Caller, id: &str) -> Checked<Reply> {
    if let Some(pin) = call.params.get("pin") {
        let pin = registration::pin(pin)?;
        change(state, id, |number| number.pin = Some(pin))?;
    }
    if let Some(name) = call.text("new_display_name").map(str::to_owned) {
        change(state, id, |number| number.name = name)?;
    }
    let Some(configuration) = call.params.get("webhook_configuration") else { return Ok(Reply::success()) };
    let mut configuration = configuration.clone();
    crate::validate::unstring(&mut configuration);
    let configuration = crate::validate::Pointed::root("webhook_configuration", &configuration);
    let configuration = configuration.object(&["override_callback_uri", "verify_token"])?;
    let url = configuration.need("override_callback_uri")?.text_of("Override callback uri", 0, 200)?;
    if url.is_empty() {
        return change(state, id, |number| number.callback = None);
    }
    let token = configuration.need("verify_token")?.text()?.to_owned();
    let purpose = Purpose::Number { id: id.to_owned(), app_id: caller.app_id.clone() };
    let verification = Verification { url: url.to_owned(), token, purpose };
    Ok(Reply { http: 200, body: ReplyBody::Verify(Box::new(verification)), mark: None })
}

fn settings(number: &Number) -> Value {
    let mut settings = json!({
        "user_identity_change": {"enable_identity_key_check": false},
        "calling": {"status": "DISABLED"},
        "storage_configuration": {"status": "DEFAULT"},
    });
    if let Some(settings) = settings.as_object_mut() {
        settings.extend(number.settings.clone());
    }
    settings
}

fn write_settings(state: &mut State, call: &Call, id: &str) -> Checked<Reply> {
    const GROUPS: [&str; 4] =
        ["calling", "user_identity_change", "payload_encryption", "storage_configuration"];
    let mut given = call.params.iter().filter(|(key, _)| GROUPS.contains(&key.as_str()));
    let (Some((group, value)), None) = (given.next(), given.next()) else {
        return Err(GraphError::schema(format!("Exactly one of {} is required.", GROUPS.join(", "))));
    };
    let mut value = value.clone();
    crate::validate::unstring(&mut value);
    if !value.is_object() {
        return Err(GraphError::schema(format!("Param {group} must be a JSON object.")));
    }
    if let Some(is_on) = value.get("enabled").cloned()
        && let Some(object) = value.as_object_mut()
    {
        object.insert("enable_identity_key_check".to_owned(), is_on);
    }
    change(state, id, |number| {
        number.settings.insert(group.clone(), value);
    })
}

fn automation(state: &mut State, call: &Call, id: &str) -> Checked<Reply> {
    let items = |key: &str| -> Checked<Option<Vec<Value>>> {
        let Some(value) = call.params.get(key) else { return Ok(None) };
        let mut value = value.clone();
        crate::validate::unstring(&mut value);
        let Some(items) = value.as_array() else {
            return Err(GraphError::schema(format!("Param {key} must be an array.")));
        };
        Ok(Some(items.clone()))
    };
    let prompts = items("prompts")?;
    if prompts.as_ref().is_some_and(|prompts| {
        prompts.len() > 4
            || prompts.iter().any(|prompt| prompt.as_str().is_none_or(|text| text.chars().count() > 80))
    }) {
        return Err(GraphError::schema("There are at most 4 prompts of 80 characters."));
    }
    let commands = items("commands")?;
    let text = |command: &Value, key: &str| {
        command.get(key).and_then(Value::as_str).unwrap_or_default().chars().count()
    };
    if commands.as_ref().is_some_and(|commands| {
        commands.len() > 30
            || commands.iter().any(|command| {
                !(1..=32).contains(&text(command, "command_name"))
                    || text(command, "command_description") > 256
            })
    }) {
        return Err(GraphError::schema("There are at most 30 commands, named with at most 32 characters."));
    }
    let welcome = call.flag("enable_welcome_message");
    change(state, id, |number| {
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                number.automation.insert(key.to_owned(), value);
            }
        };
        put("enable_welcome_message", welcome.map(Value::Bool));
        put("prompts", prompts.map(Value::Array));
        put("commands", commands.map(Value::Array));
    })
}
