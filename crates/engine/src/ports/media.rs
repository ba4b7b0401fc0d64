//! Ports of files: content, records, and files at Meta.

use super::lease::{LeaseCheck, LeaseToken};
use super::port_macro::port;
use super::storage::{Page, PageRequest, StoreError};
use super::upstream::{AccountCredentials, UpstreamError};
use bytes::Bytes;
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, MediaId, MessageId, WorkerId, WorkspaceId};
use domain::messages::outcome::SendOutcome;
use futures_core::Stream;
use jiff::Timestamp;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;

/// Content of a file as a stream of chunks.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ByteStreamError>> + Send>>;

/// Error of a stream of file content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByteStreamError {
    /// The file is too large.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// The content has another SHA-256 than expected.
    #[error("the file's SHA-256 differs from the expected SHA-256")]
    Mismatch,
    /// The source ended with an error.
    #[error("{0}")]
    Broken(String),
}

/// Key of a file's content. Waypost creates both parts: no text from outside becomes part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobKey {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the file.
    pub media: MediaId,
}

/// Error of the store of file content.
#[derive(Debug)]
pub struct BlobError {
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl BlobError {
    /// Creates an error that occurred while `doing` something.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { doing, source: source.into() }
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)
    }
}

impl std::error::Error for BlobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source: &(dyn std::error::Error + 'static) = self.source.as_ref();
        Some(source)
    }
}

/// Error of storing the content of a file.
#[derive(Debug, thiserror::Error)]
pub enum BlobWriteError {
    /// The source ended with an error.
    #[error(transparent)]
    Source(ByteStreamError),
    /// The content cannot be stored.
    #[error(transparent)]
    Store(BlobError),
}

port! {
    /// Content of files.
    ///
    /// **Invariant:** a key has complete content or none, also after a crash.
    pub trait Blobs {
        /// Stores content. The content is on disk when the call returns. If the stream ends with an error, nothing is stored.
        async fn write_blob(&self, key: BlobKey, content: ByteStream) -> Result<(), BlobWriteError>;

        /// Returns a range of a file's content; `None` if the key has no content.
        async fn read_blob(&self, key: BlobKey, range: Range<u64>) -> Result<Option<ByteStream>, BlobError>;

        /// Deletes content. Missing content is not an error.
        async fn delete_blob(&self, key: BlobKey) -> Result<(), BlobError>;

        /// Deletes the files of unfinished writes that started before a time.
        async fn delete_partial_blobs(&self, before: Timestamp) -> Result<(), BlobError>;
    }
}

domain::text_enum! {
    /// Origin of a file.
    pub enum MediaOrigin {
        /// File of an inbound message.
        Inbound = "inbound",
        /// Upload through the API.
        Upload = "upload",
        /// Download from a link of an outbound message.
        Link = "link",
    }
}

domain::text_enum! {
    /// State of a file.
    pub enum MediaState {
        /// The content is being stored.
        Receiving = "receiving",
        /// The content is to be downloaded from Meta.
        Pending = "pending",
        /// The content is stored.
        Ready = "ready",
        /// The content could not be downloaded, or was deleted.
        Failed = "failed",
        /// The content is being deleted.
        Gone = "gone",
    }
}

/// Record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMedia {
    /// Identifier of the file.
    pub id: MediaId,
    /// Account of the file; `None` if all accounts of the workspace may use the file.
    pub account: Option<AccountId>,
    /// Inbound message of the file.
    pub message: Option<MessageId>,
    /// Origin of the file.
    pub origin: MediaOrigin,
    /// State of the file.
    pub state: MediaState,
    /// MIME type of the file.
    pub mime_type: Option<String>,
    /// SHA-256 of the content. Until the content is stored: the SHA-256 that Meta announced.
    pub sha256: Option<[u8; 32]>,
    /// Number of bytes.
    pub size: Option<u64>,
    /// Name of the file.
    pub file_name: Option<String>,
    /// Reason for which the content is not stored.
    pub reason: Option<String>,
    /// Time of the next download.
    pub due_at: Option<Timestamp>,
    /// Time at which the file was created.
    pub created_at: Timestamp,
    /// Time at which the file expires; `None` for unlimited retention.
    pub expires_at: Option<Timestamp>,
}

/// Filter of a list of files. A field with `None` matches all files.
#[derive(Clone, Debug, Default)]
pub struct MediaFilter {
    /// Accounts whose files are listed, with the files of the whole workspace; `None` lists the files of all accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// Account of the files.
    pub account: Option<AccountId>,
    /// Origin of the files.
    pub origin: Option<MediaOrigin>,
    /// State of the files.
    pub state: Option<MediaState>,
    /// Earliest time of creation.
    pub since: Option<Timestamp>,
    /// Time before which the files were created.
    pub until: Option<Timestamp>,
}

/// Result of a search for messages that wait and need a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaUse {
    /// A message that waits and needs the file; `None` if there is none.
    pub message: Option<MessageId>,
    /// Position of the newest message that was read: later messages are not known yet.
    pub newest: i64,
}

/// Result of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMediaResult {
    /// The file is deleted.
    Deleted,
    /// A message waits and needs the file.
    InUse(MessageId),
    /// The file does not exist.
    NotFound,
}

/// Request to lease files for download.
#[derive(Clone, Debug)]
pub struct MediaLeaseRequest {
    /// Worker that leases the files.
    pub worker: WorkerId,
    /// Tokens of the leases: their number is the maximum number of files.
    pub tokens: Vec<LeaseToken>,
    /// Accounts that have the maximum number of downloads in flight.
    pub busy: Vec<AccountId>,
    /// Maximum number of files of one account.
    pub per_account: u32,
    /// Time of the last heartbeat before which a worker is dead and its leases end.
    pub silent_since: Timestamp,
    /// End of the leases.
    pub until: Timestamp,
    /// Current time.
    pub now: Timestamp,
}

/// File that is leased for download.
#[derive(Clone, Debug)]
pub struct LeasedMedia {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the file.
    pub id: MediaId,
    /// Token of the lease.
    pub token: LeaseToken,
    /// Account that received the file.
    pub account: AccountId,
    /// Meta's media ID.
    pub meta_id: String,
    /// MIME type that Meta announced.
    pub mime_type: Option<String>,
    /// SHA-256 that Meta announced.
    pub sha256: Option<[u8; 32]>,
    /// Number of failed downloads.
    pub n_failures: u32,
    /// Time at which the file was created.
    pub created_at: Timestamp,
}

/// Result of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaFetchResult {
    /// The content is stored.
    Ready {
        /// SHA-256 of the content.
        sha256: [u8; 32],
        /// Number of bytes.
        size: u64,
        /// MIME type of the file.
        mime_type: String,
        /// Time at which the file expires; `None` for unlimited retention.
        expires_at: Option<Timestamp>,
    },
    /// The download is retried.
    Retry {
        /// Earliest time of the next download.
        due_at: Timestamp,
        /// Reason of the failure.
        reason: String,
    },
    /// The download failed permanently.
    Failed {
        /// Reason of the failure.
        reason: String,
    },
}

/// File whose content is going to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewMedia {
    /// Key of the content.
    pub key: BlobKey,
    /// Account of the file; `None` if all accounts of the workspace may use the file.
    pub account: Option<AccountId>,
    /// Origin of the file.
    pub origin: MediaOrigin,
    /// Time at which the record expires if the file is not finished.
    pub expires_at: Timestamp,
    /// Current time.
    pub now: Timestamp,
}

/// File whose content is stored.
#[derive(Clone, Debug)]
pub struct ReceivedMedia {
    /// Key of the content.
    pub key: BlobKey,
    /// Account of the file; `None` if all accounts of the workspace may use the file.
    pub account: Option<AccountId>,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// Number of bytes.
    pub size: u64,
    /// MIME type of the file.
    pub mime_type: String,
    /// Name of the file.
    pub file_name: Option<String>,
    /// Time at which the file expires; `None` for unlimited retention.
    pub expires_at: Timestamp,
}

/// Result of finishing a file.
#[derive(Clone, Debug)]
pub struct FinishMediaResult {
    /// Record of the file, or of an earlier file with the same content.
    pub media: StoredMedia,
    /// `true` if the record is that of the new file.
    pub is_new: bool,
}

/// Key of an upload to Meta. Content with the same key is uploaded once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadKey {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the account: Meta's media IDs are valid for one number.
    pub account: AccountId,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// MIME type of the content.
    pub mime_type: String,
}

port! {
    storage media_records_port;

    /// Records of files. Each method is one transaction.
    pub trait MediaRecords {
        /// Leases files that are to be downloaded, oldest first.
        async fn lease_media(&self, request: MediaLeaseRequest) -> Result<Vec<LeasedMedia>, StoreError>;

        /// Stores the result of a download. Returns [`LeaseCheck::Lost`] if the lease has ended.
        async fn finish_media_fetch(
            &self,
            key: BlobKey,
            token: LeaseToken,
            end: MediaFetchResult,
        ) -> Result<LeaseCheck, StoreError>;

        /// Inserts the record of a file before its content is stored, so that each content has a record.
        async fn insert_media(&self, new: NewMedia) -> Result<(), StoreError>;

        /// Finishes a file whose content is stored. If a file with the same content exists, that file is retained instead, and
        /// the new file is deleted.
        async fn finish_media(&self, whole: ReceivedMedia) -> Result<FinishMediaResult, StoreError>;

        /// Marks a file that was not finished for deletion.
        async fn delete_incomplete_media(&self, key: BlobKey) -> Result<(), StoreError>;

        /// Returns the record of a file.
        async fn get_media(&self, workspace: WorkspaceId, id: MediaId)
        -> Result<Option<StoredMedia>, StoreError>;

        /// Lists files, newest first. Files whose content is being stored or deleted are not listed.
        async fn list_media(
            &self,
            workspace: WorkspaceId,
            filter: &MediaFilter,
            page: PageRequest,
        ) -> Result<Page<StoredMedia>, StoreError>;

        /// Returns a message that waits and needs a file.
        async fn get_media_use(&self, key: BlobKey) -> Result<MediaUse, StoreError>;

        /// Marks a file for deletion, unless a message that is later than `newest`, or that is being sent, needs the file.
        async fn delete_unused_media(
            &self,
            key: BlobKey,
            newest: i64,
            entry: AuditEntry,
        ) -> Result<DeleteMediaResult, StoreError>;

        /// Extends the retention of a file to a time. Returns `false` if the file has no content.
        async fn retain_media(&self, key: BlobKey, until: Timestamp) -> Result<bool, StoreError>;

        /// Returns Meta's media ID of an upload that has not expired.
        async fn get_media_upload(&self, key: &UploadKey, now: Timestamp) -> Result<Option<String>, StoreError>;

        /// Inserts Meta's media ID of an upload, which expires at `ends_at`.
        async fn insert_media_upload(
            &self,
            key: &UploadKey,
            meta_id: &str,
            now: Timestamp,
            ends_at: Timestamp,
        ) -> Result<(), StoreError>;

        /// Marks expired files, at most `limit`, and returns the keys of the content to delete.
        async fn expire_media(&self, now: Timestamp, limit: u32) -> Result<Vec<BlobKey>, StoreError>;

        /// Deletes the record of a file whose content is deleted. The record of an inbound file stays, as failed.
        async fn delete_media(&self, key: BlobKey) -> Result<(), StoreError>;
    }
}

/// File to upload to Meta.
pub struct OutgoingFile {
    /// MIME type of the file.
    pub mime_type: String,
    /// Name of the file, with an extension of its type.
    pub file_name: String,
    /// Number of bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// Content of the file.
    pub content: ByteStream,
}

/// Meta's information about a file.
///
/// Meta: Media, <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaInfo {
    /// URL of the content, valid for five minutes.
    pub url: String,
    /// MIME type of the file.
    pub mime_type: Option<String>,
    /// SHA-256 of the content.
    pub sha256: Option<[u8; 32]>,
    /// Number of bytes.
    pub size: Option<u64>,
}

/// Download from Meta.
pub struct MediaDownload {
    /// `Content-Type` of the response.
    pub mime_type: Option<String>,
    /// Content of the file.
    pub content: ByteStream,
}

/// Error of a download from Meta.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// The URL has expired (401, 403, 404): get another URL.
    #[error("HTTP {0} from the file's URL")]
    Gone(u16),
    /// The URL does not belong to Meta: no request was made, because it would contain the access token.
    #[error("the host of the file's URL is `{0}`, which does not belong to Meta")]
    Foreign(String),
    /// The file is too large.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// Meta is unreachable.
    #[error("{0}")]
    Unreachable(String),
}

port! {
    /// Files at Meta.
    pub trait MediaUpstream {
        /// Uploads a file. Returns Meta's media ID.
        ///
        /// # Errors
        /// The outcome of the failed call. No message was sent.
        async fn upload_media(
            &self,
            line: &AccountCredentials,
            file: OutgoingFile,
        ) -> Result<String, SendOutcome>;

        /// Returns Meta's information about a file.
        async fn get_media_info(&self, line: &AccountCredentials, id: &str) -> Result<MediaInfo, UpstreamError>;

        /// Downloads a file from a URL of Meta. The content ends with an error after `most` bytes.
        async fn download_media(
            &self,
            line: &AccountCredentials,
            url: &str,
            most: u64,
        ) -> Result<MediaDownload, DownloadError>;

        /// Deletes a file at Meta.
        async fn delete_uploaded_media(&self, line: &AccountCredentials, id: &str) -> Result<(), UpstreamError>;
    }
}
