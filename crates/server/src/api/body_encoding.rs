//! Decoding of compressed request bodies.
//!
//! **Invariant:** the size limit of a route counts decoded bytes. A body is decoded in steps while it is read, so a small
//! compressed body cannot take much memory before the limit stops it.

use std::error::Error;
use std::io::{self, Write};

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::{StreamExt, stream};

use crate::api::error::{ApiError, Code};

/// Number of compressed bytes that one step decodes. Gzip expands a byte to at most about 1000 bytes.
const STEP: usize = 256;

/// Maximum length of an encoding that an error repeats.
const MAX_SHOWN: usize = 64;

/// An error of the content encoding, which occurs when a handler reads the body.
#[derive(Debug, thiserror::Error)]
enum EncodingError {
    #[error("the content encoding `{0}` is not supported")]
    Unsupported(String),
    #[error("the body is not valid gzip")]
    InvalidGzip(#[source] io::Error),
}

/// Content encoding of a body.
enum Encoding {
    Identity,
    Gzip,
    Other(String),
}

fn encoding_of(headers: &HeaderMap) -> Encoding {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let all: Vec<String> = values
        .flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes()).split(',').map(str::to_owned).collect::<Vec<_>>()
        })
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    match all.as_slice() {
        [] => Encoding::Identity,
        [only] if only == "gzip" || only == "x-gzip" => Encoding::Gzip,
        _ => Encoding::Other(all.join(", ").chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()),
    }
}

/// Returns the request with a body that decodes itself while it is read.
pub(crate) fn decode_request(request: Request) -> Request {
    let encoding = encoding_of(request.headers());
    let (mut parts, body) = request.into_parts();
    let body = match encoding {
        Encoding::Identity => return Request::from_parts(parts, body),
        Encoding::Gzip => gunzip(body),
        Encoding::Other(name) => {
            Body::from_stream(stream::iter([Err::<Bytes, _>(EncodingError::Unsupported(name))]))
        }
    };
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    Request::from_parts(parts, body)
}

/// A gzip body that is being decoded.
struct GzipBody {
    compressed: BodyDataStream,
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Compressed bytes that arrived and are not decoded yet.
    pending: Bytes,
    is_empty: bool,
    is_finished: bool,
}

fn gunzip(body: Body) -> Body {
    let state = GzipBody {
        compressed: body.into_data_stream(),
        decoder: MultiGzDecoder::new(Vec::new()),
        pending: Bytes::new(),
        is_empty: true,
        is_finished: false,
    };
    Body::from_stream(stream::try_unfold(state, |mut state| async move {
        let chunk = state.next_chunk().await?;
        Ok::<_, axum::BoxError>(chunk.map(|chunk| (chunk, state)))
    }))
}

impl GzipBody {
    /// Returns the next decoded bytes, or `None` at the end.
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, axum::BoxError> {
        while !self.is_finished {
            if !self.pending.is_empty() {
                let step = self.pending.split_to(self.pending.len().min(STEP));
                self.decoder.write_all(&step).map_err(EncodingError::InvalidGzip)?;
            } else if let Some(chunk) = self.compressed.next().await {
                self.pending = chunk?;
                self.is_empty &= self.pending.is_empty();
            } else {
                self.is_finished = true;
                if !self.is_empty {
                    self.decoder.try_finish().map_err(EncodingError::InvalidGzip)?;
                }
            }
            let decoded = std::mem::take(self.decoder.get_mut());
            if !decoded.is_empty() {
                return Ok(Some(decoded.into()));
            }
        }
        Ok(None)
    }
}

/// Returns the error response if the content encoding is the cause of an error.
pub(crate) fn encoding_error(error: &(dyn Error + 'static)) -> Option<ApiError> {
    let mut causes =
        std::iter::successors(Some(error), |cause| -> Option<&(dyn Error + 'static)> { (*cause).source() });
    match causes.find_map(|cause| cause.downcast_ref::<EncodingError>())? {
        EncodingError::Unsupported(name) => Some(ApiError::new(
            Code::UnsupportedMediaType,
            format!(
                "The `Content-Encoding` `{name}` is not supported. Send the body without compression, or with \
                 `Content-Encoding: gzip`."
            ),
        )),
        EncodingError::InvalidGzip(_) => {
            Some(ApiError::invalid_at("", "the body is not valid gzip, as `Content-Encoding` says"))
        }
    }
}
