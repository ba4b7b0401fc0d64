//! Stores of file contents, and content that is counted.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use blobs::{BucketBlobs, FolderBlobs};
use bytes::Bytes;
use domain::id::{MediaId, WorkspaceId};
use engine::ports::{BlobKey, Blobs, ByteStream, ByteStreamError};
use futures_core::Stream;
use object_store::memory::InMemory;
use tempfile::TempDir;

use crate::s3::Bucket;

/// A store, and the resources that it needs.
pub(crate) struct StoreUnderTest {
    pub(crate) blobs: Box<dyn Blobs>,
    pub(crate) folder: Option<TempDir>,
    pub(crate) _bucket: Option<Bucket>,
}

/// Returns one store of each kind.
pub(crate) async fn stores() -> Vec<StoreUnderTest> {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::open().await;
    let memory = BucketBlobs::within(Arc::new(InMemory::new()), "some/prefix".into());
    vec![
        StoreUnderTest {
            blobs: Box::new(FolderBlobs::within(folder.path().join("media"))),
            folder: Some(folder),
            _bucket: None,
        },
        StoreUnderTest { blobs: Box::new(memory), folder: None, _bucket: None },
        StoreUnderTest { blobs: Box::new(bucket.blobs()), folder: None, _bucket: Some(bucket) },
    ]
}

pub(crate) fn key(n: u8) -> BlobKey {
    BlobKey {
        workspace: WorkspaceId::from_parts(1_767_225_600_000, &[1; 10]),
        media: MediaId::from_parts(1_767_225_600_000, &[n; 10]),
    }
}

struct Given(VecDeque<Result<Bytes, ByteStreamError>>);

impl Stream for Given {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front())
    }
}

pub(crate) fn content(given: &[&'static str]) -> ByteStream {
    Box::pin(Given(given.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect()))
}

/// Returns content that fails after `n_bytes`.
pub(crate) fn broken_after(n_bytes: usize) -> ByteStream {
    let error = ByteStreamError::Broken("cut".to_owned());
    Box::pin(Given(VecDeque::from([Ok(Bytes::from(vec![7; n_bytes])), Err(error)])))
}

/// Reads a stream to its end.
pub(crate) async fn all(mut content: ByteStream) -> Result<Vec<u8>, ByteStreamError> {
    let mut whole = Vec::new();
    while let Some(chunk) = poll_fn(|context| content.as_mut().poll_next(context)).await {
        whole.extend_from_slice(&chunk?);
    }
    Ok(whole)
}

/// Number of bytes that are in memory at once.
#[derive(Default)]
pub(crate) struct Alive {
    now: AtomicUsize,
    pub(crate) most: AtomicUsize,
}

struct Piece(Vec<u8>, Arc<Alive>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.1.now.fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

/// Returns content whose chunks are counted while they are in memory: bytes that count up.
pub(crate) struct Large {
    n_done: usize,
    size: usize,
    in_memory: Arc<Alive>,
}

impl Large {
    pub(crate) fn of(size: usize, in_memory: &Arc<Alive>) -> ByteStream {
        Box::pin(Self { n_done: 0, size, in_memory: in_memory.clone() })
    }

    pub(crate) fn byte(n: usize) -> u8 {
        u8::try_from(n / 1000 % 251).unwrap()
    }
}

impl Stream for Large {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // This length is not a multiple of the block size.
        let n = (self.size - self.n_done).min(61_003);
        if n == 0 {
            return Poll::Ready(None);
        }
        let content: Vec<u8> = (self.n_done..self.n_done + n).map(Self::byte).collect();
        self.n_done += n;
        let now = self.in_memory.now.fetch_add(n, Ordering::SeqCst) + n;
        self.in_memory.most.fetch_max(now, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Bytes::from_owner(Piece(content, self.in_memory.clone())))))
    }
}
