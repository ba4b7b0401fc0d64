//! The ports for files, with somebody in front.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use domain::id::{MediaId, WorkspaceId};
use domain::messages::outcome::SendOutcome;
use engine::media::MediaPorts;
use engine::ports::{
    BlobError, BlobKey, Blobs, ClaimToken, ClaimedMedia, Download, DownloadError, FetchEnd, Kept, Line,
    MediaClaimRequest, MediaInfo, MediaRecords, MediaUpstream, NewMedia, OutgoingFile, Pieces, PutError,
    Settled, StoreError, StoredMedia, UploadKey, UpstreamError, WholeMedia,
};
use jiff::Timestamp;

use crate::wrapped::{Guard, Guarded};

type Stored<T> = Result<T, StoreError>;

/// The ports for files behind a guard.
pub(crate) fn guarded(ports: MediaPorts, guard: &Arc<dyn Guard>) -> MediaPorts {
    let MediaPorts { records, blobs, upstream, fetcher } = ports;
    MediaPorts {
        records: Arc::new(Guarded { port: records, guard: guard.clone() }),
        blobs: Arc::new(Guarded { port: blobs, guard: guard.clone() }),
        upstream: Arc::new(Guarded { port: upstream, guard: guard.clone() }),
        fetcher,
    }
}

#[async_trait]
impl MediaRecords for Guarded<dyn MediaRecords> {
    async fn media_claim(&self, request: MediaClaimRequest) -> Stored<Vec<ClaimedMedia>> {
        self.ask("media_claim", self.port.media_claim(request)).await
    }

    async fn media_settle(&self, key: BlobKey, token: ClaimToken, end: FetchEnd) -> Stored<Settled> {
        self.ask("media_settle", self.port.media_settle(key, token, end)).await
    }

    async fn media_begin(&self, new: NewMedia) -> Stored<()> {
        self.ask("media_begin", self.port.media_begin(new)).await
    }

    async fn media_finish(&self, whole: WholeMedia) -> Stored<Kept> {
        self.ask("media_finish", self.port.media_finish(whole)).await
    }

    async fn media_abandon(&self, key: BlobKey) -> Stored<()> {
        self.ask("media_abandon", self.port.media_abandon(key)).await
    }

    async fn media(&self, workspace: WorkspaceId, id: MediaId) -> Stored<Option<StoredMedia>> {
        self.ask("media", self.port.media(workspace, id)).await
    }

    async fn media_hold(&self, key: BlobKey, until: Timestamp) -> Stored<bool> {
        self.ask("media_hold", self.port.media_hold(key, until)).await
    }

    async fn media_upload(&self, key: &UploadKey, now: Timestamp) -> Stored<Option<String>> {
        self.ask("media_upload", self.port.media_upload(key, now)).await
    }

    async fn media_uploaded(
        &self,
        key: &UploadKey,
        meta_id: &str,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Stored<()> {
        self.ask("media_uploaded", self.port.media_uploaded(key, meta_id, now, ends_at)).await
    }

    async fn media_gone(&self, now: Timestamp, limit: u32) -> Stored<Vec<BlobKey>> {
        self.ask("media_gone", self.port.media_gone(now, limit)).await
    }

    async fn media_forget(&self, key: BlobKey) -> Stored<()> {
        self.ask("media_forget", self.port.media_forget(key)).await
    }
}

#[async_trait]
impl Blobs for Guarded<dyn Blobs> {
    async fn put(&self, key: BlobKey, pieces: Pieces) -> Result<(), PutError> {
        self.reach("put", self.port.put(key, pieces)).await
    }

    async fn get(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Pieces>, BlobError> {
        self.reach("get", self.port.get(key, range)).await
    }

    async fn delete(&self, key: BlobKey) -> Result<(), BlobError> {
        self.reach("delete", self.port.delete(key)).await
    }

    async fn tidy(&self, before: Timestamp) -> Result<(), BlobError> {
        self.reach("tidy", self.port.tidy(before)).await
    }
}

#[async_trait]
impl MediaUpstream for Guarded<dyn MediaUpstream> {
    async fn media_upload(&self, line: &Line, file: OutgoingFile) -> Result<String, SendOutcome> {
        self.reach("upload", self.port.media_upload(line, file)).await
    }

    async fn media_describe(&self, line: &Line, id: &str) -> Result<MediaInfo, UpstreamError> {
        self.reach("describe", self.port.media_describe(line, id)).await
    }

    async fn media_download(&self, line: &Line, url: &str, most: u64) -> Result<Download, DownloadError> {
        self.reach("download", self.port.media_download(line, url, most)).await
    }

    async fn media_delete(&self, line: &Line, id: &str) -> Result<(), UpstreamError> {
        self.reach("delete_media", self.port.media_delete(line, id)).await
    }
}
