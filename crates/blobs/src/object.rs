//! A bucket: `<prefix>/<workspace>/<file>`.
//!
//! A file is uploaded in parts of equal size (Cloudflare R2 requires it), one at a time; the last call makes the
//! object visible. Parts of an upload that was interrupted stay in the bucket until a lifecycle rule for unfinished
//! multipart uploads removes them.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use engine::ports::{BlobError, BlobKey, BlobWriteError, Blobs, ByteStream, ByteStreamError};
use futures_core::Stream;
use jiff::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::transport::HyperConnector;

/// Number of bytes of a part.
pub const PART: usize = 8 << 20;

/// Settings of a bucket.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// Name of the bucket.
    pub bucket: String,
    /// Address of the store, if it is not Amazon S3: `https://…`, or `http://…` within a private network.
    pub endpoint: Option<String>,
    /// Region of the bucket.
    pub region: String,
    /// Id of the access key.
    pub access_key_id: String,
    /// Secret of the access key.
    pub secret_access_key: SecretString,
    /// Prefix of every object name.
    pub prefix: String,
}

/// Reason why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The settings are incomplete or wrong.
    #[error("setting up the bucket for files")]
    Settings(#[source] object_store::Error),
    /// The prefix is not a valid path.
    #[error("setting up the bucket for files: the prefix is not a path")]
    Prefix(#[source] object_store::path::Error),
    /// TLS cannot be set up.
    #[error("setting up TLS for the bucket for files")]
    Tls(#[source] rustls::Error),
}

/// File contents in a bucket.
pub struct BucketBlobs {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl BucketBlobs {
    /// Creates a store of file contents in an S3-compatible bucket. No request is made yet.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn of_s3(settings: &BucketSettings) -> Result<Self, BucketError> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key.expose_secret())
            // One request per object, because not every S3-compatible store supports bulk deletes.
            .with_disable_bulk_delete(true)
            .with_http_connector(HyperConnector::new().map_err(BucketError::Tls)?);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().map_err(BucketError::Settings)?;
        let prefix = Path::parse(settings.prefix.trim_matches('/')).map_err(BucketError::Prefix)?;
        Ok(Self::within(Arc::new(store), prefix))
    }

    /// Creates a store of file contents in any object store.
    pub fn within(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    fn path_of(&self, key: BlobKey) -> Path {
        self.prefix.clone().join(key.workspace.to_string()).join(key.media.to_string())
    }
}

fn store(doing: &'static str) -> impl Fn(Error) -> BlobWriteError {
    move |error| BlobWriteError::Store(BlobError::new(doing, error))
}

/// Stream that is cut into parts of equal size.
struct Parts {
    content: ByteStream,
    rest: Bytes,
    has_ended: bool,
}

impl Parts {
    /// Returns the next part. A part that is shorter than [`PART`] is the last.
    async fn next(&mut self) -> Result<Vec<Bytes>, ByteStreamError> {
        let (mut part, mut n_bytes) = (Vec::new(), 0_usize);
        loop {
            if !self.rest.is_empty() {
                let room = PART.saturating_sub(n_bytes).min(self.rest.len());
                let piece = self.rest.split_to(room);
                n_bytes = n_bytes.saturating_add(piece.len());
                part.push(piece);
            }
            if n_bytes == PART || self.has_ended {
                return Ok(part);
            }
            match std::future::poll_fn(|context| self.content.as_mut().poll_next(context)).await {
                Some(piece) => self.rest = piece?,
                None => self.has_ended = true,
            }
        }
    }
}

/// `true` if a part has the full size, so that another part can follow.
fn is_full(part: &[Bytes]) -> bool {
    part.iter().map(Bytes::len).sum::<usize>() == PART
}

async fn put_parts(
    upload: &mut dyn MultipartUpload,
    first: Vec<Bytes>,
    parts: &mut Parts,
) -> Result<(), BlobWriteError> {
    let mut part = first;
    loop {
        let is_last = !is_full(&part);
        if !part.is_empty() {
            upload
                .put_part(part.into_iter().collect::<PutPayload>())
                .await
                .map_err(store("writing a part"))?;
        }
        if is_last {
            break;
        }
        part = parts.next().await.map_err(BlobWriteError::Source)?;
    }
    upload.complete().await.map_err(store("putting parts together"))?;
    Ok(())
}

#[async_trait]
impl Blobs for BucketBlobs {
    async fn write_blob(&self, key: BlobKey, content: ByteStream) -> Result<(), BlobWriteError> {
        let path = self.path_of(key);
        let mut parts = Parts { content, rest: Bytes::new(), has_ended: false };
        let first = parts.next().await.map_err(BlobWriteError::Source)?;
        if !is_full(&first) {
            let payload: PutPayload = first.into_iter().collect();
            self.store.put(&path, payload).await.map_err(store("writing an object"))?;
            return Ok(());
        }
        let mut upload = self.store.put_multipart(&path).await.map_err(store("beginning an object"))?;
        let end = put_parts(&mut *upload, first, &mut parts).await;
        if end.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, "an unfinished object could not be given up");
        }
        end
    }

    async fn read_blob(&self, key: BlobKey, range: Range<u64>) -> Result<Option<ByteStream>, BlobError> {
        if range.is_empty() {
            return Ok(Some(Box::pin(Nothing)));
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        match self.store.get_opts(&self.path_of(key), options).await {
            Ok(found) => Ok(Some(Box::pin(Reading { content: found.into_stream() }))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BlobError::new("reading an object", error)),
        }
    }

    async fn delete_blob(&self, key: BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&self.path_of(key)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::new("deleting an object", error)),
        }
    }

    async fn delete_partial_blobs(&self, _: Timestamp) -> Result<(), BlobError> {
        Ok(())
    }
}

struct Nothing;

impl Stream for Nothing {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

struct Reading {
    content: Pin<Box<dyn Stream<Item = object_store::Result<Bytes>> + Send>>,
}

impl Stream for Reading {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.content.as_mut().poll_next(context);
        polled.map(|piece| {
            piece.map(|piece| {
                piece.map_err(|error| ByteStreamError::Broken(format!("reading an object: {error}")))
            })
        })
    }
}
