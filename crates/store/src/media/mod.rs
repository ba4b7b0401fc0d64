//! Media records.

pub(crate) mod records;

use crate::sqlite::port_macro::sqlite_port;
use domain::id::{MediaId, WorkspaceId};
use engine::ports::{
    BlobKey, FinishMediaResult, LeaseCheck, LeaseToken, LeasedMedia, MediaFetchResult, MediaLeaseRequest,
    NewMedia, ReceivedMedia, StoreError, StoredMedia, UploadKey,
};
use jiff::Timestamp;

engine::media_records_port! {
    sqlite_port for MediaRecords {
        lease_media(request) {
            write "leasing media files", move |tx| records::lease_due(tx, &request)
        }
        finish_media_fetch(key, token, result) {
            write "finishing a media download", move |tx| records::finish_download(tx, key, token, &result)
        }
        insert_media(new) {
            write "adding a media file", move |tx| records::insert_media(tx, &new)
        }
        finish_media(received) {
            write "finishing a media file", move |tx| records::finish_media(tx, &received)
        }
        delete_incomplete_media(key) {
            write "deleting an incomplete media file", move |tx| records::delete_unfinished(tx, key)
        }
        get_media(workspace, id) {
            read "reading a media file", move |tx| records::get_media(tx, workspace, id)
        }
        retain_media(key, until) {
            write "extending the retention of a media file", move |tx| records::extend_expiry(tx, key, until)
        }
        get_media_upload(key, now) cloning(key) {
            read "reading a media upload", move |tx| records::get_upload(tx, &key, now)
        }
        insert_media_upload(key, meta_id, _now, expires_at) cloning(key, meta_id) {
            write "adding a media upload", move |tx| records::insert_upload(tx, &key, &meta_id, expires_at)
        }
        expire_media(now, limit) {
            write "expiring media files", move |tx| records::expire_media(tx, now, limit)
        }
        delete_media(key) {
            write "deleting a media file", move |tx| records::delete_media(tx, key)
        }
    }
}
