//! The control API under `/_sim`: what happens to the simulated world from outside.
//!
//! JSON in, JSON out; success is 200; a wrong request is 400 `{"error":{"message":…}}`, with the field and the reason.
//! **Invariant:** it is for this machine only: foreign `Host`, `Origin` and peers are 403.
//!
//! | call | body, query | answer |
//! |---|---|---|
//! | `GET /_sim/accounts` | | `[{"name","phone_number_id","waba_id","access_token","app_secret","verify_token","display_phone_number","app_id"}]` |
//! | `POST /_sim/accounts` | any of `name`, `display_phone_number`, `phone_number_id`, `waba_id`, `app_id`, `app_secret`, `access_token`, `verify_token`, `callback_url`, `requires_proof`; what is missing is made up, what is known (`waba_id`, `app_id`) is joined | the account |
//! | `POST /_sim/tokens` | [`TokenChange`]: `{"access_token","expires_in_seconds","is_valid","like"}` | `{"success":true}` |
//! | `GET /_sim/messages` | `?to=`, `?message_id=`, `?phone_number_id=`, `?biz_opaque_callback_data=` | every accepted message in order, see [`AcceptedMessage`](crate::AcceptedMessage) |
//! | `POST /_sim/inbound` | see [`InboundMessage`] | `{"message_id"}` |
//! | `POST /_sim/statuses` | see [`StatusReport`] | `{"success":true}` |
//! | `POST /_sim/faults` | `{"match":{"path","method","to"},"action","times",…}`; `status`: `status`, `code`, `subcode`, `details`, `body`, `headers`, `retry_after`; `delay` and `refuse`: one of `delay_ms`, `ms`, `delay_seconds`, `seconds` | `{"id"}` |
//! | `GET`, `DELETE /_sim/faults` | | the faults that wait / `{"success":true}` |
//! | `POST /_sim/templates` | a template as Graph takes it, or a list of them; each may add `status` and `waba_id` | `{"ids":[…]}` |
//! | `POST /_sim/templates/{id}/review` | [`Review`]: `{"status":"APPROVED"}`, `reason`, `quality`, `category` | `{"success":true}` |
//! | `GET`, `POST /_sim/clock` | `{"advance_seconds":86400}` or `{"reset":true}` | `{"now":"2026-…Z","unix":…}` |
//! | `GET`, `POST /_sim/settings` | any of [`Settings`](crate::Settings) | all of them |
//! | `POST /_sim/step` | `{"statuses":"next"}` (default), `"due"` or `"all"` | `{"statuses":n}` |
//! | `GET /_sim/webhooks` | `?pending=true` | every webhook with its body, tries and answers |
//! | `POST /_sim/webhooks/redeliver` | `{"order":"original","times":1,"batch":1,"message_id":…}`; order also `reversed`, `shuffled` | `{"webhooks":n,"updates":n}` |
//! | `POST /_sim/webhooks/raw` | `{"body":…}`, `{"text":"…"}` or `{"field":…,"value":…}`, and `account` | `{"success":true}` |
//! | `POST /_sim/reset` | | `{"success":true}` |

pub(crate) mod accounts;
pub(crate) mod faults;
pub(crate) mod guard;
pub(crate) mod replay;
pub(crate) mod tokens;

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, Query, State as Extract},
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    InboundMessage, Review, Sim, StatusReport, Step, clock,
    control::{accounts::NewAccount, faults::FaultRequest, replay::Redelivery, tokens::TokenChange},
    graph::json_response,
    phone,
};

/// The result of a control call: a status with a body, or what is wrong.
type Answer = Result<(u16, Value), Refusal>;

/// Reason why a control call is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    message: String,
}

impl Refusal {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, message: message.into() }
    }
}

/// The routes of the control API.
pub(crate) fn routes() -> Router<Sim> {
    Router::new()
        .route("/_sim/accounts", get(list_accounts).post(add_account))
        .route("/_sim/tokens", post(change_token))
        .route("/_sim/messages", get(list_messages))
        .route("/_sim/inbound", post(inbound))
        .route("/_sim/statuses", post(report))
        .route("/_sim/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/_sim/templates", post(add_templates))
        .route("/_sim/templates/{id}/review", post(review))
        .route("/_sim/clock", get(read_clock).post(change_clock))
        .route("/_sim/settings", get(read_settings).post(write_settings))
        .route("/_sim/step", post(step))
        .route("/_sim/webhooks", get(list_webhooks))
        .route("/_sim/webhooks/redeliver", post(redeliver))
        .route("/_sim/webhooks/raw", post(send_raw))
        .route("/_sim/reset", post(reset))
        .route("/_sim", get(not_found).post(not_found))
        .route("/_sim/{*rest}", axum::routing::any(not_found))
        .layer(axum::middleware::from_fn(guard::guard))
}

fn respond(answer: Answer) -> Response {
    match answer {
        Ok((status, body)) => json_response(status, &body),
        Err(refusal) => json_response(refusal.status, &json!({"error": {"message": refusal.message}})),
    }
}

/// Reads a body; an empty one is an empty object.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| Refusal::bad(format!("the body: {error}")))
}

fn success() -> (u16, Value) {
    (200, json!({"success": true}))
}

async fn not_found() -> Response {
    respond(Err(Refusal::not_found("there is no such control call; see the crate's documentation")))
}

async fn list_accounts(Extract(sim): Extract<Sim>) -> Response {
    respond(Ok((200, json!(sim.accounts()))))
}

async fn add_account(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<NewAccount>(&body)
        .and_then(|account| sim.add_account(account).map_err(Refusal::bad))
        .map(|account| (200, json!(account)));
    respond(answer)
}

async fn change_token(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<TokenChange>(&body)
        .and_then(|change| sim.change_token(&change).map_err(Refusal::bad))
        .map(|()| success());
    respond(answer)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFilter {
    to: Option<String>,
    message_id: Option<String>,
    phone_number_id: Option<String>,
    biz_opaque_callback_data: Option<String>,
}

async fn list_messages(
    Extract(sim): Extract<Sim>,
    filter: Result<Query<MessageFilter>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let filter = match filter {
        Ok(Query(filter)) => filter,
        Err(error) => return respond(Err(Refusal::bad(error.body_text()))),
    };
    let to = filter.to.as_deref().map(phone::only_digits);
    let mut messages = sim.messages();
    messages.retain(|message| {
        to.as_ref().is_none_or(|to| {
            message.to.as_deref().map(phone::only_digits).as_ref() == Some(to)
                || message.wa_id.as_ref() == Some(to)
        }) && filter.message_id.as_ref().is_none_or(|id| *id == message.message_id)
            && filter.phone_number_id.as_ref().is_none_or(|id| *id == message.phone_number_id)
            && (filter.biz_opaque_callback_data.is_none()
                || filter.biz_opaque_callback_data == message.biz_opaque_callback_data)
    });
    let body = serde_json::to_string(&messages).unwrap_or_default();
    let mut response = Response::new(axum::body::Body::from(body));
    crate::graph::put(&mut response, "content-type", "application/json");
    response
}

async fn inbound(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<InboundMessage>(&body)
        .and_then(|message| sim.inbound(&message).map_err(Refusal::bad))
        .map(|id| (200, json!({"message_id": id})));
    sim.deliver_by_hand().await;
    respond(answer)
}

async fn report(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<StatusReport>(&body).and_then(|report| {
        if sim.set_status(&report) {
            Ok(success())
        } else {
            Err(Refusal::not_found("message_id: no such message was accepted"))
        }
    });
    sim.deliver_by_hand().await;
    respond(answer)
}

async fn list_faults(Extract(sim): Extract<Sim>) -> Response {
    respond(Ok((200, json!(sim.change(|state| state.fault_views())))))
}

async fn add_fault(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<FaultRequest>(&body)
        .and_then(|request| request.fault().map_err(Refusal::bad))
        .map(|fault| (200, json!({"id": sim.fail(fault)})));
    respond(answer)
}

async fn clear_faults(Extract(sim): Extract<Sim>) -> Response {
    sim.change(|state| state.faults.clear());
    respond(Ok(success()))
}

async fn add_templates(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<Value>(&body).and_then(|given| {
        let given = if let Value::Array(list) = given { list } else { vec![given] };
        let mut ids = Vec::new();
        for (position, template) in given.into_iter().enumerate() {
            let Value::Object(mut template) = template else {
                return Err(Refusal::bad(format!("template {position}: must be an object")));
            };
            let mut take =
                |key: &str| template.remove(key).and_then(|value| value.as_str().map(str::to_owned));
            let (waba_id, status) = (take("waba_id"), take("status"));
            let id = sim
                .add_template(waba_id.as_deref(), &template, status.as_deref().unwrap_or("APPROVED"))
                .map_err(|why| Refusal::bad(format!("template {position}: {why}")))?;
            ids.push(id);
        }
        Ok((200, json!({"ids": ids})))
    });
    respond(answer)
}

async fn review(Extract(sim): Extract<Sim>, Path(id): Path<String>, body: Bytes) -> Response {
    let answer = read::<Review>(&body).and_then(|review| match sim.review(&id, &review) {
        None => Err(Refusal::not_found(format!("there is no template {id}"))),
        Some(Err(why)) => Err(Refusal::bad(why)),
        Some(Ok(())) => Ok(success()),
    });
    sim.deliver_by_hand().await;
    respond(answer)
}

fn clock_answer(sim: &Sim) -> Answer {
    let now = sim.now_millis();
    Ok((200, json!({"now": clock::text(now), "unix": clock::seconds(now)})))
}

async fn read_clock(Extract(sim): Extract<Sim>) -> Response {
    respond(clock_answer(&sim))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    advance_seconds: Option<f64>,
    reset: Option<bool>,
}

async fn change_clock(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<ClockRequest>(&body).and_then(|request| {
        match (request.advance_seconds, request.reset) {
            (Some(seconds), None) => {
                let span = Duration::try_from_secs_f64(seconds)
                    .ok()
                    .filter(|span| *span < Duration::from_secs(100 * 365 * 86_400))
                    .ok_or_else(|| Refusal::bad("advance_seconds: must be between 0 and a hundred years"))?;
                sim.advance(span);
            }
            (None, Some(true)) => sim.reset_clock(),
            _ => return Err(Refusal::bad("the body: must be {\"advance_seconds\":n} or {\"reset\":true}")),
        }
        clock_answer(&sim)
    });
    respond(answer)
}

async fn read_settings(Extract(sim): Extract<Sim>) -> Response {
    respond(Ok((200, json!(sim.settings()))))
}

async fn write_settings(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<serde_json::Map<String, Value>>(&body).and_then(|changes| {
        let mut all = json!(sim.settings());
        if let Some(all) = all.as_object_mut() {
            all.extend(changes);
        }
        let settings =
            serde_json::from_value(all).map_err(|error| Refusal::bad(format!("the body: {error}")))?;
        sim.set_settings(settings);
        Ok((200, json!(sim.settings())))
    });
    respond(answer)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepRequest {
    statuses: Option<Step>,
}

async fn step(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let step = match read::<StepRequest>(&body) {
        Ok(request) => request.statuses.unwrap_or(Step::Next),
        Err(refusal) => return respond(Err(refusal)),
    };
    let n = sim.step_statuses(step);
    sim.deliver_by_hand().await;
    respond(Ok((200, json!({"statuses": n}))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookFilter {
    pending: Option<bool>,
}

async fn list_webhooks(
    Extract(sim): Extract<Sim>,
    filter: Result<Query<WebhookFilter>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let filter = match filter {
        Ok(Query(filter)) => filter,
        Err(error) => return respond(Err(Refusal::bad(error.body_text()))),
    };
    respond(Ok((200, sim.change(|state| state.hook_log(filter.pending)))))
}

async fn redeliver(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let request = match read::<Redelivery>(&body) {
        Ok(request) => request,
        Err(refusal) => return respond(Err(refusal)),
    };
    let answer = sim.redeliver(&request).map_err(Refusal::bad);
    sim.deliver_by_hand().await;
    respond(
        answer.map(|(n_webhooks, n_updates)| (200, json!({"webhooks": n_webhooks, "updates": n_updates}))),
    )
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    account: Option<String>,
    body: Option<Value>,
    text: Option<String>,
    field: Option<String>,
    value: Option<Value>,
}

async fn send_raw(Extract(sim): Extract<Sim>, body: Bytes) -> Response {
    let answer = read::<RawWebhook>(&body).and_then(|raw| {
        let sent = sim.change(|state| {
            let account =
                raw.account.as_deref().or(state.order.first().map(String::as_str)).unwrap_or_default();
            let waba_id = state
                .numbers
                .get(account)
                .map(|number| number.waba_id.clone())
                .ok_or_else(|| format!("account: there is no phone number id {account}"))?;
            state.push_raw(&waba_id, raw.body, raw.text, raw.field.zip(raw.value))
        });
        sent.map_err(Refusal::bad)?;
        Ok(success())
    });
    sim.deliver_by_hand().await;
    respond(answer)
}

async fn reset(Extract(sim): Extract<Sim>) -> Response {
    sim.reset();
    respond(Ok(success()))
}
