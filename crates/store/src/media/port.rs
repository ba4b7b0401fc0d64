//! The port of what is written down of files, each method one transaction.

use async_trait::async_trait;
use domain::id::{MediaId, WorkspaceId};
use jiff::Timestamp;

use crate::media;
use crate::sqlite::SqliteStore;

use engine::ports::{
    BlobKey, FinishMediaResult, LeaseCheck, LeaseToken, LeasedMedia, MediaFetchResult, MediaLeaseRequest,
    MediaRecords, NewMedia, ReceivedMedia, StoreError, StoredMedia, UploadKey,
};

#[async_trait]
impl MediaRecords for SqliteStore {
    async fn lease_media(&self, request: MediaLeaseRequest) -> Result<Vec<LeasedMedia>, StoreError> {
        self.write("claiming files to fetch", move |tx| media::records::lease_due(tx, &request)).await
    }

    async fn finish_media_fetch(
        &self,
        key: BlobKey,
        token: LeaseToken,
        end: MediaFetchResult,
    ) -> Result<LeaseCheck, StoreError> {
        self.write("settling a fetch", move |tx| media::records::finish_download(tx, key, token, &end)).await
    }

    async fn insert_media(&self, new: NewMedia) -> Result<(), StoreError> {
        self.write("beginning to take a file", move |tx| media::records::insert_media(tx, &new)).await
    }

    async fn finish_media(&self, whole: ReceivedMedia) -> Result<FinishMediaResult, StoreError> {
        self.write("keeping a file", move |tx| media::records::finish_media(tx, &whole)).await
    }

    async fn delete_incomplete_media(&self, key: BlobKey) -> Result<(), StoreError> {
        self.write("giving up a file", move |tx| media::records::delete_unfinished(tx, key)).await
    }

    async fn get_media(
        &self,
        workspace: WorkspaceId,
        id: MediaId,
    ) -> Result<Option<StoredMedia>, StoreError> {
        self.read("reading a file's row", move |connection| {
            media::records::get_media(connection, workspace, id)
        })
        .await
    }

    async fn retain_media(&self, key: BlobKey, until: Timestamp) -> Result<bool, StoreError> {
        self.write("keeping a file longer", move |tx| media::records::extend_expiry(tx, key, until)).await
    }

    async fn get_media_upload(&self, key: &UploadKey, now: Timestamp) -> Result<Option<String>, StoreError> {
        let key = key.clone();
        self.read("looking for an upload", move |connection| {
            media::records::get_upload(connection, &key, now)
        })
        .await
    }

    async fn insert_media_upload(
        &self,
        key: &UploadKey,
        meta_id: &str,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, meta_id) = (key.clone(), meta_id.to_owned());
        self.write("keeping the id of an upload", move |tx| {
            media::records::insert_upload(tx, &key, &meta_id, (now, ends_at))
        })
        .await
    }

    async fn expire_media(&self, now: Timestamp, limit: u32) -> Result<Vec<BlobKey>, StoreError> {
        self.write("marking files that are over", move |tx| media::records::expire_media(tx, now, limit))
            .await
    }

    async fn delete_media(&self, key: BlobKey) -> Result<(), StoreError> {
        self.write("forgetting a file", move |tx| media::records::delete_media(tx, key)).await
    }
}
