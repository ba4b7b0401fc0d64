//! Streams of pieces: looked into, measured, cut off.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use sha2::{Digest, Sha256};

use crate::ports::{ByteStream, ByteStreamError, Chunks, FetchError};

/// The next piece.
pub(super) async fn next(pieces: &mut ByteStream) -> Option<Result<Bytes, ByteStreamError>> {
    poll_fn(|context| pieces.as_mut().poll_next(context)).await
}

/// Reads the beginning of a file, at most `most` bytes, and gives the whole file back with it.
pub(super) async fn peek(
    mut pieces: ByteStream,
    most: usize,
) -> Result<(Bytes, ByteStream), ByteStreamError> {
    let mut head = BytesMut::new();
    let mut read = VecDeque::new();
    while head.len() < most {
        let Some(piece) = next(&mut pieces).await.transpose()? else { break };
        let room = most.saturating_sub(head.len());
        head.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        read.push_back(piece);
    }
    Ok((head.freeze(), Box::pin(Rejoined { read, rest: pieces })))
}

/// What was read already, and the rest.
struct Rejoined {
    read: VecDeque<Bytes>,
    rest: ByteStream,
}

impl Stream for Rejoined {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.read.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None => self.rest.as_mut().poll_next(context),
        }
    }
}

/// A body that is asked for its pieces, as pieces that come.
pub(super) fn chunks(body: Box<dyn Chunks>) -> ByteStream {
    Box::pin(Asked { next: Some(ask(body)) })
}

type Answer = (Result<Option<Bytes>, FetchError>, Box<dyn Chunks>);

struct Asked {
    /// The question under way; `None` after the end.
    next: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
}

fn ask(mut body: Box<dyn Chunks>) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    Box::pin(async move { (body.next().await, body) })
}

impl Stream for Asked {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (answer, body) = std::task::ready!(next.as_mut().poll(context));
        self.next = None;
        Poll::Ready(match answer {
            Ok(Some(piece)) => {
                self.next = Some(ask(body));
                Some(Ok(piece))
            }
            Ok(None) => None,
            Err(error) => Some(Err(ByteStreamError::Broken(error.to_string()))),
        })
    }
}

/// SHA-256 and number of bytes.
type Taken = ([u8; 32], u64);

/// What a file was, once it has gone through.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure(Arc<Mutex<Option<Taken>>>);

impl Measure {
    /// SHA-256 and number of bytes; `None` as long as the end was not reached.
    pub(super) fn taken(&self) -> Option<Taken> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Measures a file on its way. It ends in an error beyond `most` bytes, and at its end if its digest is none of the
/// `announced` ones: so what takes it keeps nothing then.
pub(super) fn measured(pieces: ByteStream, most: u64, announced: Vec<[u8; 32]>) -> (ByteStream, Measure) {
    let measure = Measure::default();
    let metered = Metered {
        pieces,
        most,
        announced,
        n_bytes: 0,
        digest: Sha256::new(),
        has_ended: false,
        measure: measure.clone(),
    };
    (Box::pin(metered), measure)
}

struct Metered {
    pieces: ByteStream,
    most: u64,
    announced: Vec<[u8; 32]>,
    n_bytes: u64,
    digest: Sha256,
    has_ended: bool,
    measure: Measure,
}

impl Stream for Metered {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let polled = std::task::ready!(self.pieces.as_mut().poll_next(context));
        Poll::Ready(match polled {
            Some(Ok(piece)) => {
                self.n_bytes = self.n_bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                if self.n_bytes > self.most {
                    self.has_ended = true;
                    Some(Err(ByteStreamError::TooLarge(self.most)))
                } else {
                    self.digest.update(&piece);
                    Some(Ok(piece))
                }
            }
            Some(Err(error)) => {
                self.has_ended = true;
                Some(Err(error))
            }
            None => {
                self.has_ended = true;
                let digest: [u8; 32] = self.digest.finalize_reset().into();
                if self.announced.iter().any(|announced| *announced != digest) {
                    return Poll::Ready(Some(Err(ByteStreamError::Mismatch)));
                }
                let measure = Some((digest, self.n_bytes));
                *self.measure.0.lock().unwrap_or_else(PoisonError::into_inner) = measure;
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given(VecDeque<Result<Bytes, ByteStreamError>>);

    impl Stream for Given {
        type Item = Result<Bytes, ByteStreamError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn pieces(given: &[&'static str]) -> ByteStream {
        Box::pin(Given(given.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect()))
    }

    async fn all(mut pieces: ByteStream) -> Result<String, ByteStreamError> {
        let mut whole = String::new();
        while let Some(piece) = next(&mut pieces).await {
            whole.push_str(std::str::from_utf8(&piece?).expect("text"));
        }
        Ok(whole)
    }

    fn digest_of(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    #[tokio::test]
    async fn a_look_at_the_beginning_takes_nothing_away() {
        for most in [0, 1, 4, 6, 100] {
            let (head, rest) = peek(pieces(&["ab", "", "cdef"]), most).await.expect("a head");
            assert_eq!(head, "abcdef".get(..most.min(6)).expect("ASCII"));
            assert_eq!(all(rest).await.as_deref(), Ok("abcdef"));
        }
    }

    #[tokio::test]
    async fn a_whole_file_is_measured() {
        let (file, measure) = measured(pieces(&["ab", "c"]), 3, vec![digest_of("abc")]);
        assert_eq!(measure.taken(), None);
        assert_eq!(all(file).await.as_deref(), Ok("abc"));
        assert_eq!(measure.taken(), Some((digest_of("abc"), 3)));
    }

    #[tokio::test]
    async fn what_is_too_large_or_another_file_ends_in_an_error_and_has_no_measure() {
        let (file, measure) = measured(pieces(&["ab", "c"]), 2, Vec::new());
        assert_eq!(all(file).await, Err(ByteStreamError::TooLarge(2)));
        assert_eq!(measure.taken(), None);
        let (file, measure) = measured(pieces(&["ab"]), 9, vec![digest_of("ab"), digest_of("x")]);
        assert_eq!(all(file).await, Err(ByteStreamError::Mismatch));
        assert_eq!(measure.taken(), None);
    }
}
