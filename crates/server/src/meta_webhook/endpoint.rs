//! Webhook endpoint for Meta: `GET|POST /webhooks/meta`.
//!
//! **Invariant:** the endpoint responds with 200 only after the commit. A body without a valid signature is not parsed.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use engine::metrics::Label;
use engine::ports::{AccountRecord, WebhookChange};
use engine::webhooks_in::ingest::{VerifiedPayload, ingest_payload};
use engine::{Deps, accounts, chain, directory};
use secrecy::ExposeSecret;

/// Maximum size of a payload. Payloads of Meta are at most 3 MB (Meta: Cloud API, Webhooks,
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks>).
const MAX_PAYLOAD_BYTES: usize = 4 * 1024 * 1024;

/// Maximum time to receive a payload. The limit protects against clients that send slowly.
const RECEIVE_TIMEOUT: jiff::SignedDuration = jiff::SignedDuration::from_secs(20);

const SIGNATURE: &str = "x-hub-signature-256";

/// Returns the router of the endpoint.
pub(crate) fn router(deps: &Arc<Deps>) -> Router {
    Router::new().route("/webhooks/meta", get(verify_callback).post(receive_webhook)).with_state(deps.clone())
}

/// Verifies the callback URL: responds with the challenge if the verify token belongs to an account.
async fn verify_callback(State(deps): State<Arc<Deps>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.into_owned())
    };
    let is_subscription = value("hub.mode").as_deref() == Some("subscribe");
    let is_valid_token =
        value("hub.verify_token").is_some_and(|token| accounts::is_verify_token(&deps, &token));
    match value("hub.challenge") {
        Some(challenge) if is_subscription && is_valid_token => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()
        }
        Some(_) | None => {
            (StatusCode::FORBIDDEN, "The verify token does not belong to an account of this gateway.\n")
                .into_response()
        }
    }
}

/// Receives a webhook and counts its outcome.
async fn receive_webhook(state: State<Arc<Deps>>, headers: HeaderMap, body: Body) -> Response {
    let metrics = state.metrics.clone();
    let response = process_webhook(state, headers, body).await;
    let outcome = match response.status() {
        StatusCode::UNAUTHORIZED => "unsigned",
        StatusCode::BAD_REQUEST => "not_json",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::REQUEST_TIMEOUT => "timeout",
        StatusCode::SERVICE_UNAVAILABLE => "store_unavailable",
        _ => "accepted",
    };
    metrics.webhook_payloads.increment(&[Label::Static(outcome)]);
    response
}

/// Verifies, stores and applies a webhook.
async fn process_webhook(State(deps): State<Arc<Deps>>, headers: HeaderMap, body: Body) -> Response {
    let deadline = deps.now().saturating_add(RECEIVE_TIMEOUT).unwrap_or(jiff::Timestamp::MAX);
    let read = tokio::select! {
        biased;
        read = axum::body::to_bytes(body, MAX_PAYLOAD_BYTES) => read,
        () = deps.clock.sleep_until(deadline) => {
            return (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.\n").into_response();
        }
    };
    let Ok(body) = read else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.\n").into_response();
    };
    let signature = headers.get(SIGNATURE).map(header::HeaderValue::as_bytes);
    let mut signers = signers_of(&deps, signature, &body);
    if signers.is_empty() {
        if let Some(n_skipped) = deps.sampled_log.admit("unsigned_webhook", deps.now()) {
            let has_signature = signature.is_some();
            tracing::warn!(has_signature, n_skipped, "a webhook without a valid signature was rejected");
        }
        return (StatusCode::UNAUTHORIZED, "The signature is not valid.\n").into_response();
    }
    let changes = match graph::decode_webhook(&body) {
        Ok(changes) => changes,
        Err(error) => {
            if let Some(n_skipped) = deps.sampled_log.admit("undecodable_webhook", deps.now()) {
                tracing::warn!(error = %chain(&error), n_skipped, "a signed webhook is not valid JSON");
            }
            return (StatusCode::BAD_REQUEST, "The body is not JSON.\n").into_response();
        }
    };
    if changes.iter().any(|change| is_of_unknown_number(change, &signers)) {
        // Another process may have added the account a moment ago. A change of an unknown account is not applied later
        // automatically.
        directory::refresh_now(&deps).await;
        signers = signers_of(&deps, signature, &body);
    }
    let signature = signature.map(Bytes::copy_from_slice);
    match ingest_payload(&deps, VerifiedPayload { body, signature, signers: &signers }, changes).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(error) => {
            tracing::error!(error = %chain(&error), "a webhook could not be stored");
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")]).into_response()
        }
    }
}

/// Returns `true` if the change is about a phone number of none of these accounts.
fn is_of_unknown_number(change: &WebhookChange, signers: &[Arc<AccountRecord>]) -> bool {
    let is_known = |number: &String| signers.iter().any(|signer| signer.account.phone_number_id == *number);
    change.phone_number_id.as_ref().is_some_and(|number| !is_known(number))
}

/// Returns the accounts whose app secret signed the payload: the current secret, or the previous one during a rotation.
/// Accounts of the same app share a secret; each secret is checked once.
pub(crate) fn signers_of(deps: &Deps, signature: Option<&[u8]>, body: &[u8]) -> Vec<Arc<AccountRecord>> {
    let directory = deps.directory.current();
    let now = deps.now();
    let mut tried: Vec<(&str, bool)> = Vec::new();
    let mut signers = Vec::new();
    for record in &directory.accounts {
        let old = record.old_app_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        let has_signed = record.app_secret.iter().chain(old).any(|secret| {
            let exposed = secret.expose_secret();
            let known = tried.iter().find(|(other, _)| *other == exposed).map(|(_, is_valid)| *is_valid);
            known.unwrap_or_else(|| {
                let is_valid = graph::verify(signature, body, secret);
                tried.push((exposed, is_valid));
                is_valid
            })
        });
        if has_signed {
            signers.push(record.clone());
        }
    }
    signers
}
