//! Apps: webhook subscriptions and tokens.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    clock::seconds,
    error::{Checked, GraphError},
    graph::{Call, Caller, Purpose, Reply, ReplyBody, Verification, auth, uploads},
    ids,
    state::State,
};

/// The fields of an app that subscribes to all.
const ALL_FIELDS: [&str; 14] = [
    "account_alerts",
    "account_review_update",
    "account_update",
    "business_capability_update",
    "flows",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "messages",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "template_category_update",
    "user_preferences",
];

/// A call on an app or one of its edges.
pub(crate) fn edge(
    state: &mut State,
    call: &Call,
    caller: &Caller,
    id: &str,
    edge: Option<&str>,
) -> Checked<Reply> {
    let Some(app) = state.apps.get(id) else { return Err(GraphError::no_node(call.method.as_str(), id)) };
    match (call.method.as_str(), edge) {
        ("GET", None) => Ok(Reply::json(json!({"id": app.id, "name": app.name, "category": "Business"}))),
        ("POST", Some("uploads")) => uploads::start(state, call, id),
        (_, Some("subscriptions")) if !caller.is_app => {
            Err(GraphError::of(200).message("(#200) This call needs an app access token").http(403))
        }
        ("GET", Some("subscriptions")) => {
            let version = format!("v{}.0", state.webhook_version(id));
            let fields: Vec<Value> = match &app.fields {
                Some(fields) => fields.iter().map(|name| json!({"name": name, "version": version})).collect(),
                None => ALL_FIELDS.iter().map(|name| json!({"name": name, "version": version})).collect(),
            };
            let url = app.callback_url.as_ref().or(state.env.callback_url.as_ref());
            let data: Vec<Value> = url
                .map(|url| {
                    json!({"object": "whatsapp_business_account", "callback_url": url, "active": true,
                           "fields": fields})
                })
                .into_iter()
                .collect();
            Ok(Reply::json(json!({"data": data})))
        }
        ("POST", Some("subscriptions")) => subscribe(call, id),
        ("DELETE", Some("subscriptions")) => {
            if let Some(app) = state.apps.get_mut(id) {
                app.callback_url = None;
                app.fields = Some(BTreeSet::new());
                state.is_dirty = true;
            }
            Ok(Reply::success())
        }
        (method, None | Some("uploads" | "subscriptions")) => Err(GraphError::no_method(method)),
        (_, Some(edge)) => Err(GraphError::no_edge(edge)),
    }
}

fn subscribe(call: &Call, id: &str) -> Checked<Reply> {
    let text = |key: &str| {
        call.text(key).ok_or_else(|| GraphError::schema(format!("The parameter {key} is required.")))
    };
    let object = text("object")?;
    if object != "whatsapp_business_account" {
        return Err(crate::validate::not_one_of("object", &["whatsapp_business_account"], object));
    }
    let names: BTreeSet<String> = match call.params.get("fields") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(names) => names
            .as_str()
            .unwrap_or_default()
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        None => BTreeSet::new(),
    };
    let purpose = Purpose::App {
        id: id.to_owned(),
        fields: (!names.is_empty()).then_some(names),
        version: call.version,
    };
    let verification = Verification {
        url: text("callback_url")?.to_owned(),
        token: text("verify_token")?.to_owned(),
        purpose,
    };
    Ok(Reply { http: 200, body: ReplyBody::Verify(Box::new(verification)), mark: None })
}

/// `GET /oauth/access_token`: an app token, or a code exchanged for the app's own token.
pub(crate) fn access_token(state: &State, call: &Call) -> Checked<Reply> {
    let (id, secret) =
        (call.text("client_id").unwrap_or_default(), call.text("client_secret").unwrap_or_default());
    let app = state.apps.get(id).filter(|app| ids::same_secret(&app.secret, secret));
    let Some(app) = app else {
        return Err(GraphError::of(100).message("Error validating client secret.").http(400));
    };
    let token = if call.text("code").is_some() {
        let own = state.tokens.iter().find(|(_, token)| token.app_id == app.id && token.is_valid);
        own.map(|(token, _)| token.clone()).unwrap_or_default()
    } else if call.text("grant_type") == Some("client_credentials") {
        format!("{}|{}", app.id, app.secret)
    } else {
        return Err(GraphError::schema("The parameter grant_type or code is required."));
    };
    Ok(Reply::json(json!({"access_token": token, "token_type": "bearer"})))
}

/// `GET /debug_token`.
pub(crate) fn debug_token(state: &State, call: &Call, caller: &Caller) -> Checked<Reply> {
    let Some(input) = call.text("input_token") else {
        return Err(GraphError::schema("The parameter input_token is required."));
    };
    let known = state.tokens.get(input).filter(|token| token.app_id == caller.app_id);
    if let Some(token) = known {
        let app = state.apps.get(&token.app_id);
        let scopes = ["whatsapp_business_management", "whatsapp_business_messaging"];
        let granular: Vec<Value> =
            scopes.iter().map(|scope| json!({"scope": scope, "target_ids": token.wabas})).collect();
        let mut data = json!({
            "app_id": token.app_id,
            "type": "SYSTEM_USER",
            "application": app.map_or("", |app| &app.name),
            "data_access_expires_at": 0,
            "expires_at": token.expires_at.map_or(0, seconds),
            "is_valid": token.works_at(state.env.now),
            "issued_at": seconds(token.issued_at),
            "scopes": scopes,
            "granular_scopes": granular,
            "user_id": format!("9{}", token.app_id),
        });
        if !token.works_at(state.env.now)
            && let Some(data) = data.as_object_mut()
        {
            data.insert(
                "error".to_owned(),
                json!({"code": 190, "message": "The token was revoked.", "subcode": 467}),
            );
        }
        return Ok(Reply::json(json!({"data": data})));
    }
    if let Some(app) =
        auth::caller_of(state, input).filter(|input| input.is_app && input.app_id == caller.app_id)
    {
        return Ok(Reply::json(json!({"data": {
            "app_id": app.app_id, "type": "APP", "is_valid": true, "scopes": [],
            "application": state.apps.get(&app.app_id).map_or("", |app| &app.name)}})));
    }
    Ok(Reply::json(json!({"data": {
        "is_valid": false, "scopes": [],
        "error": {"code": 190, "message": "Invalid OAuth access token.", "subcode": 467}}})))
}
