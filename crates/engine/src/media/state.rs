//! Settings and ports of files, and the state that the process keeps of them.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::link_cache::LinkCache;
use super::uploads::UploadFlights;
use crate::in_flight::InFlight;
use crate::ports::{Blobs, Fetcher, MediaRecords, MediaUpstream};

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
    pub(super) fetcher: Option<Arc<dyn Fetcher>>,
    pub(super) in_flight: InFlight,
    pub(super) uploads: UploadFlights,
    pub(super) links: LinkCache,
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
