//! Media records.

pub(crate) mod deletion;
pub(crate) mod list;
pub(crate) mod records;

use crate::sqlite::port_macro::sqlite_port;
use domain::access::audit::AuditEntry;
use domain::id::{MediaId, WorkspaceId};
use engine::ports::{
    BlobKey, DeleteMediaResult, FinishMediaResult, LeaseCheck, LeaseToken, LeasedMedia, MediaFetchResult,
    MediaFilter, MediaLeaseRequest, MediaUse, NewMedia, Page, PageRequest, ReceivedMedia, StoreError,
    StoredMedia, UploadKey,
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
        list_media(workspace, filter, page) cloning(filter) {
            list "listing media files", move |tx| list::list_media(tx, workspace, &filter, page)
        }
        get_media_use(key) {
            read "searching for messages with a media file", move |tx| deletion::get_media_use(tx, key)
        }
        delete_unused_media(key, newest, audit_entry) {
            write "deleting a media file that no message needs",
            move |tx| deletion::delete_unused_media(tx, key, newest, &audit_entry)
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
