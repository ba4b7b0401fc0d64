//! Meta's door: `GET|POST /webhooks/meta`.
//!
//! **Invariant:** 200 is answered after the commit, never before; a body without a valid signature is not even parsed.

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

/// The largest POST that is taken. Meta's are 3 MB at most (reference C.2).
const MAX_POST: usize = 4 * 1024 * 1024;

/// How long a POST may take to arrive. Meta sends it in one go; anybody can open a connection here.
const POST_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(20);

const SIGNATURE: &str = "x-hub-signature-256";

/// The route.
pub(crate) fn router(deps: &Arc<Deps>) -> Router {
    Router::new().route("/webhooks/meta", get(verify_callback).post(take_counted)).with_state(deps.clone())
}

/// Answers Meta's check of the callback: the challenge, if the verify token is one of ours.
async fn verify_callback(State(deps): State<Arc<Deps>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.into_owned())
    };
    let is_subscription = value("hub.mode").as_deref() == Some("subscribe");
    let is_ours = value("hub.verify_token").is_some_and(|token| accounts::is_verify_token(&deps, &token));
    match value("hub.challenge") {
        Some(challenge) if is_subscription && is_ours => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()
        }
        Some(_) | None => {
            (StatusCode::FORBIDDEN, "The verify token is not one of an account here.\n").into_response()
        }
    }
}

/// Takes one POST of Meta's, and counts what became of it.
async fn take_counted(state: State<Arc<Deps>>, headers: HeaderMap, body: Body) -> Response {
    let metrics = state.metrics.clone();
    let response = take_post(state, headers, body).await;
    let outcome = match response.status() {
        StatusCode::UNAUTHORIZED => "unsigned",
        StatusCode::BAD_REQUEST => "not_json",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::REQUEST_TIMEOUT => "too_late",
        StatusCode::SERVICE_UNAVAILABLE => "store_unavailable",
        _ => "taken",
    };
    metrics.webhook_posts.count(&[Label::Word(outcome)]);
    response
}

/// Takes one POST of Meta's.
async fn take_post(State(deps): State<Arc<Deps>>, headers: HeaderMap, body: Body) -> Response {
    let deadline = deps.now().saturating_add(POST_WITHIN).unwrap_or(jiff::Timestamp::MAX);
    let read = tokio::select! {
        biased;
        read = axum::body::to_bytes(body, MAX_POST) => read,
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
        tracing::warn!(
            has_signature = signature.is_some(),
            "a webhook without a valid signature was refused"
        );
        return (StatusCode::UNAUTHORIZED, "The signature is not valid.\n").into_response();
    }
    let changes = match graph::decode_webhook(&body) {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "a signed webhook is not JSON");
            return (StatusCode::BAD_REQUEST, "The body is not JSON.\n").into_response();
        }
    };
    if changes.iter().any(|change| is_of_stranger(change, &signers)) {
        // Another process may just have added the account, and what is nobody's is not applied later by itself.
        directory::look_again(&deps).await;
        signers = signers_of(&deps, signature, &body);
    }
    let signature = signature.map(Bytes::copy_from_slice);
    match ingest_payload(&deps, VerifiedPayload { body, signature, signers: &signers }, changes).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(error) => {
            tracing::error!(error = %chain(&error), "a webhook could not be kept");
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")]).into_response()
        }
    }
}

/// Whether a part is about a number of none of these accounts.
fn is_of_stranger(change: &WebhookChange, signers: &[Arc<AccountRecord>]) -> bool {
    let is_known = |number: &String| signers.iter().any(|signer| signer.account.phone_number_id == *number);
    change.phone_number_id.as_ref().is_some_and(|number| !is_known(number))
}

/// The accounts whose secret signed this body: the one they have, or the one that was replaced a while ago. Accounts of
/// one app share their secret: it is tried once.
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
