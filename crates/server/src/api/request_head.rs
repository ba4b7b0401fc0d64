//! Bounds of the path, the query and the headers of a request.
//!
//! **Invariant:** the bounds are checked on every route before anything parses the query or a header, so that a longer one
//! costs no more than a count of its bytes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::id::MessageId;
use engine::Deps;

use crate::api::error::ApiError;
use crate::api::response;

/// Maximum length of a path, in bytes. The longest parameter of a path is a message id of Meta, which has some hundred
/// bytes.
const MAX_PATH: usize = 4096;
/// Maximum length of a query, in bytes.
const MAX_QUERY: usize = 8192;
/// Maximum length of the value of a header, in bytes.
pub(crate) const MAX_HEADER: usize = 8192;
/// Headers with credentials. A long one is not valid, and the answer is 401.
const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("x-api-key")];
/// Maximum number of parameters of a query.
const MAX_PARAMETERS: usize = 64;

/// Checks the path, the query and the headers of a request.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
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
    let is_too_long = |name: &HeaderName, length| length > MAX_HEADER && !CREDENTIALS.contains(name);
    if let Some((name, _)) = headers.iter().find(|(name, value)| is_too_long(name, value.len())) {
        return Err(ApiError::invalid_at(
            "",
            format!("the header `{name}` is longer than {MAX_HEADER} bytes"),
        ));
    }
    Ok(())
}

/// Middleware of all paths outside the API: refuses a path, a query or a header above its bounds.
pub(crate) async fn check_outside_api(
    State(deps): State<Arc<Deps>>,
    request: Request,
    next: Next,
) -> Response {
    match check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            let request_id = deps.new_id(MessageId::from_parts).to_string();
            response::with_request_id(response::failure(&error, &request_id), &request_id)
        }
    }
}
