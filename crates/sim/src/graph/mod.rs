//! The Graph API: from an HTTP request to a node, an edge and an answer.
//!
//! The router never waits and never cuts: what needs the wire (a delay, a broken connection) is marked in the
//! response's extensions, and [`serve`](crate::serve) does it.
//!
//! **Invariant:** every answer that is no media content is JSON in Meta's shape, with the usage headers once the caller
//! is known.

mod apps;
mod auth;
mod blocks;
mod call;
mod media;
mod numbers;
mod paging;
mod profile;
mod registration;
mod templates;
mod uploads;
mod wabas;

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State as Extract},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

pub(crate) use self::{
    auth::Caller,
    call::{Call, FilePart},
};
use crate::{
    Sim,
    control::faults::Hit,
    error::{Checked, GraphError},
    ids,
    state::State,
};

/// The extension of a response that must not be answered: the connection is to be broken instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection was never taken.
    Refused,
    /// The request was thrown away.
    Before,
    /// The request was processed.
    After,
}

/// The extension of a response that is to be held back for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay(pub Duration);

/// Treatment of a response on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Cut,
    Delay(Duration),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) http: u16,
    pub(crate) body: ReplyBody,
    pub(crate) mark: Option<Mark>,
}

/// The content of an answer.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Json(Value),
    File {
        mime: String,
        name: Option<String>,
        content: Bytes,
    },
    Html(&'static str),
    /// Success, once the callback has passed its verification.
    Verify(Box<Verification>),
}

/// A callback that must pass the handshake before it is used.
#[derive(Clone, Debug)]
pub(crate) struct Verification {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) purpose: Purpose,
}

/// Purpose of a verified callback.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    App { id: String, fields: Option<std::collections::BTreeSet<String>>, version: u32 },
    Waba { id: String, app_id: String },
    Number { id: String, app_id: String },
}

impl Reply {
    pub(crate) fn json(body: Value) -> Self {
        Self { http: 200, body: ReplyBody::Json(body), mark: None }
    }

    pub(crate) fn success() -> Self {
        Self::json(json!({"success": true}))
    }

    pub(crate) fn marked(body: Value, mark: Mark) -> Self {
        Self { mark: Some(mark), ..Self::json(body) }
    }

    pub(crate) fn html(http: u16, text: &'static str) -> Self {
        Self { http, body: ReplyBody::Html(text), mark: None }
    }
}

/// Answers one Graph request.
pub(crate) async fn handle(Extract(sim): Extract<Sim>, request: Request) -> Response {
    let is_wired = request.extensions().get::<crate::serve::Wired>().is_some();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if let Some(cut) = sim.change(|state| state.cut_at_once(&parts.method, &path, is_wired)) {
        return cut_response(cut);
    }
    // A little more than the largest medium: what is larger is refused unread.
    let Ok(bytes) = axum::body::to_bytes(Body::new(body), 105 << 20).await else {
        return error_response(&sim, &GraphError::of(100).http(413).details("The request is too large"));
    };
    let call = Call::read(parts, bytes).await;
    let recipient = call.as_ref().ok().and_then(Call::recipient);
    let method = call.as_ref().map_or(Method::GET, |call| call.method.clone());
    let hit = sim.change(|state| state.fault_hit(&method, &path, recipient.as_deref()));
    let mark = match hit {
        Some(Hit::Answer(answer)) => return (*answer).into_response(&sim.trace()),
        Some(Hit::Mark(mark)) => Some(mark),
        None => None,
    };
    let answer = match call {
        Ok(call) => answer(&sim, &call).await,
        Err(error) => Err(error),
    };
    let mut response = match answer {
        Ok((reply, usage)) => reply_response(reply, usage.as_deref()),
        Err(error) => error_response(&sim, &error),
    };
    match mark {
        Some(Mark::Cut) => cut_response(Cut::After),
        Some(Mark::Delay(span)) => {
            response.extensions_mut().insert(Delay(span));
            response
        }
        None => response,
    }
}

async fn answer(sim: &Sim, call: &Call) -> Checked<(Reply, Option<String>)> {
    let (reply, usage) = sim.change(|state| dispatch(state, call))?;
    let ReplyBody::Verify(verification) = reply.body else { return Ok((reply, usage)) };
    sim.handshake(&verification.url, &verification.token).await.map_err(|why| {
        GraphError::of(100)
            .http(422)
            .message(format!("(#100) Callback verification failed: {why}"))
            .details("The callback could not be reached or did not answer the challenge")
    })?;
    sim.change(|state| state.use_callback(&verification));
    Ok((Reply::success(), usage))
}

/// Finds the node and edge of a call.
fn dispatch(state: &mut State, call: &Call) -> Checked<(Reply, Option<String>)> {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["whatsapp_business", "attachments"] => {
            return media::download(state, call).map(|reply| (reply, None));
        }
        ["oauth", "access_token"] => return apps::access_token(state, call).map(|reply| (reply, None)),
        _ => {}
    }
    let caller = auth::authenticate(state, call)?;
    let usage = usage(state, call, &caller)?;
    let reply = match segments.as_slice() {
        ["debug_token"] => apps::debug_token(state, call, &caller),
        ["message_template_library"] => templates::library(state, call),
        [id] if id.starts_with("upload:") => uploads::upload(state, call, id),
        [id] => node(state, call, &caller, id, None),
        [id, edge] => node(state, call, &caller, id, Some(edge)),
        [] => Err(GraphError::no_method(call.method.as_str())),
        [_, rest @ ..] => Err(GraphError::no_edge(&rest.join("/"))),
    }?;
    Ok((reply, Some(usage)))
}

fn node(state: &mut State, call: &Call, caller: &Caller, id: &str, edge: Option<&str>) -> Checked<Reply> {
    if let Some(number) = state.numbers.get(id) {
        if caller.may_use(&number.waba_id) {
            return numbers::edge(state, call, caller, id, edge);
        }
    } else if state.wabas.contains_key(id) {
        if caller.may_use(id) {
            return wabas::edge(state, call, caller, id, edge);
        }
    } else if state.apps.contains_key(id) {
        if caller.app_id == id {
            return apps::edge(state, call, caller, id, edge);
        }
    } else if state.media.contains_key(id) {
        return media::node(state, call, caller, id, edge);
    } else if let Some(waba_id) = state.waba_of_template(id)
        && caller.may_use(&waba_id)
    {
        return templates::node(state, call, &waba_id, id, edge);
    }
    Err(GraphError::no_node(call.method.as_str(), id))
}

/// Counts a management call and writes the usage headers' values.
fn usage(state: &mut State, call: &Call, caller: &Caller) -> Checked<String> {
    let Some(id) = call.segments.first() else { return Ok(String::new()) };
    let edge = call.segments.get(1).map(String::as_str);
    let waba_id = match state.numbers.get(id) {
        Some(number) => number.waba_id.clone(),
        None => id.clone(),
    };
    let Some(waba) = state.wabas.get(&waba_id) else { return Ok(String::new()) };
    if !caller.may_use(&waba.id) {
        return Ok(String::new());
    }
    let is_number = state.numbers.contains_key(id);
    let is_counted = match edge {
        None => call.method == Method::GET,
        Some("phone_numbers" | "message_templates" | "subscribed_apps" | "assigned_users") => !is_number,
        Some(_) => false,
    };
    let has_number = state.numbers.values().any(|number| number.waba_id == waba_id && number.is_registered);
    let limit =
        if has_number { state.settings.calls_per_hour } else { state.settings.calls_per_hour.min(200) };
    let mut percent = 0;
    if is_counted {
        let n = state.throttle.count_call(&waba_id, state.env.now);
        if n > limit {
            return Err(GraphError::of(80_007));
        }
        percent = u64::from(n) * 100 / u64::from(limit.max(1));
    }
    Ok(json!({waba_id: [{"type": "whatsapp", "call_count": percent, "total_cputime": 1, "total_time": 1,
                         "estimated_time_to_regain_access": 0}]})
    .to_string())
}

fn reply_response(reply: Reply, usage: Option<&str>) -> Response {
    let mut response = match reply.body {
        ReplyBody::Json(body) => json_response(reply.http, &body),
        ReplyBody::Verify(_) => json_response(200, &json!({"success": true})),
        ReplyBody::Html(text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status(reply.http);
            put(&mut response, header::CONTENT_TYPE.as_str(), "text/html; charset=utf-8");
            response
        }
        ReplyBody::File { mime, name, content } => {
            let mut response = Response::new(Body::from(content));
            put(&mut response, header::CONTENT_TYPE.as_str(), &mime);
            let name = name.unwrap_or_else(|| "file".to_owned()).replace(['"', '\\'], "_");
            put(
                &mut response,
                header::CONTENT_DISPOSITION.as_str(),
                &format!("attachment; filename=\"{name}\""),
            );
            response
        }
    };
    if let Some(usage) = usage.filter(|usage| !usage.is_empty()) {
        put(&mut response, "x-business-use-case-usage", usage);
        put(&mut response, "x-app-usage", r#"{"call_count":1,"total_time":1,"total_cputime":1}"#);
    }
    match reply.mark {
        Some(Mark::Cut) => cut_response(Cut::After),
        Some(Mark::Delay(span)) => {
            response.extensions_mut().insert(Delay(span));
            response
        }
        None => response,
    }
}

fn error_response(sim: &Sim, error: &GraphError) -> Response {
    let trace = sim.trace();
    let mut response = json_response(error.http, &error.body(&trace));
    put(&mut response, "x-fb-trace-id", &trace);
    if matches!(error.http, 401) {
        put(&mut response, "www-authenticate", "OAuth \"Facebook Platform\" \"invalid_token\"");
    }
    response
}

/// A response that stands for a broken connection.
pub(crate) fn cut_response(cut: Cut) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status(599);
    response.extensions_mut().insert(cut);
    response
}

/// A JSON response as Graph writes it.
pub(crate) fn json_response(http: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status(http);
    put(&mut response, header::CONTENT_TYPE.as_str(), "application/json; charset=UTF-8");
    response
}

/// A status code, whatever number it is.
pub(crate) fn status(http: u16) -> StatusCode {
    StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Sets a header, unless its value cannot be one.
pub(crate) fn put(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) =
        (http::HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
    {
        response.headers_mut().insert(name, value);
    }
}

impl Sim {
    /// A new trace id.
    pub(crate) fn trace(&self) -> String {
        self.change(|state| ids::trace(&state.mint("trace")))
    }
}
