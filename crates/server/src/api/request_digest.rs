//! SHA-256 of requests with an `Idempotency-Key`: two requests with the same digest are the same request.
//!
//! **Invariant:** a body is hashed once, while it is read. A streamed body is not held in memory.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};
use engine::ports::RequestDigest;
use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest, Sha256};

use crate::api::error::ApiError;
use crate::api::request_body;

/// Digest of a request, known or not yet known.
pub(crate) enum BodyDigest {
    /// The body was read.
    Known(RequestDigest),
    /// The body is hashed while the handler reads it.
    Stream(PendingDigest),
}

impl BodyDigest {
    /// Reads a body of JSON. Two bodies are the same if their JSON values are equal; no body is an empty object.
    pub(crate) async fn of_json(request: Request) -> Result<(Request, Self), ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = request_body::bytes(&parts.headers, body).await?;
        let canonical = request_body::object(&bytes, true)?.canonical();
        let digest = hasher(&parts.uri).chain_update(canonical).finalize().into();
        Ok((Request::from_parts(parts, Body::from(bytes)), Self::Known(digest)))
    }

    /// Wraps a body, so that it is hashed while the handler reads it.
    pub(crate) fn of_stream(request: Request) -> (Request, Self) {
        let (parts, body) = request.into_parts();
        let hasher = StreamHasher::new(hasher(&parts.uri), &parts.headers);
        let state = StreamState { body: body.into_data_stream(), hasher, end: None };
        let digest = PendingDigest { state: Arc::new(Mutex::new(state)) };
        let body = digest.body();
        (Request::from_parts(parts, body), Self::Stream(digest))
    }

    /// Returns the digest if it is known.
    pub(crate) fn known(&self) -> Option<RequestDigest> {
        match self {
            Self::Known(digest) => Some(*digest),
            Self::Stream(_) => None,
        }
    }

    /// Returns the digest. Reads the rest of a streamed body.
    pub(crate) async fn finish(self) -> Result<RequestDigest, ApiError> {
        match self {
            Self::Known(digest) => Ok(digest),
            Self::Stream(stream) => stream.finish().await,
        }
    }
}

/// Returns a hasher with the path and the query of a request.
fn hasher(uri: &Uri) -> Sha256 {
    let query = uri.query().unwrap_or_default();
    Sha256::new().chain_update(uri.path()).chain_update([0]).chain_update(query).chain_update([0])
}

/// Digest of a body that is being read.
pub(crate) struct PendingDigest {
    state: Arc<Mutex<StreamState>>,
}

struct StreamState {
    body: BodyDataStream,
    hasher: StreamHasher,
    /// End of the body: `true` if the body is complete, `false` if it broke off.
    end: Option<bool>,
}

impl StreamState {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        let chunk = ready!(Pin::new(&mut self.body).poll_next(context));
        match &chunk {
            Some(Ok(bytes)) => self.hasher.update(bytes),
            Some(Err(_)) => self.end = Some(false),
            None => self.end = Some(true),
        }
        Poll::Ready(chunk)
    }
}

impl PendingDigest {
    /// Returns a body that hashes the chunks that it yields.
    fn body(&self) -> Body {
        let state = self.state.clone();
        Body::from_stream(stream::poll_fn(move |context| {
            state.lock().unwrap_or_else(PoisonError::into_inner).poll_chunk(context)
        }))
    }

    /// Reads the rest of the body and returns the digest.
    async fn finish(self) -> Result<RequestDigest, ApiError> {
        let mut rest = self.body().into_data_stream();
        while let Some(chunk) = rest.next().await {
            chunk.map_err(|error| request_body::unreadable(&error, INCOMPLETE))?;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.end {
            Some(true) => Ok(state.hasher.finish()),
            Some(false) | None => Err(ApiError::invalid_at("", INCOMPLETE)),
        }
    }
}

const INCOMPLETE: &str = "the body is incomplete";

/// Replacement of the boundary of a form.
const BOUNDARY_MARK: &[u8] = b"\0--\0";

/// Hasher of a streamed body. The boundary of a form is random and differs in a repeated request, so that each occurrence
/// is replaced by a mark: two forms with equal fields and contents are the same.
struct StreamHasher {
    hasher: Sha256,
    /// `--` and the boundary of a form; empty for other bodies.
    boundary: Vec<u8>,
    /// Last bytes, which may be the beginning of the boundary.
    tail: Vec<u8>,
}

impl StreamHasher {
    fn new(hasher: Sha256, headers: &HeaderMap) -> Self {
        let media_type = request_body::media_type(headers);
        let boundary = match media_type.as_str() {
            "multipart/form-data" => {
                boundary_of(headers).map(|boundary| format!("--{boundary}").into_bytes())
            }
            _ => None,
        };
        Self {
            hasher: hasher.chain_update(media_type).chain_update([0]),
            boundary: boundary.unwrap_or_default(),
            tail: Vec::new(),
        }
    }

    fn update(&mut self, chunk: &[u8]) {
        let Some(n_kept) = self.boundary.len().checked_sub(1) else {
            self.hasher.update(chunk);
            return;
        };
        let mut data = std::mem::take(&mut self.tail);
        data.extend_from_slice(chunk);
        let mut rest = data.as_slice();
        while let Some((before, after)) = split_at_pattern(rest, &self.boundary) {
            self.hasher.update(before);
            self.hasher.update(BOUNDARY_MARK);
            rest = after;
        }
        let (done, tail) = rest.split_at(rest.len().saturating_sub(n_kept));
        self.hasher.update(done);
        self.tail = tail.to_vec();
    }

    fn finish(&mut self) -> RequestDigest {
        self.hasher.update(std::mem::take(&mut self.tail));
        self.hasher.finalize_reset().into()
    }
}

/// Returns the bytes before and after the first occurrence of a pattern.
fn split_at_pattern<'a>(bytes: &'a [u8], pattern: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(pattern.len()).position(|window| window == pattern)?;
    let (before, found) = bytes.split_at_checked(at)?;
    Some((before, found.get(pattern.len()..)?))
}

/// Maximum length of a boundary (RFC 2046). The search for a boundary costs its length for each byte of the body.
const MAX_BOUNDARY: usize = 70;

/// Returns the parameter `boundary` of `Content-Type`, if its length is allowed.
fn boundary_of(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    header.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let is_allowed = (1..=MAX_BOUNDARY).contains(&value.len());
        (name.trim().eq_ignore_ascii_case("boundary") && is_allowed).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn digest_of(boundary: &str, body: &str, chunk_size: usize) -> RequestDigest {
        let mut headers = HeaderMap::new();
        let media_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(media_type).unwrap());
        let mut hasher = StreamHasher::new(Sha256::new(), &headers);
        body.as_bytes().chunks(chunk_size).for_each(|chunk| hasher.update(chunk));
        hasher.finish()
    }

    fn form(boundary: &str, content: &str) -> String {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{content}\r\n--{boundary}--\r\n"
        )
    }

    proptest! {
        #[test]
        fn a_form_has_the_same_digest_with_every_boundary_and_in_chunks_of_every_size(
            content in "[-ab\r\n]{0,80}",
            other in "[-ab\r\n]{0,80}",
            n in 1_usize..40,
            m in 1_usize..40,
        ) {
            let first = digest_of("xX-1", &form("xX-1", &content), n);
            prop_assert_eq!(first, digest_of("yY-22", &form("yY-22", &content), m));
            if content != other {
                prop_assert_ne!(first, digest_of("xX-1", &form("xX-1", &other), n));
            }
        }
    }
}
