//! An HTTP/1.1 connection, driven by the call that uses it.
//!
//! **Invariant:** a connection makes progress only while a call waits for it. Dropping the call closes the connection
//! immediately.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use crate::stream::{ReceivedFlag, TransportStream};

/// Maximum number of bytes of a response head, and of bytes read ahead.
const MAX_HEAD_BYTES: usize = 32 * 1_024;

type Driver = Connection<TokioIo<TransportStream>, Full<Bytes>>;

/// HTTP connection.
pub(crate) struct HttpConnection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    received: ReceivedFlag,
}

impl HttpConnection {
    /// Starts HTTP on a byte stream. `received` is the flag of that stream.
    pub(crate) async fn over(stream: TransportStream, received: ReceivedFlag) -> Result<Self, hyper::Error> {
        let mut builder = Builder::new();
        builder.max_buf_size(MAX_HEAD_BYTES);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: Some(driver), received })
    }

    /// Sends a request and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.received.forget();
        drive(&mut self.driver, self.sender.send_request(request)).await
    }

    /// Returns the next frame of a response body.
    pub(crate) async fn next(&mut self, body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        drive(&mut self.driver, body.frame()).await
    }

    /// `true` if the other side has sent a byte since the last request.
    pub(crate) fn has_received(&self) -> bool {
        self.received.anything()
    }

    /// `true` if the connection can take another request: the last request and response are complete, and no close
    /// has been received.
    pub(crate) async fn is_ready(&mut self) -> bool {
        drive(&mut self.driver, async {}).await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Waits for `future` and drives the connection meanwhile, at least once.
async fn drive<F: Future>(driver: &mut Option<Driver>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        // An error of the connection is returned by the future that waits for the response.
        if let Some(running) = driver
            && Pin::new(running).poll(context).is_ready()
        {
            *driver = None;
        }
        future.as_mut().poll(context)
    })
    .await
}
