//! Proof that a request body was not sent.
//!
//! A connection task takes a request body at a time that the client does not control. Checking at the deadline, or
//! after an error, whether the body has been taken would be a race. The gate decides instead: either the body has
//! passed, or it never will.
//!
//! A request without its body is not a message: HTTP/1.1 announces the length, HTTP/2 leaves the stream open, and the
//! server waits for the rest.
//!
//! **Invariant:** after [`Gate::shut`] has returned true, no byte of the body reaches a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

const OPEN: u8 = 0;
const PASSED: u8 = 1;
const SHUT: u8 = 2;

/// Gate in front of a request body.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU8);

impl Gate {
    /// Stops the body for good; returns `false` if it has passed already.
    pub(crate) fn shut(&self) -> bool {
        self.0.compare_exchange(OPEN, SHUT, Ordering::AcqRel, Ordering::Acquire) != Err(PASSED)
    }

    fn pass(&self) -> bool {
        self.0.compare_exchange(OPEN, PASSED, Ordering::AcqRel, Ordering::Acquire) != Err(SHUT)
    }
}

/// Request body of one chunk, behind a gate.
#[derive(Debug)]
pub(crate) struct GatedBody {
    bytes: Option<Bytes>,
    gate: Arc<Gate>,
}

impl GatedBody {
    pub(crate) fn new(bytes: Bytes, gate: Arc<Gate>) -> Self {
        Self { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), gate }
    }
}

/// The gate was shut before the body was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request was canceled")]
pub(crate) struct RequestCanceled;

impl Body for GatedBody {
    type Data = Bytes;
    type Error = RequestCanceled;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestCanceled>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        Poll::Ready(Some(if self.gate.pass() { Ok(Frame::data(bytes)) } else { Err(RequestCanceled) }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len);
        u64::try_from(length).map_or_else(|_| SizeHint::new(), SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll(body: &mut GatedBody) -> Poll<Option<Result<Bytes, RequestCanceled>>> {
        let frame = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        frame.map_ok(|frame| frame.into_data().expect("data"))
    }

    #[test]
    fn a_body_that_has_passed_cannot_be_stopped() {
        let gate = Arc::new(Gate::default());
        let mut body = GatedBody::new(Bytes::from_static(b"{}"), Arc::clone(&gate));
        assert_eq!(poll(&mut body), Poll::Ready(Some(Ok(Bytes::from_static(b"{}")))));
        assert!(body.is_end_stream());
        assert_eq!(poll(&mut body), Poll::Ready(None));
        assert!(!gate.shut());
    }

    #[test]
    fn a_body_behind_a_shut_gate_is_never_sent() {
        let gate = Arc::new(Gate::default());
        let mut body = GatedBody::new(Bytes::from_static(b"{}"), Arc::clone(&gate));
        assert!(gate.shut());
        assert!(gate.shut());
        assert_eq!(poll(&mut body), Poll::Ready(Some(Err(RequestCanceled))));
    }

    #[test]
    fn either_the_body_passes_or_the_gate_is_shut() {
        for _ in 0..500 {
            let gate = Arc::new(Gate::default());
            let mut body = GatedBody::new(Bytes::from_static(b"{}"), Arc::clone(&gate));
            let taker = std::thread::spawn(move || matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
            let is_shut = gate.shut();
            assert_ne!(is_shut, taker.join().expect("no panic"));
        }
    }
}
