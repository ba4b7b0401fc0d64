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
mod list;
mod media;
mod messages;
mod refusal;
mod repeat;
mod request;
mod send;
mod show;
mod templates;
mod visit;

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
        .route("/contacts", get(contacts::list_contacts))
        .route("/contacts/{id}", get(contacts::get_contact))
        .route("/media", post(media::upload_media).layer(DefaultBodyLimit::disable()))
        .route("/media/{id}", get(media::get_media))
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
