//! Forms with a file: `multipart/form-data`.
//!
//! **Invariant:** the memory holds at most [`MAX_FORM_OVERHEAD`] bytes of the text before, between and in the headers of the
//! parts, and some pieces of the file. The parser of the crate `multer` has no bound for text outside of parts, and takes
//! everything that is there at once; therefore this module hands it one piece at a time, and counts.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest as _, Request};
use axum::http::header;
use bytes::Bytes;
use futures_core::Stream;

use crate::api::error::ApiError;
use crate::api::request_body;
use crate::request_bodies::bounded::BoundError;
use crate::request_bodies::bounds::MAX_FORM_OVERHEAD;

/// Maximum number of parts of a form.
const MAX_PARTS: usize = 16;
/// Length of a piece outside of the file, in bytes. The beginning of the file that is in the same piece is counted
/// as text outside of it.
const PIECE: usize = 1024;

/// A form that is being received.
pub(crate) struct Form {
    parts: Multipart,
    is_in_file: Arc<AtomicBool>,
    n_parts: usize,
}

impl Form {
    /// Returns the form of a request. `accepted` is the sentence for a request of another type.
    pub(crate) async fn of(request: Request, accepted: &str) -> Result<Self, ApiError> {
        let media_type = request_body::media_type(request.headers());
        let is_in_file = Arc::new(AtomicBool::new(false));
        let request = request.map(|body| {
            Body::from_stream(Pieces {
                body: body.into_data_stream(),
                rest: Bytes::new(),
                is_in_file: is_in_file.clone(),
                n_outside: 0,
                pauses: false,
                is_at_end: false,
            })
        });
        let parts = Multipart::from_request(request, &()).await;
        let parts = parts.map_err(|_| request_body::unsupported_type(&media_type, accepted))?;
        Ok(Self { parts, is_in_file, n_parts: 0 })
    }

    /// Returns the next part.
    pub(crate) async fn next_part(&mut self) -> Result<Option<Part<'_>>, ApiError> {
        self.is_in_file.store(false, Ordering::Relaxed);
        let field = self.parts.next_field().await.map_err(|error| incomplete(&error))?;
        let Some(field) = field else { return Ok(None) };
        self.n_parts = self.n_parts.saturating_add(1);
        if self.n_parts > MAX_PARTS {
            return Err(ApiError::invalid_at("", format!("the form has more than {MAX_PARTS} parts")));
        }
        Ok(Some(Part { field, is_in_file: self.is_in_file.clone() }))
    }
}

fn incomplete(error: &(dyn std::error::Error + 'static)) -> ApiError {
    request_body::unreadable(error, "the body is incomplete, or not well-formed multipart/form-data")
}

/// Part of a form.
pub(crate) struct Part<'a> {
    field: Field<'a>,
    is_in_file: Arc<AtomicBool>,
}

impl Part<'_> {
    /// Name of the part.
    pub(crate) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// MIME type of the part.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.field.content_type()
    }

    /// Header `Content-Disposition` of the part.
    pub(crate) fn content_disposition(&self) -> Option<&[u8]> {
        self.field.headers().get(header::CONTENT_DISPOSITION).map(header::HeaderValue::as_bytes)
    }

    /// Returns the next bytes of a text.
    pub(crate) async fn text_chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.field.chunk().await.map_err(|error| incomplete(&error))
    }

    /// Returns the next bytes of the file, which are not counted as text of the form.
    pub(crate) async fn file_chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.is_in_file.store(true, Ordering::Relaxed);
        self.text_chunk().await
    }
}

/// Stream of the pieces of a form. After each piece it pauses, so that the parser does not take more than one.
struct Pieces {
    body: BodyDataStream,
    rest: Bytes,
    is_in_file: Arc<AtomicBool>,
    n_outside: u64,
    pauses: bool,
    is_at_end: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, axum::BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pauses) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let is_in_file = self.is_in_file.load(Ordering::Relaxed);
        // The parser searches all text again when a piece arrives: outside of the file, small pieces are joined.
        let n_wanted = if is_in_file { 1 } else { PIECE };
        while self.rest.len() < n_wanted && !self.is_at_end {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) if self.rest.is_empty() => self.rest = bytes,
                Some(Ok(bytes)) => self.rest = [&*self.rest, &*bytes].concat().into(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.is_at_end = true,
            }
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        self.pauses = true;
        if is_in_file {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))));
        }
        let n = self.rest.len().min(PIECE);
        self.n_outside = self.n_outside.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        if self.n_outside > MAX_FORM_OVERHEAD {
            return Poll::Ready(Some(Err(BoundError::FormTooLarge.into())));
        }
        Poll::Ready(Some(Ok(self.rest.split_to(n))))
    }
}
