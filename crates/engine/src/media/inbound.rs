//! Customers' files are fetched from Meta: at once, again while that fails, until Meta has them no more.
//!
//! A claim is the worker's, and ends with the worker or after [`CLAIM_FOR`]; so two processes do not fetch the same file,
//! and a fetch whose process died is begun again.

use std::sync::Arc;

use domain::media::{DOWNLOAD_RETRY_PERIOD, MAX_FILE_SIZE, essence, next_download_at};
use jiff::{SignedDuration, Timestamp};

use super::pieces::measured;
use crate::ports::WORKER_TIMEOUT;
use crate::ports::{
    AccountCredentials, AccountRecord, BlobKey, BlobWriteError, ByteStreamError, DownloadError, LeaseCheck,
    LeasedMedia, MediaDownload, MediaFetchResult, MediaInfo, MediaLeaseRequest, StoreError, UpstreamError,
};
use crate::{Deps, chain};

/// How often files to fetch are looked for when nobody hints.
pub const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// How often what is kept no longer is deleted.
pub const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// How many files are fetched at once.
const MAX_FETCHES: u32 = 16;
/// How many of them for one account: a slow one leaves room for the others.
const MAX_FETCHES_OF_ONE: u32 = 4;
/// How long a claim holds: longer than any download may take.
const CLAIM_FOR: SignedDuration = SignedDuration::from_mins(20);
/// How many files are deleted in one round.
const SWEEP_BATCH: u32 = 200;
/// After how long what an unfinished write has left behind is removed.
const LEFT_BEHIND_FOR: SignedDuration = SignedDuration::from_hours(24);
/// What a file is when nobody says.
const ANY_TYPE: &str = "application/octet-stream";

/// Does one round: starts fetching what is to be fetched. Returns how many files it took on.
///
/// # Errors
/// When the store cannot be used; the next round tries again.
pub async fn tick(deps: &Arc<Deps>) -> Result<u32, StoreError> {
    let under_way = u32::try_from(deps.media.fetches.len()).unwrap_or(u32::MAX);
    let room = MAX_FETCHES.saturating_sub(under_way);
    if room == 0 {
        return Ok(0);
    }
    let directory = deps.directory.current();
    let accounts = || directory.accounts.iter().map(|record| record.account.id);
    let busy: Vec<_> = accounts().filter(|id| deps.media.in_flight.of(*id) >= MAX_FETCHES_OF_ONE).collect();
    let now = deps.now();
    let request = MediaLeaseRequest {
        worker: deps.worker,
        tokens: (0..room).map(|_| deps.new_token()).collect(),
        busy,
        per_account: MAX_FETCHES_OF_ONE,
        silent_since: now.saturating_sub(WORKER_TIMEOUT).unwrap_or(Timestamp::MIN),
        until: now.saturating_add(CLAIM_FOR).unwrap_or(Timestamp::MAX),
        now,
    };
    let leased = deps.media.records.lease_media(request).await?;
    let n_claimed = u32::try_from(leased.len()).unwrap_or(u32::MAX);
    for media in leased {
        let record = directory.accounts.iter().find(|record| record.account.id == media.account).cloned();
        let (fetching, guard) = (deps.clone(), deps.media.in_flight.enter(media.account));
        deps.media.fetches.spawn(async move {
            fetch(&fetching, record.as_deref(), &media).await;
            drop(guard);
            // There is room for the next.
            fetching.media.hint.notify_one();
        });
    }
    Ok(n_claimed)
}

/// Fetches one file, and writes down how that ended.
async fn fetch(deps: &Deps, record: Option<&AccountRecord>, media: &LeasedMedia) {
    let key = BlobKey { workspace: media.workspace, media: media.id };
    let end = match record {
        // Its token is gone with it.
        None => MediaFetchResult::Failed { reason: "the account that received it was removed".to_owned() },
        Some(record) => match bring(deps, &record.credentials(), media).await {
            Ok(end) => end,
            Err(Trouble::Final(reason)) => MediaFetchResult::Failed { reason },
            Err(Trouble::Passing(reason)) => again(deps, media, reason),
        },
    };
    if let MediaFetchResult::Retry { reason, .. } | MediaFetchResult::Failed { reason } = &end {
        let is_given_up = matches!(end, MediaFetchResult::Failed { .. });
        tracing::warn!(media.id = %media.id, account.id = %media.account, reason, is_given_up, "a file was not fetched");
    }
    match deps.media.records.finish_media_fetch(key, media.token, end).await {
        Ok(LeaseCheck::Valid) => {}
        Ok(LeaseCheck::Lost) => {
            tracing::warn!(media.id = %media.id, "a fetch was taken over by another process")
        }
        // The claim runs out, and it is fetched again.
        Err(error) => {
            tracing::error!(error = %chain(&error), media.id = %media.id, "a fetch could not be settled")
        }
    }
}

/// Why a file did not come.
enum Trouble {
    /// It may another time.
    Passing(String),
    /// It never will.
    Final(String),
}

impl From<UpstreamError> for Trouble {
    fn from(error: UpstreamError) -> Self {
        Self::Passing(match error {
            UpstreamError::Refused(error) => {
                let said = error.details.as_deref().or(error.title.as_deref()).unwrap_or(error.entry().title);
                format!("Meta refused with code {}: {said}", error.code)
            }
            UpstreamError::Unreachable(reason) => format!("Meta cannot be reached: {reason}"),
        })
    }
}

impl From<DownloadError> for Trouble {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::TooLarge(_) => Self::Final(error.to_string()),
            DownloadError::Gone(_) | DownloadError::Foreign(_) | DownloadError::Unreachable(_) => {
                Self::Passing(error.to_string())
            }
        }
    }
}

/// From Meta's id to the content here.
async fn bring(
    deps: &Deps,
    credentials: &AccountCredentials,
    media: &LeasedMedia,
) -> Result<MediaFetchResult, Trouble> {
    let most = deps.settings.media.max_bytes.min(MAX_FILE_SIZE);
    let (info, download) = reach(deps, credentials, media, most).await?;
    let MediaDownload { mime_type, pieces } = download;
    let announced = media.sha256.into_iter().chain(info.sha256).collect();
    let (pieces, measure) = measured(pieces, most, announced);
    let key = BlobKey { workspace: media.workspace, media: media.id };
    deps.media.blobs.write_blob(key, pieces).await.map_err(|error| match error {
        BlobWriteError::Source(ByteStreamError::TooLarge(_)) => Trouble::Final(error.to_string()),
        BlobWriteError::Source(ByteStreamError::Mismatch | ByteStreamError::Broken(_)) => {
            Trouble::Passing(error.to_string())
        }
        BlobWriteError::Store(error) => Trouble::Passing(chain(&error)),
    })?;
    let (sha256, size) =
        measure.taken().ok_or_else(|| Trouble::Passing("it was not read to its end".to_owned()))?;
    let said = media.mime_type.clone().or(info.mime_type).or(mime_type);
    let mime_type = said.filter(|mime| !essence(mime).is_empty()).unwrap_or_else(|| ANY_TYPE.to_owned());
    let expires_at =
        deps.settings.media.keep_inbound_for.and_then(|span| deps.now().saturating_add(span).ok());
    Ok(MediaFetchResult::Ready { sha256, size, mime_type, expires_at })
}

/// Asks for the address and opens it; one that has run out in between is asked for once more.
async fn reach(
    deps: &Deps,
    credentials: &AccountCredentials,
    media: &LeasedMedia,
    most: u64,
) -> Result<(MediaInfo, MediaDownload), Trouble> {
    let mut is_second = false;
    loop {
        let info = deps.media.upstream.get_media_info(credentials, &media.meta_id).await?;
        if let Some(size) = info.size.filter(|size| *size > most) {
            return Err(Trouble::Final(format!("the file has {size} bytes, {most} are taken")));
        }
        match deps.media.upstream.download_media(credentials, &info.url, most).await {
            Ok(download) => return Ok((info, download)),
            Err(DownloadError::Gone(_)) if !is_second => is_second = true,
            Err(error) => return Err(error.into()),
        }
    }
}

fn again(deps: &Deps, media: &LeasedMedia, reason: String) -> MediaFetchResult {
    let mut random = [0; 8];
    deps.random.fill(&mut random);
    let n_failures = media.n_failures.saturating_add(1);
    let random = u64::from_le_bytes(random);
    match next_download_at(n_failures, media.created_at, deps.now(), random) {
        Some(due_at) => MediaFetchResult::Retry { due_at, reason },
        None => {
            let days = DOWNLOAD_RETRY_PERIOD.as_hours() / 24;
            MediaFetchResult::Failed { reason: format!("not fetched within {days} days; at last: {reason}") }
        }
    }
}

/// Deletes what is kept no longer, in small steps: marked first, then the content, then the row. Returns how many files.
///
/// # Errors
/// When the store cannot be used; the next round tries again.
pub async fn sweep(deps: &Deps) -> Result<u32, StoreError> {
    let now = deps.now();
    let before = now.saturating_sub(LEFT_BEHIND_FOR).unwrap_or(Timestamp::MIN);
    if let Err(error) = deps.media.blobs.delete_partial_blobs(before).await {
        tracing::warn!(error = %chain(&error), "what unfinished writes left behind could not be removed");
    }
    let mut n_deleted = 0;
    for key in deps.media.records.expire_media(now, SWEEP_BATCH).await? {
        if let Err(error) = deps.media.blobs.delete_blob(key).await {
            tracing::warn!(error = %chain(&error), media.id = %key.media, "a file could not be deleted");
            continue;
        }
        deps.media.records.delete_media(key).await?;
        n_deleted += 1;
    }
    Ok(n_deleted)
}
