//! Bodies of requests and responses, as [`super::watch`] sees them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::watch::{PART_BYTES, Watch};

/// Body of a request. It records its end; `request_bodies` bounds its size and time.
pub(super) struct IncomingBody {
    inner: Incoming,
    /// `None` after the end.
    watch: Option<Arc<Watch>>,
}

impl IncomingBody {
    /// Wraps the body of a request that was recorded with [`Answering::begin`].
    pub(super) fn new(inner: Incoming, watch: &Arc<Watch>) -> Self {
        let watch = (!inner.is_end_stream()).then(|| watch.clone());
        Self { inner, watch }
    }

    fn end(&mut self, is_read: bool) {
        if let Some(watch) = self.watch.take() {
            watch.end_body(is_read);
        }
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        self.end(self.inner.is_end_stream());
    }
}

impl HttpBody for IncomingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(ctx));
        if frame.is_none() || self.inner.is_end_stream() {
            self.end(true);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Response that is being answered, until it is dropped.
pub(super) struct Answering {
    watch: Arc<Watch>,
    response: u64,
}

impl Answering {
    /// Begins the response to a request.
    pub(super) fn begin(watch: &Arc<Watch>, has_body: bool) -> Self {
        Self { response: watch.begin(has_body), watch: watch.clone() }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.watch.end(self.response);
    }
}

/// Body of a response in parts of at most [`PART_BYTES`] bytes. hyper asks for the next part when the client has taken most
/// of the one before.
pub(super) struct OutgoingBody {
    inner: Body,
    /// Bytes that belong before the rest of `inner`.
    rest: Bytes,
    is_begun: bool,
    /// `None` after the end.
    answering: Option<Answering>,
}

impl OutgoingBody {
    pub(super) fn new(inner: Body, answering: Answering) -> Self {
        Self { inner, rest: Bytes::new(), is_begun: false, answering: Some(answering) }
    }

    fn take_part(&mut self) -> Bytes {
        self.rest.split_to(self.rest.len().min(PART_BYTES))
    }
}

impl HttpBody for OutgoingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(answering) = &self.answering {
            answering.watch.part_taken(answering.response);
        }
        let frame = if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(ctx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.rest = data;
                        Some(Ok(Frame::data(self.take_part())))
                    }
                    Err(frame) => Some(Ok(frame)),
                },
                end => end,
            }
        } else {
            Some(Ok(Frame::data(self.take_part())))
        };
        self.is_begun = true;
        match (&frame, &self.answering) {
            (Some(Ok(_)), Some(answering)) => answering.watch.part_waits(answering.response),
            _ => self.answering = None,
        }
        Poll::Ready(frame)
    }

    /// A body that has begun ends with the poll that returns `None`: before, the client has not taken the last part.
    fn is_end_stream(&self) -> bool {
        if self.is_begun { self.answering.is_none() } else { self.inner.is_end_stream() }
    }

    fn size_hint(&self) -> SizeHint {
        let n_rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(n_rest));
        }
        hint.set_lower(inner.lower().saturating_add(n_rest));
        hint
    }
}
