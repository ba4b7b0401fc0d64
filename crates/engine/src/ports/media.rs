//! Files: where their content is kept, what is written down of them, and how they go to Meta and come from there.

use super::port_macro::port;
use super::{AccountCredentials, LeaseCheck, LeaseToken, StoreError, UpstreamError};
use bytes::Bytes;
use domain::id::{AccountId, MediaId, MessageId, WorkerId, WorkspaceId};
use domain::messages::outcome::SendOutcome;
use domain::text_enum::UnknownVariant;
use futures_core::Stream;
use jiff::Timestamp;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;

/// A file on its way, in pieces: nobody holds the whole of it.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ByteStreamError>> + Send>>;

/// Why a file ends before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByteStreamError {
    /// It has more bytes than it may.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// It is not the one that was announced.
    #[error("the file's SHA-256 is not the announced one")]
    Mismatch,
    /// Where it comes from broke off.
    #[error("{0}")]
    Broken(String),
}

/// Under what a file's content is kept. Both parts are ours: nothing that a stranger wrote becomes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobKey {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The file.
    pub media: MediaId,
}

/// The place where content is kept is in trouble.
#[derive(Debug)]
pub struct BlobError {
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl BlobError {
    /// An error met while `doing` something.
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

/// Why a file's content was not kept.
#[derive(Debug, thiserror::Error)]
pub enum BlobWriteError {
    /// It did not come whole.
    #[error(transparent)]
    Source(ByteStreamError),
    /// It cannot be kept.
    #[error(transparent)]
    Store(BlobError),
}

port! {
    /// Keeps the content of files.
    ///
    /// **Invariant:** under a key there is the whole of a file or nothing, also after a crash.
    pub trait Blobs {
        /// Keeps content. It is on disk when this returns; when the pieces end in an error, nothing is kept.
        async fn write_blob(&self, key: BlobKey, pieces: ByteStream) -> Result<(), BlobWriteError>;

        /// A part of a file's content. `None`: nothing is kept under this key.
        async fn read_blob(&self, key: BlobKey, range: Range<u64>) -> Result<Option<ByteStream>, BlobError>;

        /// Deletes content; what is not there is deleted already.
        async fn delete_blob(&self, key: BlobKey) -> Result<(), BlobError>;

        /// Removes what puts have left behind that began before a time and never ended.
        async fn delete_partial_blobs(&self, before: Timestamp) -> Result<(), BlobError>;
    }
}

/// Where a file came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaOrigin {
    /// From a customer.
    Inbound,
    /// From a caller of the API.
    Upload,
    /// From an address that a caller named.
    Link,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaState {
    /// It is coming in.
    Receiving,
    /// It is to be fetched from Meta.
    Pending,
    /// It is kept here.
    Ready,
    /// It could not be fetched, or is kept no longer.
    Failed,
    /// Its content is being deleted.
    Gone,
}

macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),*) => {
        impl $name {
            /// The word used in the API and the database.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownVariant;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownVariant),
                }
            }
        }
    };
}

words! { MediaOrigin: Inbound = "inbound", Upload = "upload", Link = "link" }
words! {
    MediaState: Receiving = "receiving", Pending = "pending", Ready = "ready", Failed = "failed", Gone = "gone"
}

/// A file, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMedia {
    /// Our id.
    pub id: MediaId,
    /// Whose it is; `None`: any account's of the workspace.
    pub account: Option<AccountId>,
    /// The customer's message that brought it.
    pub message: Option<MessageId>,
    /// Where it came from.
    pub origin: MediaOrigin,
    /// How far it is.
    pub state: MediaState,
    /// Its MIME type.
    pub mime_type: Option<String>,
    /// SHA-256 of its content: announced, until it is here.
    pub sha256: Option<[u8; 32]>,
    /// How many bytes it has.
    pub size: Option<u64>,
    /// Its name.
    pub file_name: Option<String>,
    /// Why it is not here.
    pub reason: Option<String>,
    /// When it is fetched next.
    pub due_at: Option<Timestamp>,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// Kept until then.
    pub expires_at: Option<Timestamp>,
}

/// Which files to fetch.
#[derive(Clone, Debug)]
pub struct MediaLeaseRequest {
    /// The process that fetches them.
    pub worker: WorkerId,
    /// Secrets of the claims: one for each file at most.
    pub tokens: Vec<LeaseToken>,
    /// Accounts that have as many fetches under way as they may.
    pub busy: Vec<AccountId>,
    /// How many files of one account may be claimed.
    pub per_account: u32,
    /// A process that was silent since then is dead, and what it held is free.
    pub silent_since: Timestamp,
    /// Until then a claim holds even if its task is lost.
    pub until: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// A file that is being fetched.
#[derive(Clone, Debug)]
pub struct LeasedMedia {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The file.
    pub id: MediaId,
    /// The proof.
    pub token: LeaseToken,
    /// The account that got it.
    pub account: AccountId,
    /// Meta's id of it.
    pub meta_id: String,
    /// Its type, as announced.
    pub mime_type: Option<String>,
    /// Its digest, as announced.
    pub sha256: Option<[u8; 32]>,
    /// How often it was tried before.
    pub n_failures: u32,
    /// Since when it is known.
    pub created_at: Timestamp,
}

/// How a fetch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaFetchResult {
    /// It is here.
    Ready {
        /// SHA-256 of its content.
        sha256: [u8; 32],
        /// How many bytes it has.
        size: u64,
        /// Its MIME type.
        mime_type: String,
        /// Kept until then.
        expires_at: Option<Timestamp>,
    },
    /// It is tried again.
    Retry {
        /// Not before this time.
        due_at: Timestamp,
        /// What went wrong.
        reason: String,
    },
    /// It is given up.
    Failed {
        /// What went wrong.
        reason: String,
    },
}

/// A file that begins to come in.
#[derive(Clone, Copy, Debug)]
pub struct NewMedia {
    /// Under what its content will be kept.
    pub key: BlobKey,
    /// Whose it is; `None`: any account's of the workspace.
    pub account: Option<AccountId>,
    /// Where it comes from.
    pub origin: MediaOrigin,
    /// When it is forgotten if it never comes whole.
    pub expires_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// A file that has come in.
#[derive(Clone, Debug)]
pub struct ReceivedMedia {
    /// Under what its content is kept.
    pub key: BlobKey,
    /// Whose it is; `None`: any account's of the workspace.
    pub account: Option<AccountId>,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// How many bytes it has.
    pub size: u64,
    /// Its MIME type.
    pub mime_type: String,
    /// Its name.
    pub file_name: Option<String>,
    /// Kept until then.
    pub expires_at: Timestamp,
}

/// What became of a file that has come in.
#[derive(Clone, Debug)]
pub struct FinishMediaResult {
    /// The file: this one, or the one with the same content that was there before.
    pub media: StoredMedia,
    /// Whether it is this one.
    pub is_new: bool,
}

/// What is uploaded to Meta once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadKey {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The account: Meta's ids hold for its number only.
    pub account: AccountId,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
    /// The MIME type.
    pub mime_type: String,
}

port! {
    storage media_records_port;

    /// What is written down of files. One method is one transaction.
    pub trait MediaRecords {
        /// Claims files that are to be fetched, oldest first.
        async fn lease_media(&self, request: MediaLeaseRequest) -> Result<Vec<LeasedMedia>, StoreError>;

        /// Writes down how a fetch ended. [`LeaseCheck::Lost`]: another fetches the file by now.
        async fn finish_media_fetch(
            &self,
            key: BlobKey,
            token: LeaseToken,
            end: MediaFetchResult,
        ) -> Result<LeaseCheck, StoreError>;

        /// Writes down that content is about to be kept, so that nothing is kept that nobody knows of.
        async fn insert_media(&self, new: NewMedia) -> Result<(), StoreError>;

        /// Writes down that content is kept. Where the same content is there already, that one is kept on and this one
        /// given up.
        async fn finish_media(&self, whole: ReceivedMedia) -> Result<FinishMediaResult, StoreError>;

        /// Gives up a file whose content has not come.
        async fn delete_incomplete_media(&self, key: BlobKey) -> Result<(), StoreError>;

        /// One file.
        async fn get_media(&self, workspace: WorkspaceId, id: MediaId)
        -> Result<Option<StoredMedia>, StoreError>;

        /// Keeps a file at least until a time. `false`: it is not kept any more.
        async fn retain_media(&self, key: BlobKey, until: Timestamp) -> Result<bool, StoreError>;

        /// Meta's id of an upload that is still good.
        async fn get_media_upload(&self, key: &UploadKey, now: Timestamp) -> Result<Option<String>, StoreError>;

        /// Writes down Meta's id of an upload, good until `ends_at`.
        async fn insert_media_upload(
            &self,
            key: &UploadKey,
            meta_id: &str,
            now: Timestamp,
            ends_at: Timestamp,
        ) -> Result<(), StoreError>;

        /// Marks what is kept no longer, and says whose content is to be deleted, at most `limit`.
        async fn expire_media(&self, now: Timestamp, limit: u32) -> Result<Vec<BlobKey>, StoreError>;

        /// Forgets a file whose content is deleted; of a customer's file it stays written that it was there.
        async fn delete_media(&self, key: BlobKey) -> Result<(), StoreError>;
    }
}

/// A file for Meta.
pub struct OutgoingFile {
    /// Its MIME type.
    pub mime_type: String,
    /// Its name.
    pub file_name: Option<String>,
    /// How many bytes it has.
    pub size: u64,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Its content.
    pub pieces: ByteStream,
}

/// What Meta says of a file (reference E.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaInfo {
    /// Where it can be had, for five minutes.
    pub url: String,
    /// Its MIME type.
    pub mime_type: Option<String>,
    /// SHA-256 of its content.
    pub sha256: Option<[u8; 32]>,
    /// How many bytes it has.
    pub size: Option<u64>,
}

/// A file on its way from Meta.
pub struct MediaDownload {
    /// `Content-Type` of the answer.
    pub mime_type: Option<String>,
    /// Its content.
    pub pieces: ByteStream,
}

/// Why a file did not come from Meta.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// The address has run out (401, 403, 404): ask for another.
    #[error("HTTP {0} at the file's address")]
    Gone(u16),
    /// The address is not Meta's: nothing was asked there, least of all with a token.
    #[error("the file's address is at `{0}`, which is not Meta's")]
    Foreign(String),
    /// It has more bytes than it may.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// It cannot be had now.
    #[error("{0}")]
    Unreachable(String),
}

port! {
    /// The files at Meta.
    pub trait MediaUpstream {
        /// Uploads a file; gives Meta's id of it.
        ///
        /// # Errors
        /// How it ended instead. Whatever it was, no message was sent by it.
        async fn upload_media(
            &self,
            line: &AccountCredentials,
            file: OutgoingFile,
        ) -> Result<String, SendOutcome>;

        /// Asks where a file can be had.
        async fn get_media_info(&self, line: &AccountCredentials, id: &str) -> Result<MediaInfo, UpstreamError>;

        /// Downloads a file from an address that Meta has named. A body beyond `most` bytes ends in an error.
        async fn download_media(
            &self,
            line: &AccountCredentials,
            url: &str,
            most: u64,
        ) -> Result<MediaDownload, DownloadError>;

        /// Deletes a file.
        async fn delete_uploaded_media(&self, line: &AccountCredentials, id: &str) -> Result<(), UpstreamError>;
    }
}
