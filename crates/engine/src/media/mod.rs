//! Files: those of customers are fetched and kept, those for customers are taken, kept, and uploaded to Meta once.
//!
//! **Invariant:** memory is flat: a file goes through in pieces, whatever its size.
//!
//! **Invariant:** no content is kept that is not written down, and none is written down as here that is not whole.

mod hand_over;
mod inbound;
mod keep;
mod pieces;
mod uploads;

use std::sync::Arc;

use domain::id::{AccountId, MediaId};
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::Deps;
use crate::access::caller::Caller;
use crate::messages::in_flight::InFlight;
use crate::ports::{
    BlobError, BlobKey, Blobs, ByteStream, Fetcher, MediaRecords, MediaState, MediaUpstream, StoreError,
    StoredMedia,
};

pub use inbound::{LOOK_EVERY, SWEEP_EVERY, sweep, tick};
pub use keep::{Incoming, KeepError, Received, discard, finish, receive};

use hand_over::Links;
pub(crate) use hand_over::{MediaError, check, failure, ready};
use uploads::Uploads;

/// What an operator may set about files.
#[derive(Clone, Copy, Debug)]
pub struct MediaSettings {
    /// Whether a link in a message is fetched here and uploaded, instead of being handed to Meta, where the account does
    /// not say.
    pub fetches_links: bool,
    /// The most bytes of any file; Meta's own limits hold besides.
    pub max_bytes: u64,
    /// How long customers' files are kept; `None` is for ever.
    pub keep_inbound_for: Option<SignedDuration>,
    /// How long files for customers are kept.
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

/// The ports for files, before they become [`Media`].
pub struct MediaPorts {
    /// What is written down of files.
    pub records: Arc<dyn MediaRecords>,
    /// Keeps their content.
    pub blobs: Arc<dyn Blobs>,
    /// The files at Meta.
    pub upstream: Arc<dyn MediaUpstream>,
    /// Fetches links; without one they are handed to Meta.
    pub fetcher: Option<Arc<dyn Fetcher>>,
}

/// The files, and what the process remembers of them.
pub struct Media {
    /// What is written down of files.
    pub records: Arc<dyn MediaRecords>,
    /// Keeps their content.
    pub blobs: Arc<dyn Blobs>,
    /// The files at Meta.
    pub upstream: Arc<dyn MediaUpstream>,
    /// Says that there is a file to fetch.
    pub hint: Notify,
    /// Says that there is something to delete.
    pub sweep_hint: Notify,
    /// The fetches under way. Nobody waits for them at shutdown: the next process fetches again.
    pub fetches: TaskTracker,
    fetcher: Option<Arc<dyn Fetcher>>,
    in_flight: InFlight,
    uploads: Uploads,
    links: Links,
}

impl Media {
    pub(crate) fn new(ports: MediaPorts) -> Self {
        let MediaPorts { records, blobs, upstream, fetcher } = ports;
        Self {
            records,
            blobs,
            upstream,
            hint: Notify::new(),
            sweep_hint: Notify::new(),
            fetches: TaskTracker::new(),
            fetcher,
            in_flight: InFlight::default(),
            uploads: Uploads::default(),
            links: Links::default(),
        }
    }
}

/// One file that the caller may see. `None`: there is none, or it is not theirs to see.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(deps: &Deps, caller: &Caller, id: MediaId) -> Result<Option<StoredMedia>, StoreError> {
    let found = deps.media.records.get_media(caller.workspace(), id).await?;
    let is_visible =
        |account: Option<AccountId>| account.is_none_or(|account| caller.can_see_account(deps, account));
    Ok(found.filter(|media| {
        is_visible(media.account) && !matches!(media.state, MediaState::Receiving | MediaState::Gone)
    }))
}

/// A part of the content of a file that is here. `None`: its content is gone.
///
/// # Errors
/// When it cannot be read.
pub async fn content(
    deps: &Deps,
    caller: &Caller,
    media: &StoredMedia,
    range: std::ops::Range<u64>,
) -> Result<Option<ByteStream>, BlobError> {
    let key = BlobKey { workspace: caller.workspace(), media: media.id };
    deps.media.blobs.read_blob(key, range).await
}
