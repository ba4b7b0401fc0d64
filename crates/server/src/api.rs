//! The HTTP API under `/api`.
//!
//! **Invariant:** every answer has `X-Request-Id`, and with a valid key the three `X-RateLimit-*` headers.
//!
//! **Invariant:** an answer that invites to send again (429, 5xx) is given only when nothing was sent.

mod accounts;
pub(crate) mod answer;
mod batch;
mod body;
mod contacts;
mod error;
mod events;
mod list;
mod messages;
mod refusal;
mod repeat;
mod request;
mod send;
mod show;
mod templates;
mod visit;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use engine::Deps;
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use error::{ApiError, Code};

/// The routes under `/api`, with everything around them.
pub(crate) fn router(deps: &Arc<Deps>) -> Router {
    let api = Router::new()
        .route("/messages/send", post(send::send_message))
        .route("/messages/batch", post(batch::send_batch))
        .route("/messages", get(messages::list_messages))
        .route("/messages/{id}", get(messages::get_message))
        .route("/messages/{id}/read", post(messages::read_message))
        .route("/messages/{id}/cancel", post(messages::cancel_message))
        .route("/messages/{id}/resolve", post(messages::resolve_message))
        .route("/accounts", get(accounts::list_accounts))
        .route("/accounts/{id}", get(accounts::get_account))
        .route("/accounts/{id}/resume", post(accounts::resume_account))
        .route("/templates", get(templates::list_templates))
        .route("/templates/sync", post(templates::sync_templates))
        .route("/templates/{id}", get(templates::get_template))
        .route("/contacts", get(contacts::list_contacts).post(contacts::create_contact))
        .route("/contacts/bulk", post(contacts::bulk::put_contacts))
        .route(
            "/contacts/import",
            // It streams, and has a limit of its own.
            post(contacts::import::import_contacts).layer(DefaultBodyLimit::disable()),
        )
        .route("/contacts/export", get(contacts::export::export_contacts))
        .route(
            "/contacts/{id}",
            get(contacts::get_contact).put(contacts::update_contact).delete(contacts::delete_contact),
        )
        .route("/contacts/{id}/messages", get(contacts::list_contact_messages))
        .route("/contacts/{id}/window", get(contacts::get_contact_window))
        .route("/webhooks", get(webhooks::list_webhooks).post(webhooks::create_webhook))
        .route(
            "/webhooks/{id}",
            get(webhooks::get_webhook).put(webhooks::update_webhook).delete(webhooks::delete_webhook),
        )
        .route("/webhooks/{id}/test", post(webhooks::test_webhook))
        .route("/webhooks/{id}/rotate-secret", post(webhooks::rotate_webhook_secret))
        .route("/webhooks/{id}/deliveries", get(webhooks::list_deliveries))
        .route("/webhooks/{id}/replay", post(webhooks::replay_webhook))
        .route("/deliveries/{id}/redeliver", post(webhooks::redeliver_delivery))
        .route("/events", get(events::list_events))
        .route("/events/stream", get(events::stream_events))
        .fallback(visit::no_such_route)
        .method_not_allowed_fallback(visit::no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state(deps.clone(), visit::around))
        .with_state(deps.clone());
    Router::new().nest("/api", api)
}

/// The answer of a handler that panicked: nobody else's call is touched. Sends run in tasks of their own, so that none is
/// under way here.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::new(Code::Internal, "Something went wrong here. Nothing was sent; try again.").into_response()
}

/// The answer at an address outside of everything.
pub(crate) async fn nothing_here(State(deps): State<Arc<Deps>>) -> Response {
    let request_id = deps.new_id(domain::id::MessageId::from_parts).to_string();
    let error = ApiError::new(Code::NotFound, "There is nothing at this address. The API is under /api.");
    visit::with_request_id(answer::failure(&error, &request_id), &request_id)
}
