//! The ports for files, with somebody in front.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use domain::id::{MediaId, WorkspaceId};
use domain::messages::outcome::SendOutcome;
use engine::media::MediaPorts;
use engine::ports::{
    AccountCredentials, BlobError, BlobKey, BlobWriteError, Blobs, ByteStream, DownloadError,
    FinishMediaResult, LeaseCheck, LeaseToken, LeasedMedia, MediaDownload, MediaFetchResult, MediaInfo,
    MediaLeaseRequest, MediaRecords, MediaUpstream, NewMedia, OutgoingFile, ReceivedMedia, StoreError,
    StoredMedia, UploadKey, UpstreamError,
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
    async fn lease_media(&self, request: MediaLeaseRequest) -> Stored<Vec<LeasedMedia>> {
        self.ask("lease_media", self.port.lease_media(request)).await
    }

    async fn finish_media_fetch(
        &self,
        key: BlobKey,
        token: LeaseToken,
        end: MediaFetchResult,
    ) -> Stored<LeaseCheck> {
        self.ask("finish_media_fetch", self.port.finish_media_fetch(key, token, end)).await
    }

    async fn insert_media(&self, new: NewMedia) -> Stored<()> {
        self.ask("insert_media", self.port.insert_media(new)).await
    }

    async fn finish_media(&self, whole: ReceivedMedia) -> Stored<FinishMediaResult> {
        self.ask("finish_media", self.port.finish_media(whole)).await
    }

    async fn delete_incomplete_media(&self, key: BlobKey) -> Stored<()> {
        self.ask("delete_incomplete_media", self.port.delete_incomplete_media(key)).await
    }

    async fn get_media(&self, workspace: WorkspaceId, id: MediaId) -> Stored<Option<StoredMedia>> {
        self.ask("get_media", self.port.get_media(workspace, id)).await
    }

    async fn retain_media(&self, key: BlobKey, until: Timestamp) -> Stored<bool> {
        self.ask("retain_media", self.port.retain_media(key, until)).await
    }

    async fn get_media_upload(&self, key: &UploadKey, now: Timestamp) -> Stored<Option<String>> {
        self.ask("get_media_upload", self.port.get_media_upload(key, now)).await
    }

    async fn insert_media_upload(
        &self,
        key: &UploadKey,
        meta_id: &str,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Stored<()> {
        self.ask("insert_media_upload", self.port.insert_media_upload(key, meta_id, now, ends_at)).await
    }

    async fn expire_media(&self, now: Timestamp, limit: u32) -> Stored<Vec<BlobKey>> {
        self.ask("expire_media", self.port.expire_media(now, limit)).await
    }

    async fn delete_media(&self, key: BlobKey) -> Stored<()> {
        self.ask("delete_media", self.port.delete_media(key)).await
    }
}

#[async_trait]
impl Blobs for Guarded<dyn Blobs> {
    async fn write_blob(&self, key: BlobKey, pieces: ByteStream) -> Result<(), BlobWriteError> {
        self.reach("write_blob", self.port.write_blob(key, pieces)).await
    }

    async fn read_blob(&self, key: BlobKey, range: Range<u64>) -> Result<Option<ByteStream>, BlobError> {
        self.reach("read_blob", self.port.read_blob(key, range)).await
    }

    async fn delete_blob(&self, key: BlobKey) -> Result<(), BlobError> {
        self.reach("delete_blob", self.port.delete_blob(key)).await
    }

    async fn delete_partial_blobs(&self, before: Timestamp) -> Result<(), BlobError> {
        self.reach("delete_partial_blobs", self.port.delete_partial_blobs(before)).await
    }
}

#[async_trait]
impl MediaUpstream for Guarded<dyn MediaUpstream> {
    async fn upload_media(
        &self,
        line: &AccountCredentials,
        file: OutgoingFile,
    ) -> Result<String, SendOutcome> {
        self.reach("upload_media", self.port.upload_media(line, file)).await
    }

    async fn get_media_info(&self, line: &AccountCredentials, id: &str) -> Result<MediaInfo, UpstreamError> {
        self.reach("get_media_info", self.port.get_media_info(line, id)).await
    }

    async fn download_media(
        &self,
        line: &AccountCredentials,
        url: &str,
        most: u64,
    ) -> Result<MediaDownload, DownloadError> {
        self.reach("download_media", self.port.download_media(line, url, most)).await
    }

    async fn delete_uploaded_media(&self, line: &AccountCredentials, id: &str) -> Result<(), UpstreamError> {
        self.reach("delete_uploaded_media", self.port.delete_uploaded_media(line, id)).await
    }
}
