//! Bounds of the path and the query of a request.
//!
//! **Invariant:** the bounds are checked on every route before anything parses the query, so that no query costs more than
//! a count of its bytes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::Response;
use domain::id::MessageId;
use engine::Deps;

use crate::api::error::ApiError;
use crate::api::response;

/// Maximum length of a path, in bytes. The longest parameter of a path is a message id of Meta, which has some hundred
/// bytes.
pub(crate) const MAX_PATH: usize = 4096;
/// Maximum length of a query, in bytes.
pub(crate) const MAX_QUERY: usize = 8192;
/// Maximum length of a header that no handler bounds: that of the head of a request.
pub(crate) const MAX_HEADER: usize = 32 * 1024;
/// Maximum number of parameters of a query.
const MAX_PARAMETERS: usize = 64;

/// Checks the path and the query of a request.
pub(crate) fn check(uri: &Uri) -> Result<(), ApiError> {
    if uri.path().len() > MAX_PATH {
        return Err(ApiError::invalid_at("", format!("the path is longer than {MAX_PATH} bytes")));
    }
    let query = uri.query().unwrap_or_default();
    if query.len() > MAX_QUERY {
        return Err(ApiError::invalid_at("", format!("the query is longer than {MAX_QUERY} bytes")));
    }
    let n_parameters = query.split('&').filter(|parameter| !parameter.is_empty()).count();
    if n_parameters > MAX_PARAMETERS {
        return Err(ApiError::invalid_at("", format!("the query has more than {MAX_PARAMETERS} parameters")));
    }
    Ok(())
}

/// Middleware of all paths outside the API: refuses a path or a query above its bounds.
pub(crate) async fn check_outside_api(
    State(deps): State<Arc<Deps>>,
    request: Request,
    next: Next,
) -> Response {
    match check(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            let request_id = deps.new_id(MessageId::from_parts).to_string();
            response::with_request_id(response::failure(&error, &request_id), &request_id)
        }
    }
}
