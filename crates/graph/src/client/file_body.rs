//! The request body of a file upload.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use engine::ports::{ByteStream, ByteStreamError};
use hyper::body::{Body, Frame, SizeHint};

/// Request body that carries a file.
pub(crate) struct FileBody {
    before: Option<Bytes>,
    content: Option<ByteStream>,
    after: Option<Bytes>,
    n_left: u64,
}

impl FileBody {
    pub(crate) fn empty() -> Self {
        Self { before: None, content: None, after: None, n_left: 0 }
    }

    pub(crate) fn framed(before: String, after: String, size: u64, content: ByteStream) -> Self {
        let length = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
        let n_left = size.saturating_add(length(&before)).saturating_add(length(&after));
        Self { before: Some(before.into()), content: Some(content), after: Some(after.into()), n_left }
    }

    fn next_frame(&mut self, chunk: Bytes) -> Poll<Option<Result<Frame<Bytes>, ByteStreamError>>> {
        self.n_left = self.n_left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = ByteStreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ByteStreamError>>> {
        if let Some(before) = self.before.take() {
            return self.next_frame(before);
        }
        if let Some(content) = &mut self.content {
            match std::task::ready!(content.as_mut().poll_next(context)) {
                Some(Ok(chunk)) => return self.next_frame(chunk),
                Some(Err(error)) => {
                    self.content = None;
                    self.after = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.content = None,
            }
        }
        match self.after.take() {
            Some(after) => self.next_frame(after),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_none() && self.content.is_none() && self.after.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.n_left)
    }
}
