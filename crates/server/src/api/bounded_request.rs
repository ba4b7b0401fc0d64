//! Requests whose body checks its bounds while it is read.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use engine::Deps;

use crate::api::body_encoding::decode_request;
use crate::request_bodies::bounded;
use crate::request_bodies::bounds::BodyBounds;
use crate::request_bodies::budget::BodyLease;

/// Returns the value of `Content-Length`.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns the request with a body that decodes itself, checks its bounds and takes its memory while it is read.
///
/// The lease is an extension of the request, for tasks that continue after the client disconnected.
pub(crate) fn bound_request(
    deps: &Deps,
    bounds: BodyBounds,
    lease: &Arc<BodyLease>,
    request: Request,
) -> Request {
    let declared = content_length(request.headers());
    if request.body().is_end_stream() && declared.is_none_or(|n| n <= bounds.max_bytes) {
        return request;
    }
    let received = request.map(|body| bounded::received(deps.clock.clone(), bounds, declared, body));
    let mut request = decode_request(received).map(|body| bounded::accounted(bounds, lease.clone(), body));
    request.extensions_mut().insert(lease.clone());
    request
}
