//! The bytes of one connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::watch::Watch;

/// Maximum time for which the rest of a body is read after the last response.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum size of the rest of a body that is read after the last response, in bytes.
const MAX_DISCARDED: usize = 8 * 1024 * 1024;

/// Stream whose incoming bytes are recorded in a [`Watch`].
///
/// If the gateway has answered a request without reading its whole body, the rest is read and discarded after the last
/// response. Without that, the system would reset the connection, and the client would lose the response.
pub(super) struct WatchedStream<I> {
    inner: I,
    watch: Arc<Watch>,
    /// Runs while the rest of a body is discarded.
    discarding: Option<Pin<Box<Sleep>>>,
    n_discarded: usize,
}

impl<I: AsyncRead + Unpin> WatchedStream<I> {
    pub(super) fn new(inner: I, watch: Arc<Watch>) -> Self {
        Self { inner, watch, discarding: None, n_discarded: 0 }
    }

    /// Reads until the client closes the connection, or a limit is reached.
    fn poll_discard(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .discarding
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + DISCARD_TIMEOUT)));
        let mut bytes = [0; 8 * 1024];
        while self.n_discarded < MAX_DISCARDED {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.inner).poll_read(ctx, &mut buffer) {
                Poll::Pending => return timer.as_mut().poll(ctx),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.n_discarded = self.n_discarded.saturating_add(buffer.filled().len());
                }
                // The client has closed the connection.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WatchedStream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n_before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(ctx, buffer);
        self.watch.received(buffer.filled().get(n_before..).unwrap_or_default());
        polled
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<I> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(ctx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(ctx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.discarding.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(ctx))?;
        }
        if self.watch.has_unread_body() {
            ready!(self.poll_discard(ctx));
        }
        Poll::Ready(Ok(()))
    }
}
