//! The port of what is written down of files, each method one transaction.

use async_trait::async_trait;
use domain::id::{MediaId, WorkspaceId};
use jiff::Timestamp;

use crate::media;
use crate::sqlite::SqliteStore;

use engine::ports::{
    BlobKey, ClaimToken, ClaimedMedia, FetchEnd, Kept, MediaClaimRequest, MediaRecords, NewMedia, Settled,
    StoreError, StoredMedia, UploadKey, WholeMedia,
};

#[async_trait]
impl MediaRecords for SqliteStore {
    async fn media_claim(&self, request: MediaClaimRequest) -> Result<Vec<ClaimedMedia>, StoreError> {
        self.write("claiming files to fetch", move |tx| media::records::lease_due(tx, &request)).await
    }

    async fn media_settle(
        &self,
        key: BlobKey,
        token: ClaimToken,
        end: FetchEnd,
    ) -> Result<Settled, StoreError> {
        self.write("settling a fetch", move |tx| media::records::finish_download(tx, key, token, &end)).await
    }

    async fn media_begin(&self, new: NewMedia) -> Result<(), StoreError> {
        self.write("beginning to take a file", move |tx| media::records::insert_media(tx, &new)).await
    }

    async fn media_finish(&self, whole: WholeMedia) -> Result<Kept, StoreError> {
        self.write("keeping a file", move |tx| media::records::finish_media(tx, &whole)).await
    }

    async fn media_abandon(&self, key: BlobKey) -> Result<(), StoreError> {
        self.write("giving up a file", move |tx| media::records::delete_unfinished(tx, key)).await
    }

    async fn media(&self, workspace: WorkspaceId, id: MediaId) -> Result<Option<StoredMedia>, StoreError> {
        self.read("reading a file's row", move |connection| {
            media::records::get_media(connection, workspace, id)
        })
        .await
    }

    async fn media_hold(&self, key: BlobKey, until: Timestamp) -> Result<bool, StoreError> {
        self.write("keeping a file longer", move |tx| media::records::extend_expiry(tx, key, until)).await
    }

    async fn media_upload(&self, key: &UploadKey, now: Timestamp) -> Result<Option<String>, StoreError> {
        let key = key.clone();
        self.read("looking for an upload", move |connection| {
            media::records::get_upload(connection, &key, now)
        })
        .await
    }

    async fn media_uploaded(
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

    async fn media_gone(&self, now: Timestamp, limit: u32) -> Result<Vec<BlobKey>, StoreError> {
        self.write("marking files that are over", move |tx| media::records::expire_media(tx, now, limit))
            .await
    }

    async fn media_forget(&self, key: BlobKey) -> Result<(), StoreError> {
        self.write("forgetting a file", move |tx| media::records::delete_media(tx, key)).await
    }
}
