//! Files of inbound messages: downloaded from Meta, and retried until Meta deletes the file.
//!
//! A lease belongs to a worker and ends with it, or after [`LEASE_PERIOD`]. So two processes never download the same file
//! at the same time, and the download of a process that died is started again.

use std::sync::Arc;

use domain::id::AccountId;
use domain::media::{DOWNLOAD_RETRY_PERIOD, MAX_FILE_SIZE, essence, next_download_at};
use jiff::{SignedDuration, Timestamp};

use super::byte_stream::{ContentDigest, digest_stream};
use crate::ports::WORKER_TIMEOUT;
use crate::ports::{
    AccountCredentials, AccountRecord, BlobKey, BlobWriteError, ByteStreamError, DownloadError, LeaseCheck,
    LeasedMedia, MediaDownload, MediaFetchResult, MediaInfo, MediaLeaseRequest, StoreError, UpstreamError,
};
use crate::{Deps, chain};

/// Interval of the rounds of downloads without a hint.
pub const POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(2);
/// Interval of the deletion of expired files without a hint.
pub const EXPIRY_INTERVAL: SignedDuration = SignedDuration::from_secs(60);
/// Maximum number of downloads at a time.
const MAX_DOWNLOADS: u32 = 16;
/// Maximum number of downloads of one account at a time: a slow account leaves capacity for the others.
const MAX_DOWNLOADS_PER_ACCOUNT: u32 = 4;
/// Duration of a lease: longer than any download takes.
const LEASE_PERIOD: SignedDuration = SignedDuration::from_mins(20);
/// Maximum number of files that are deleted in one round.
const EXPIRE_BATCH: u32 = 200;
/// Age after which the files of unfinished writes are deleted.
const PARTIAL_BLOB_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// MIME type of a file without a declared type.
const DEFAULT_TYPE: &str = "application/octet-stream";

/// Starts downloads. Returns their number.
///
/// # Errors
/// The store cannot be used; the next round tries again.
pub async fn tick(deps: &Arc<Deps>) -> Result<u32, StoreError> {
    let n_running = u32::try_from(deps.media.downloads.len()).unwrap_or(u32::MAX);
    let capacity = MAX_DOWNLOADS.saturating_sub(n_running);
    if capacity == 0 {
        return Ok(0);
    }
    let directory = deps.directory.current();
    let accounts = || directory.accounts.iter().map(|record| record.account.id);
    let is_busy = |id: &AccountId| deps.media.in_flight.count(*id) >= MAX_DOWNLOADS_PER_ACCOUNT;
    let now = deps.now();
    let request = MediaLeaseRequest {
        worker: deps.worker,
        tokens: (0..capacity).map(|_| deps.new_token()).collect(),
        busy: accounts().filter(is_busy).collect(),
        per_account: MAX_DOWNLOADS_PER_ACCOUNT,
        silent_since: now.saturating_sub(WORKER_TIMEOUT).unwrap_or(Timestamp::MIN),
        until: now.saturating_add(LEASE_PERIOD).unwrap_or(Timestamp::MAX),
        now,
    };
    let leased = deps.media.records.lease_media(request).await?;
    let n_leased = u32::try_from(leased.len()).unwrap_or(u32::MAX);
    for media in leased {
        let record = directory.accounts.iter().find(|record| record.account.id == media.account).cloned();
        let (task_deps, in_flight) = (deps.clone(), deps.media.in_flight.enter(media.account));
        deps.media.downloads.spawn(async move {
            download(&task_deps, record.as_deref(), &media).await;
            drop(in_flight);
            // There is capacity for another download.
            task_deps.media.hint.notify_one();
        });
    }
    Ok(n_leased)
}

/// Downloads a file and stores the result.
async fn download(deps: &Deps, record: Option<&AccountRecord>, media: &LeasedMedia) {
    let key = BlobKey { workspace: media.workspace, media: media.id };
    let result = match record {
        // The access token was deleted with the account.
        None => MediaFetchResult::Failed { reason: "the account that received it was removed".to_owned() },
        Some(record) => match download_content(deps, &record.credentials(), media).await {
            Ok(result) => result,
            Err(MediaDownloadError::Permanent(reason)) => MediaFetchResult::Failed { reason },
            Err(MediaDownloadError::Temporary(reason)) => retry(deps, media, reason),
        },
    };
    if let MediaFetchResult::Retry { reason, .. } | MediaFetchResult::Failed { reason } = &result {
        let is_permanent = matches!(result, MediaFetchResult::Failed { .. });
        tracing::warn!(media.id = %media.id, account.id = %media.account, reason, is_permanent,
            "a file could not be downloaded");
    }
    match deps.media.records.finish_media_fetch(key, media.token, result).await {
        Ok(LeaseCheck::Valid) => {}
        Ok(LeaseCheck::Lost) => {
            tracing::warn!(media.id = %media.id, "another process has taken over a download");
        }
        // The lease ends, and the file is downloaded again.
        Err(error) => {
            tracing::error!(error = %chain(&error), media.id = %media.id,
                "the result of a download could not be stored");
        }
    }
}

/// Error of a download.
enum MediaDownloadError {
    /// The download is retried.
    Temporary(String),
    /// The file can never be downloaded.
    Permanent(String),
}

impl From<UpstreamError> for MediaDownloadError {
    fn from(error: UpstreamError) -> Self {
        Self::Temporary(match error {
            UpstreamError::Refused(error) => {
                let text = error.details.as_deref().or(error.title.as_deref()).unwrap_or(error.entry().title);
                format!("Meta refused with code {}: {text}", error.code)
            }
            UpstreamError::Throttled { .. } => "Meta limits the rate of calls".to_owned(),
            UpstreamError::Unreachable(reason) => format!("Meta is unreachable: {reason}"),
        })
    }
}

impl From<DownloadError> for MediaDownloadError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::TooLarge(_) => Self::Permanent(error.to_string()),
            DownloadError::Gone(_) | DownloadError::Foreign(_) | DownloadError::Unreachable(_) => {
                Self::Temporary(error.to_string())
            }
        }
    }
}

/// Downloads the content of a file and stores the content.
async fn download_content(
    deps: &Deps,
    credentials: &AccountCredentials,
    media: &LeasedMedia,
) -> Result<MediaFetchResult, MediaDownloadError> {
    let max_bytes = deps.settings.media.max_bytes.min(MAX_FILE_SIZE);
    let OpenDownload { info, download } = open_download(deps, credentials, media, max_bytes).await?;
    let MediaDownload { mime_type, content } = download;
    let expected = media.sha256.into_iter().chain(info.sha256).collect();
    let (content, digest) = digest_stream(content, max_bytes, expected);
    let key = BlobKey { workspace: media.workspace, media: media.id };
    deps.media.blobs.write_blob(key, content).await.map_err(|error| match error {
        BlobWriteError::Source(ByteStreamError::TooLarge(_)) => {
            MediaDownloadError::Permanent(error.to_string())
        }
        BlobWriteError::Source(ByteStreamError::Mismatch | ByteStreamError::Broken(_)) => {
            MediaDownloadError::Temporary(error.to_string())
        }
        BlobWriteError::Store(error) => MediaDownloadError::Temporary(chain(&error)),
    })?;
    let Some(ContentDigest { sha256, size }) = digest.get() else {
        return Err(MediaDownloadError::Temporary("the file was not read to its end".to_owned()));
    };
    let declared = media.mime_type.clone().or(info.mime_type).or(mime_type);
    let mime_type =
        declared.filter(|mime| !essence(mime).is_empty()).unwrap_or_else(|| DEFAULT_TYPE.to_owned());
    let expires_at =
        deps.settings.media.keep_inbound_for.and_then(|span| deps.now().saturating_add(span).ok());
    Ok(MediaFetchResult::Ready { sha256, size, mime_type, expires_at })
}

/// Download whose response has started.
struct OpenDownload {
    info: MediaInfo,
    download: MediaDownload,
}

/// Gets the URL of a file and starts the download. An expired URL is replaced once.
async fn open_download(
    deps: &Deps,
    credentials: &AccountCredentials,
    media: &LeasedMedia,
    max_bytes: u64,
) -> Result<OpenDownload, MediaDownloadError> {
    let mut is_second = false;
    loop {
        let info = deps.media.upstream.get_media_info(credentials, &media.meta_id).await?;
        if let Some(size) = info.size.filter(|size| *size > max_bytes) {
            let reason = format!("the file has {size} bytes; the maximum is {max_bytes}");
            return Err(MediaDownloadError::Permanent(reason));
        }
        match deps.media.upstream.download_media(credentials, &info.url, max_bytes).await {
            Ok(download) => return Ok(OpenDownload { info, download }),
            Err(DownloadError::Gone(_)) if !is_second => is_second = true,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns the result of a failed download: a retry, or the end of the retries.
fn retry(deps: &Deps, media: &LeasedMedia, reason: String) -> MediaFetchResult {
    let mut random = [0; 8];
    deps.random.fill(&mut random);
    let n_failures = media.n_failures.saturating_add(1);
    let random = u64::from_le_bytes(random);
    match next_download_at(n_failures, media.created_at, deps.now(), random) {
        Some(due_at) => MediaFetchResult::Retry { due_at, reason },
        None => {
            let days = DOWNLOAD_RETRY_PERIOD.as_hours() / 24;
            let reason = format!("not downloaded within {days} days; last error: {reason}");
            MediaFetchResult::Failed { reason }
        }
    }
}

/// Deletes expired files: each is marked first, then its content is deleted, then its row. Returns the number of files.
///
/// # Errors
/// The store cannot be used; the next round tries again.
pub async fn delete_expired(deps: &Deps) -> Result<u32, StoreError> {
    let now = deps.now();
    let before = now.saturating_sub(PARTIAL_BLOB_PERIOD).unwrap_or(Timestamp::MIN);
    if let Err(error) = deps.media.blobs.delete_partial_blobs(before).await {
        tracing::warn!(error = %chain(&error), "the files of unfinished writes could not be deleted");
    }
    let mut n_deleted = 0;
    for key in deps.media.records.expire_media(now, EXPIRE_BATCH).await? {
        if let Err(error) = deps.media.blobs.delete_blob(key).await {
            tracing::warn!(error = %chain(&error), media.id = %key.media, "a file could not be deleted");
            continue;
        }
        deps.media.records.delete_media(key).await?;
        n_deleted += 1;
    }
    Ok(n_deleted)
}
