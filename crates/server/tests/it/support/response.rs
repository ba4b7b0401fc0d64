//! Requests and responses of the tests.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

/// A response.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl TestResponse {
    /// Returns `code` of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Returns the pointers of `details.errors`.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["details"]["errors"].as_array();
        errors.into_iter().flatten().filter_map(|error| error["pointer"].as_str()).collect()
    }

    /// Returns all reasons of `details.errors` in one text.
    pub(crate) fn reasons(&self) -> String {
        let errors = self.body["details"]["errors"].as_array();
        let reasons: Vec<_> =
            errors.into_iter().flatten().filter_map(|error| error["reason"].as_str()).collect();
        reasons.join("; ")
    }

    /// Returns a header as a number.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.headers.get(name).unwrap().to_str().unwrap().parse().unwrap()
    }

    /// Returns `data` of a success.
    pub(crate) fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// Returns the response. Panics if it does not have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self
    }
}

/// Returns the request, and its body if the body is small and available immediately.
pub(super) async fn known_body(request: Request<Body>) -> (Request<Body>, Option<Vec<u8>>) {
    let (parts, body) = request.into_parts();
    // A large file is not copied, because its memory use is measured.
    if http_body::Body::size_hint(&body).exact().is_none_or(|size| size > 100_000) {
        return (Request::from_parts(parts, body), None);
    }
    let bytes = body.collect().await.unwrap().to_bytes();
    (Request::from_parts(parts, Body::from(bytes.clone())), Some(bytes.to_vec()))
}

/// Returns the header `X-Hub-Signature-256` of a body.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digest}")
}
