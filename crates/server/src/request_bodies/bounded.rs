//! A body that checks its bounds while it is read.

use std::error::Error;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use engine::ports::Clock;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use super::bounds::{
    BYTES_OF_PIECES, BYTES_PER_VALUE, BodyBounds, MAX_FORM_OVERHEAD, MAX_JSON_VALUES, MemoryUse,
};
use super::budget::{BodyLease, BudgetSpent};
use super::json_size::JsonSize;

/// An error of a body that passes one of its bounds. It occurs when the body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BoundError {
    /// The body, or its declared or decoded size, is larger than this number of bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The form has too many bytes outside of its file.
    #[error("the form has more than {MAX_FORM_OVERHEAD} bytes outside of its file")]
    FormTooLarge,
    /// The body has too many JSON values.
    #[error("the body has more than {MAX_JSON_VALUES} JSON values")]
    TooManyValues,
    /// The whole body did not arrive within this time.
    #[error("the body did not arrive within {} s", .0.as_secs())]
    NotWhole(SignedDuration),
    /// Too little of the body arrived within this time.
    #[error("too little of the body arrived within {} s", .0.as_secs())]
    NoProgress(SignedDuration),
    /// The memory for bodies is spent.
    #[error(transparent)]
    Overloaded(#[from] BudgetSpent),
}

/// Returns the passed bound if it is the cause of an error.
pub(crate) fn bound_error(error: &(dyn Error + 'static)) -> Option<BoundError> {
    let mut causes =
        std::iter::successors(Some(error), |cause| -> Option<&(dyn Error + 'static)> { (*cause).source() });
    causes.find_map(|cause| cause.downcast_ref::<BoundError>()).copied()
}

/// Returns a body that checks, while it is read, the size and the time of the bytes that the client sends. `declared` is
/// the value of `Content-Length`: a body that declares too many bytes is refused before one of them is read.
pub(crate) fn received(clock: Arc<dyn Clock>, bounds: BodyBounds, declared: Option<u64>, body: Body) -> Body {
    let period = Period { n_bytes: 0, waited: SignedDuration::ZERO };
    let receiver =
        Receiver { body: body.into_data_stream(), clock, bounds, ends_at: None, period, n_bytes: 0 };
    let declared = declared.filter(|n| *n > bounds.max_bytes);
    Body::from_stream(stream::try_unfold(receiver, move |mut receiver| async move {
        if declared.is_some() {
            return Err(BoundError::TooLarge(bounds.max_bytes).into());
        }
        let chunk = receiver.next_chunk().await?;
        Ok::<_, axum::BoxError>(chunk.map(|chunk| (chunk, receiver)))
    }))
}

/// A body that arrives.
struct Receiver {
    body: BodyDataStream,
    clock: Arc<dyn Clock>,
    bounds: BodyBounds,
    /// Time at which the whole body must have arrived.
    ends_at: Option<Timestamp>,
    period: Period,
    n_bytes: u64,
}

/// Progress in the current period.
struct Period {
    n_bytes: u64,
    waited: SignedDuration,
}

impl Receiver {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, axum::BoxError> {
        let bounds = self.bounds;
        let begun_at = self.clock.now();
        let after = |wait: SignedDuration| begun_at.saturating_add(wait).unwrap_or(Timestamp::MAX);
        if self.ends_at.is_none() {
            self.ends_at = bounds.whole_within.map(after);
        }
        let progress_at = after(bounds.progress_within.saturating_sub(self.period.waited));
        let deadline = self.ends_at.map_or(progress_at, |ends_at| ends_at.min(progress_at));
        let chunk = tokio::select! {
            biased;
            chunk = self.body.next() => chunk.transpose()?,
            () = self.clock.sleep_until(deadline) => {
                return Err(match bounds.whole_within {
                    Some(within) if deadline < progress_at => BoundError::NotWhole(within),
                    Some(_) | None => BoundError::NoProgress(bounds.progress_within),
                }
                .into());
            }
        };
        let Some(chunk) = chunk else { return Ok(None) };
        let n = len(&chunk);
        self.n_bytes = self.n_bytes.saturating_add(n);
        if self.n_bytes > bounds.max_bytes {
            return Err(BoundError::TooLarge(bounds.max_bytes).into());
        }
        self.period.n_bytes = self.period.n_bytes.saturating_add(n);
        self.period.waited = self.period.waited.saturating_add(self.clock.now().duration_since(begun_at));
        if self.period.n_bytes >= bounds.progress_bytes {
            self.period = Period { n_bytes: 0, waited: SignedDuration::ZERO };
        }
        Ok(Some(chunk))
    }
}

/// Returns a body that checks, while it is read, the size of the decoded bytes, and takes the memory that they use.
pub(crate) fn accounted(bounds: BodyBounds, lease: Arc<BodyLease>, body: Body) -> Body {
    let account = Account { bounds, lease, n_bytes: 0, n_values: 0, json: JsonSize::default() };
    let state = (body.into_data_stream(), account);
    Body::from_stream(stream::try_unfold(state, |(mut body, mut account)| async move {
        let Some(chunk) = body.next().await.transpose()? else { return Ok(None) };
        account.add(&chunk)?;
        Ok::<_, axum::BoxError>(Some((chunk, (body, account))))
    }))
}

/// Account of the memory of one body.
struct Account {
    bounds: BodyBounds,
    lease: Arc<BodyLease>,
    n_bytes: u64,
    n_values: u64,
    json: JsonSize,
}

impl Account {
    fn add(&mut self, chunk: &[u8]) -> Result<(), BoundError> {
        if chunk.is_empty() {
            return Ok(());
        }
        let n = len(chunk);
        self.n_bytes = self.n_bytes.saturating_add(n);
        if self.n_bytes > self.bounds.max_bytes {
            return Err(BoundError::TooLarge(self.bounds.max_bytes));
        }
        match self.bounds.memory {
            MemoryUse::Pieces if self.n_bytes > n => Ok(()),
            MemoryUse::Pieces => Ok(self.lease.take(BYTES_OF_PIECES)?),
            MemoryUse::Whole => Ok(self.lease.take(n)?),
            MemoryUse::Json => {
                let n_values = self.json.count(chunk);
                self.n_values = self.n_values.saturating_add(n_values);
                if self.n_values > MAX_JSON_VALUES {
                    return Err(BoundError::TooManyValues);
                }
                // The texts of the values are copies of the bytes.
                Ok(self.lease.take(n.saturating_mul(2).saturating_add(n_values * BYTES_PER_VALUE))?)
            }
        }
    }
}

/// Takes the memory of the values of a JSON text whose bytes are taken already.
pub(crate) fn take_values(lease: &BodyLease, text: &[u8]) -> Result<(), BoundError> {
    let n_values = JsonSize::default().count(text);
    if n_values > MAX_JSON_VALUES {
        return Err(BoundError::TooManyValues);
    }
    Ok(lease.take(len(text).saturating_add(n_values * BYTES_PER_VALUE))?)
}

/// Reads a whole body. Several pieces are copied at once, because a small piece can keep a large buffer of its connection.
pub(crate) async fn collect(body: Body) -> Result<Bytes, axum::Error> {
    let mut stream = body.into_data_stream();
    let Some(first) = stream.next().await.transpose()? else { return Ok(Bytes::new()) };
    let Some(second) = stream.next().await.transpose()? else { return Ok(first) };
    let mut whole = BytesMut::with_capacity(first.len().saturating_add(second.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    drop((first, second));
    while let Some(piece) = stream.next().await.transpose()? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
