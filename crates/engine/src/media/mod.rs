//! Files: files of inbound messages are downloaded from Meta; files for outbound messages are stored and uploaded to Meta.
//!
//! **Invariant:** the use of memory does not depend on the size of a file: files are streamed.
//!
//! **Invariant:** each stored content has a row, and a row with the state `ready` has complete content.

mod byte_stream;
mod check;
mod inbound;
mod link_cache;
mod outbound;
mod store;
mod uploads;

use std::sync::Arc;

use domain::id::{AccountId, MediaId};
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::Deps;
use crate::access::caller::Caller;
use crate::in_flight::InFlight;
use crate::ports::{
    BlobError, BlobKey, Blobs, ByteStream, Fetcher, MediaRecords, MediaState, MediaUpstream, StoreError,
    StoredMedia,
};

pub(crate) use check::{MediaCheck, MediaCheckError, check};
pub use inbound::{EXPIRY_INTERVAL, POLL_INTERVAL, delete_expired, tick};
pub(crate) use outbound::{MediaError, failure, prepare};
pub use store::{MediaStoreError, NewFile, StagedFile, commit_file, discard_file, stage_file};

use link_cache::LinkCache;
use uploads::UploadFlights;

/// Settings of files.
#[derive(Clone, Copy, Debug)]
pub struct MediaSettings {
    /// `true` if Waypost downloads links of outbound messages and uploads the files; `false` if Meta downloads the links.
    /// The setting of an account takes precedence.
    pub fetches_links: bool,
    /// Maximum number of bytes of a file, in addition to Meta's limits.
    pub max_bytes: u64,
    /// Retention of files of inbound messages; `None` for unlimited retention.
    pub keep_inbound_for: Option<SignedDuration>,
    /// Retention of files for outbound messages.
    pub keep_uploads_for: SignedDuration,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            fetches_links: false,
            max_bytes: domain::media::MAX_FILE_SIZE,
            keep_inbound_for: Some(SignedDuration::from_hours(90 * 24)),
            keep_uploads_for: SignedDuration::from_hours(30 * 24),
        }
    }
}

/// Ports of files.
pub struct MediaPorts {
    /// Records of files.
    pub records: Arc<dyn MediaRecords>,
    /// Content of files.
    pub blobs: Arc<dyn Blobs>,
    /// Files at Meta.
    pub upstream: Arc<dyn MediaUpstream>,
    /// Downloads links; `None` if Meta downloads all links.
    pub fetcher: Option<Arc<dyn Fetcher>>,
}

/// Ports of files, and the state of the process.
pub struct Media {
    /// Records of files.
    pub records: Arc<dyn MediaRecords>,
    /// Content of files.
    pub blobs: Arc<dyn Blobs>,
    /// Files at Meta.
    pub upstream: Arc<dyn MediaUpstream>,
    /// Notified when a file is to be downloaded.
    pub hint: Notify,
    /// Notified when a file is to be deleted.
    pub expiry_hint: Notify,
    /// Downloads in flight. The shutdown does not wait for downloads: the next process downloads again.
    pub downloads: TaskTracker,
    fetcher: Option<Arc<dyn Fetcher>>,
    in_flight: InFlight,
    uploads: UploadFlights,
    links: LinkCache,
}

impl Media {
    pub(crate) fn new(ports: MediaPorts) -> Self {
        let MediaPorts { records, blobs, upstream, fetcher } = ports;
        Self {
            records,
            blobs,
            upstream,
            hint: Notify::new(),
            expiry_hint: Notify::new(),
            downloads: TaskTracker::new(),
            fetcher,
            in_flight: InFlight::default(),
            uploads: UploadFlights::default(),
            links: LinkCache::default(),
        }
    }
}

/// Returns a file; `None` if the file does not exist, or the caller has no access to the file.
///
/// # Errors
/// The store cannot be read.
pub async fn find(deps: &Deps, caller: &Caller, id: MediaId) -> Result<Option<StoredMedia>, StoreError> {
    let found = deps.media.records.get_media(caller.workspace(), id).await?;
    let is_visible =
        |account: Option<AccountId>| account.is_none_or(|account| caller.can_see_account(deps, account));
    Ok(found.filter(|media| {
        is_visible(media.account) && !matches!(media.state, MediaState::Receiving | MediaState::Gone)
    }))
}

/// Returns a range of the content of a file; `None` if the content was deleted.
///
/// # Errors
/// The content cannot be read.
pub async fn content(
    deps: &Deps,
    caller: &Caller,
    media: &StoredMedia,
    range: std::ops::Range<u64>,
) -> Result<Option<ByteStream>, BlobError> {
    let key = BlobKey { workspace: caller.workspace(), media: media.id };
    deps.media.blobs.read_blob(key, range).await
}
