//! Streams of file content: prefix, digest, size limit.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use sha2::{Digest, Sha256};

use crate::ports::{ByteStream, ByteStreamError, Chunks, FetchError};

/// Returns the next chunk.
pub(super) async fn next(stream: &mut ByteStream) -> Option<Result<Bytes, ByteStreamError>> {
    poll_fn(|context| stream.as_mut().poll_next(context)).await
}

/// Reads the first `max_bytes` bytes of a file. Returns them, and the stream of the whole file.
pub(super) async fn peek(
    mut stream: ByteStream,
    max_bytes: usize,
) -> Result<(Bytes, ByteStream), ByteStreamError> {
    let mut head = BytesMut::new();
    let mut read = VecDeque::new();
    while head.len() < max_bytes {
        let Some(chunk) = next(&mut stream).await.transpose()? else { break };
        let n_missing = max_bytes.saturating_sub(head.len());
        head.extend_from_slice(chunk.get(..n_missing).unwrap_or(&chunk));
        read.push_back(chunk);
    }
    Ok((head.freeze(), Box::pin(PrefixedStream { read, rest: stream })))
}

/// Chunks that were read already, and the rest of the stream.
struct PrefixedStream {
    read: VecDeque<Bytes>,
    rest: ByteStream,
}

impl Stream for PrefixedStream {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.read.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None => self.rest.as_mut().poll_next(context),
        }
    }
}

/// Returns the stream of a body that is read chunk by chunk.
pub(super) fn from_chunks(body: Box<dyn Chunks>) -> ByteStream {
    Box::pin(ChunkStream { next: Some(next_chunk(body)) })
}

/// Result of reading a chunk, and the body with the rest.
type ReadChunk = (Result<Option<Bytes>, FetchError>, Box<dyn Chunks>);

struct ChunkStream {
    /// Read in progress; `None` after the end.
    next: Option<Pin<Box<dyn Future<Output = ReadChunk> + Send>>>,
}

fn next_chunk(mut body: Box<dyn Chunks>) -> Pin<Box<dyn Future<Output = ReadChunk> + Send>> {
    Box::pin(async move { (body.next().await, body) })
}

impl Stream for ChunkStream {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (chunk, body) = std::task::ready!(next.as_mut().poll(context));
        self.next = None;
        Poll::Ready(match chunk {
            Ok(Some(chunk)) => {
                self.next = Some(next_chunk(body));
                Some(Ok(chunk))
            }
            Ok(None) => None,
            Err(error) => Some(Err(ByteStreamError::Broken(error.to_string()))),
        })
    }
}

/// Digest and size of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentDigest {
    /// SHA-256 of the content.
    pub(super) sha256: [u8; 32],
    /// Number of bytes.
    pub(super) size: u64,
}

/// Digest of a stream, which is known when the stream has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamDigest(Arc<Mutex<Option<ContentDigest>>>);

impl StreamDigest {
    /// Returns the digest; `None` if the stream has not ended, or ended with an error.
    pub(super) fn get(&self) -> Option<ContentDigest> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Computes the digest of a stream while it is read. The stream ends with an error beyond `max_bytes` bytes, and at its
/// end if its digest differs from one of the `expected` digests. So a reader does not store such a file.
pub(super) fn digest_stream(
    stream: ByteStream,
    max_bytes: u64,
    expected: Vec<[u8; 32]>,
) -> (ByteStream, StreamDigest) {
    let digest = StreamDigest::default();
    let digesting = DigestingStream {
        stream,
        max_bytes,
        expected,
        n_bytes: 0,
        hasher: Sha256::new(),
        has_ended: false,
        digest: digest.clone(),
    };
    (Box::pin(digesting), digest)
}

struct DigestingStream {
    stream: ByteStream,
    max_bytes: u64,
    expected: Vec<[u8; 32]>,
    n_bytes: u64,
    hasher: Sha256,
    has_ended: bool,
    digest: StreamDigest,
}

impl Stream for DigestingStream {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let polled = std::task::ready!(self.stream.as_mut().poll_next(context));
        Poll::Ready(match polled {
            Some(Ok(chunk)) => {
                self.n_bytes = self.n_bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                if self.n_bytes > self.max_bytes {
                    self.has_ended = true;
                    Some(Err(ByteStreamError::TooLarge(self.max_bytes)))
                } else {
                    self.hasher.update(&chunk);
                    Some(Ok(chunk))
                }
            }
            Some(Err(error)) => {
                self.has_ended = true;
                Some(Err(error))
            }
            None => {
                self.has_ended = true;
                let sha256: [u8; 32] = self.hasher.finalize_reset().into();
                if self.expected.iter().any(|expected| *expected != sha256) {
                    return Poll::Ready(Some(Err(ByteStreamError::Mismatch)));
                }
                let digest = ContentDigest { sha256, size: self.n_bytes };
                *self.digest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestChunks(VecDeque<Result<Bytes, ByteStreamError>>);

    impl Stream for TestChunks {
        type Item = Result<Bytes, ByteStreamError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn stream(chunks: &[&'static str]) -> ByteStream {
        Box::pin(TestChunks(chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect()))
    }

    async fn read_all(mut stream: ByteStream) -> Result<String, ByteStreamError> {
        let mut whole = String::new();
        while let Some(chunk) = next(&mut stream).await {
            whole.push_str(std::str::from_utf8(&chunk?).expect("text"));
        }
        Ok(whole)
    }

    fn digest_of(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    #[tokio::test]
    async fn peek_returns_the_first_bytes_and_the_whole_file() {
        for max_bytes in [0, 1, 4, 6, 100] {
            let (head, rest) = peek(stream(&["ab", "", "cdef"]), max_bytes).await.expect("a head");
            assert_eq!(head, "abcdef".get(..max_bytes.min(6)).expect("ASCII"));
            assert_eq!(read_all(rest).await.as_deref(), Ok("abcdef"));
        }
    }

    #[tokio::test]
    async fn a_whole_file_is_digest_stream() {
        let (file, digest) = digest_stream(stream(&["ab", "c"]), 3, vec![digest_of("abc")]);
        assert_eq!(digest.get(), None);
        assert_eq!(read_all(file).await.as_deref(), Ok("abc"));
        assert_eq!(digest.get(), Some(ContentDigest { sha256: digest_of("abc"), size: 3 }));
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_or_differs_from_the_expected_digest_ends_with_an_error() {
        let (file, digest) = digest_stream(stream(&["ab", "c"]), 2, Vec::new());
        assert_eq!(read_all(file).await, Err(ByteStreamError::TooLarge(2)));
        assert_eq!(digest.get(), None);
        let (file, digest) = digest_stream(stream(&["ab"]), 9, vec![digest_of("ab"), digest_of("x")]);
        assert_eq!(read_all(file).await, Err(ByteStreamError::Mismatch));
        assert_eq!(digest.get(), None);
    }
}
