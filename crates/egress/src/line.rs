//! A connection that speaks HTTP/1.1, driven by the call that uses it.
//!
//! **Invariant:** a connection moves only while a call waits for it. Dropping the call closes it at once, whatever the
//! other side does.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use crate::wire::{Heard, Wire};

/// The most bytes of an answer's head, and of what is read ahead.
const MAX_HEAD_BYTES: usize = 32 * 1_024;

type Driver = Connection<TokioIo<Wire>, Full<Bytes>>;

/// A connection.
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<Driver>,
    heard: Heard,
}

impl Line {
    /// Speaks HTTP over these bytes. `heard` is the wire's.
    pub(crate) async fn over(wire: Wire, heard: Heard) -> Result<Self, hyper::Error> {
        let mut builder = Builder::new();
        builder.max_buf_size(MAX_HEAD_BYTES);
        let (sender, driver) = builder.handshake(TokioIo::new(wire)).await?;
        Ok(Self { sender, driver: Some(driver), heard })
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.heard.forget();
        drive(&mut self.driver, self.sender.send_request(request)).await
    }

    /// The next piece of an answer's body.
    pub(crate) async fn next(&mut self, body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        drive(&mut self.driver, body.frame()).await
    }

    /// Whether the other side has said anything since the last request.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard.anything()
    }

    /// Whether it can take another request: the last one is over on both sides, and nobody has closed it, as far as
    /// can be seen from here.
    pub(crate) async fn is_ready(&mut self) -> bool {
        drive(&mut self.driver, async {}).await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Waits for `future`, and moves the connection meanwhile: once at least.
async fn drive<F: Future>(driver: &mut Option<Driver>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        // How it ends is told to the one who waits for an answer.
        if let Some(running) = driver
            && Pin::new(running).poll(context).is_ready()
        {
            *driver = None;
        }
        future.as_mut().poll(context)
    })
    .await
}
