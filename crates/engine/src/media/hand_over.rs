//! The files of a message on its way to Meta: our ids become Meta's, and so do links where they are fetched here.
//!
//! **Invariant:** whatever goes wrong here, the message was not sent: no end of an upload leaves that open.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::check::Violation;
use domain::id::{MediaId, WorkspaceId};
use domain::json::Value;
use domain::media::{MAX_FILE_SIZE, MediaType, essence, supported_types, upload_expires_at};
use domain::messages::admission::SentAs;
use domain::messages::content::{Content, MediaRef, MediaSource, MessageKind};
use domain::messages::outcome::SendOutcome;
use domain::messages::retry::QUEUE_RETRY_PERIOD;
use domain::meta_error::MetaError;
use jiff::{SignedDuration, Timestamp};

use super::keep::{Incoming, KeepError, keep};
use super::pieces::chunks;
use super::uploads::{Turn, Uploaded};
use super::{Deps, find};
use crate::access::caller::Caller;
use crate::chain;
use crate::messages::send::{SendError, SendRequest};
use crate::ports::{
    AccountRecord, BlobKey, ByteStream, FetchError, FetchedFile, LeasedMessage, MediaOrigin, MediaState,
    MessageFailure, OutgoingFile, StoreError, StoredMedia, UploadKey,
};

/// How long what an address brought is used again without asking: as long as Meta does so itself (reference A.4).
const LINK_HOLDS_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Meta's code for a file that cannot be used (reference B.2).
const UPLOAD_ERROR: i64 = 131_053;
/// How many addresses are remembered.
const MOST_LINKS: usize = 1_000;

/// What addresses have brought a moment ago.
#[derive(Default)]
pub(super) struct Links {
    known: Mutex<BTreeMap<(BlobOwner, String), (MediaId, Timestamp)>>,
}

/// Whose an address was fetched for.
type BlobOwner = (WorkspaceId, domain::id::AccountId);

impl Links {
    fn get(&self, owner: BlobOwner, url: &str, now: Timestamp) -> Option<MediaId> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, at) = known.get(&(owner, url.to_owned()))?;
        (now.duration_since(*at) < LINK_HOLDS_FOR).then_some(*id)
    }

    fn put(&self, owner: BlobOwner, url: &str, id: MediaId, now: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, at)| now.duration_since(*at) < LINK_HOLDS_FOR);
        if known.len() < MOST_LINKS {
            known.insert((owner, url.to_owned()), (id, now));
        }
    }
}

/// Checks the files of a message that are named by our ids: they are here, and fit their place. `base` is the JSON pointer of
/// the object named by the type. A message that leaves later keeps its files until then; without one, as in a rehearsal,
/// nothing is kept.
///
/// # Errors
/// `Media` with what is wrong, `Store`.
pub(crate) async fn check(
    deps: &Deps,
    caller: &Caller,
    (content, base): (&Content, &str),
    request: Option<&SendRequest>,
) -> Result<(), SendError> {
    let needed_until = request.map(|request| needed_until(deps, request));
    let mut violations = Vec::new();
    for place in content.media_refs() {
        let MediaSource::Id(text) = place.source else { continue };
        let Ok(id) = text.parse::<MediaId>() else { continue };
        let found = find(deps, caller, id).await?;
        let until = needed_until.unwrap_or_else(|| deps.now());
        let reason = match found.as_ref().map(|media| (unusable(media, &place), media)) {
            None => Some("is not the id of a file here: upload it with POST /api/media".to_owned()),
            Some((Some(reason), _)) => Some(reason),
            Some((None, media)) if media.expires_at.is_none_or(|at| at >= until) => None,
            Some((None, _)) => {
                let key = BlobKey { workspace: caller.workspace(), media: id };
                let is_held = needed_until.is_some() && deps.media.records.retain_media(key, until).await?;
                (!is_held).then(|| "is the id of a file that is kept no longer".to_owned())
            }
        };
        violations.extend(reason.map(|reason| Violation::new(format!("{base}{}/id", place.pointer), reason)));
    }
    if violations.is_empty() { Ok(()) } else { Err(SendError::Media(violations)) }
}

/// Until when a message may need its files: it leaves, and is tried again for a day or as long as it is valid.
fn needed_until(deps: &Deps, request: &SendRequest) -> Timestamp {
    let leaves_at = request.when.leaves_at(deps.now());
    let span = request.valid_for.unwrap_or(QUEUE_RETRY_PERIOD).max(QUEUE_RETRY_PERIOD);
    leaves_at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// Why a file cannot stand in this place.
fn unusable(media: &StoredMedia, place: &MediaRef<'_>) -> Option<String> {
    match media.state {
        MediaState::Ready => {}
        MediaState::Pending | MediaState::Receiving => {
            return Some("is the id of a file that is still being fetched".to_owned());
        }
        MediaState::Failed | MediaState::Gone => {
            return Some("is the id of a file that is not here".to_owned());
        }
    }
    let mime_type = media.mime_type.as_deref().unwrap_or("of no known type");
    let is_fit = MediaType::named(mime_type).is_some_and(|known| known.fits(place.kind));
    (!is_fit).then(|| format!("is {mime_type}, but must be one of {} here", supported_types(place.kind)))
}

/// Why a message cannot be handed over with its files.
pub(crate) enum MediaError {
    /// As if the message itself had been tried: Meta refused a file, or could not be reached.
    Tried(SendOutcome),
    /// It never can.
    Never(Violation),
}

impl MediaError {
    fn later(reason: impl Into<String>) -> Self {
        Self::Tried(SendOutcome::NotSent { reason: reason.into() })
    }
}

impl From<StoreError> for MediaError {
    fn from(error: StoreError) -> Self {
        Self::later(chain(&error))
    }
}

/// How a message fails one of whose files can never be handed over: with Meta's own code for such a file, because whoever
/// reads a message knows that one.
pub(crate) fn failure(violation: Violation) -> (MessageFailure, SendError) {
    let meta = MetaError {
        code: UPLOAD_ERROR,
        title: Some("The file cannot be used".to_owned()),
        details: Some(format!("{} {}", violation.pointer, violation.reason)),
        ..MetaError::default()
    };
    (MessageFailure { code: "media_failed", meta: Some(meta) }, SendError::Media(vec![violation]))
}

/// Puts Meta's ids in the places of a message that name our files, or links that are fetched here.
///
/// # Errors
/// [`MediaError`]: the message was not sent.
pub(crate) async fn ready(
    deps: &Deps,
    record: &AccountRecord,
    message: &mut LeasedMessage,
    sent_as: SentAs,
) -> Result<(), MediaError> {
    let base = match sent_as {
        SentAs::Template => "/fallback_template".to_owned(),
        SentAs::Message => format!("/{}", message.kind),
    };
    let wants_fetch = record.account.fetches_links.unwrap_or(deps.settings.media.fetches_links);
    let fetches = wants_fetch && deps.media.fetcher.is_some();
    // Most messages name no file: their JSON is not even read.
    let names = |member: &str| message.content.contains(member);
    if !(names("\"id\"") || fetches && names("\"link\"")) {
        return Ok(());
    }
    let Ok(kind) = message.kind.parse::<MessageKind>() else { return Ok(()) };
    let Ok(object) = serde_json::from_str::<Value>(&message.content) else { return Ok(()) };
    let mut content = Content::from_stored(kind, object);
    let mut found = Vec::new();
    for place in content.media_refs() {
        let (name, media) = match place.source {
            MediaSource::Id(text) => match text.parse::<MediaId>() {
                Ok(id) => ("id", deps.media.records.get_media(record.account.workspace, id).await?),
                // One of Meta's own.
                Err(_) => continue,
            },
            MediaSource::Link(url) if fetches => {
                ("link", Some(fetch(deps, record, url, &place, &base).await?))
            }
            MediaSource::Link(_) => continue,
        };
        let never = |reason: String| {
            MediaError::Never(Violation::new(format!("{base}{}/{name}", place.pointer), reason))
        };
        let Some(media) = media else { return Err(never("is the id of a file that is not here".to_owned())) };
        if let Some(reason) = unusable(&media, &place) {
            return Err(never(reason));
        }
        let Some(meta_id) = upload(deps, record, &media).await? else {
            return Err(never("is the id of a file whose content is gone".to_owned()));
        };
        found.push((place.pointer.clone(), meta_id));
    }
    if found.is_empty() {
        return Ok(());
    }
    for (pointer, meta_id) in found {
        content.set_media_id(&pointer, &meta_id);
    }
    message.content = serde_json::to_string(content.object())
        .map_err(|error| MediaError::later(format!("writing a message as JSON: {error}")))?
        .into();
    Ok(())
}

/// Meta's id of a file: known, or uploaded now, once for all who ask. `None`: its content is gone.
async fn upload(
    deps: &Deps,
    record: &AccountRecord,
    media: &StoredMedia,
) -> Result<Option<String>, MediaError> {
    let (Some(sha256), Some(size), Some(mime_type)) = (media.sha256, media.size, &media.mime_type) else {
        return Ok(None);
    };
    let workspace = record.account.workspace;
    let key = UploadKey { workspace, account: record.account.id, sha256, mime_type: essence(mime_type) };
    loop {
        if let Some(known) = deps.media.records.get_media_upload(&key, deps.now()).await? {
            return Ok(Some(known));
        }
        let lead = match deps.media.uploads.enter(&key) {
            Turn::Lead(lead) => lead,
            Turn::Follow(mut end) => match end.wait_for(Option::is_some).await.map(|end| end.clone()) {
                Ok(Some(end)) => return told(end),
                // Whoever did it is gone.
                Ok(None) | Err(_) => continue,
            },
        };
        // Another may have ended between the look and the turn.
        if let Some(known) = deps.media.records.get_media_upload(&key, deps.now()).await? {
            lead.tell(&Ok(known.clone()));
            return Ok(Some(known));
        }
        let blob = BlobKey { workspace, media: media.id };
        let pieces = match deps.media.blobs.read_blob(blob, 0..size).await {
            Ok(Some(pieces)) => pieces,
            Ok(None) => return Ok(None),
            Err(error) => return Err(MediaError::later(chain(&error))),
        };
        let end = upload_now(deps, record, &key, (media.file_name.clone(), size, pieces)).await;
        lead.tell(&end);
        return told(end);
    }
}

fn told(end: Uploaded) -> Result<Option<String>, MediaError> {
    end.map(Some).map_err(MediaError::Tried)
}

async fn upload_now(
    deps: &Deps,
    record: &AccountRecord,
    key: &UploadKey,
    (file_name, size, pieces): (Option<String>, u64, ByteStream),
) -> Uploaded {
    let mime_type = key.mime_type.clone();
    let file = OutgoingFile { mime_type, file_name, size, sha256: key.sha256, pieces };
    let begun_at = deps.now();
    let meta_id =
        deps.media.upstream.upload_media(&record.credentials(), file).await.map_err(certainly_not_sent)?;
    let ends_at = upload_expires_at(begun_at);
    if let Err(error) = deps.media.records.insert_media_upload(key, &meta_id, begun_at, ends_at).await {
        // The id is good all the same; the next message uploads the file again.
        tracing::warn!(error = %chain(&error), account.id = %key.account, "an upload could not be written down");
    }
    Ok(meta_id)
}

/// An upload may have arrived or not: the message did not leave in either case.
fn certainly_not_sent(outcome: SendOutcome) -> SendOutcome {
    match outcome {
        SendOutcome::Unknown { reason } => SendOutcome::NotSent { reason },
        SendOutcome::Refused(error) if error.is_ambiguous() => {
            SendOutcome::NotSent { reason: format!("meta's code {} to an upload", error.code) }
        }
        // What an upload cannot be.
        SendOutcome::Accepted(_) => {
            SendOutcome::NotSent { reason: "an upload was answered like a message".to_owned() }
        }
        SendOutcome::Refused(_) | SendOutcome::Stopped { .. } | SendOutcome::NotSent { .. } => outcome,
    }
}

/// Fetches what an address names, and keeps it.
async fn fetch(
    deps: &Deps,
    record: &AccountRecord,
    url: &str,
    place: &MediaRef<'_>,
    base: &str,
) -> Result<StoredMedia, MediaError> {
    let never =
        |reason: String| MediaError::Never(Violation::new(format!("{base}{}/link", place.pointer), reason));
    let Some(fetcher) = &deps.media.fetcher else { return Err(never("cannot be fetched here".to_owned())) };
    let owner = (record.account.workspace, record.account.id);
    if let Some(id) = deps.media.links.get(owner, url, deps.now())
        && let Some(media) = deps.media.records.get_media(owner.0, id).await?
    {
        return Ok(media);
    }
    let most = deps.settings.media.max_bytes.min(MAX_FILE_SIZE);
    let fetched = fetcher.fetch(url, most).await;
    let FetchedFile { content_type, file_name, body } = fetched.map_err(|error| {
        if is_final(&error) {
            never(format!("cannot be fetched: {error}"))
        } else {
            MediaError::later(format!("fetching a link: {error}"))
        }
    })?;
    let incoming = Incoming {
        workspace: owner.0,
        account: Some(owner.1),
        origin: MediaOrigin::Link,
        mime_type: content_type,
        file_name,
    };
    let kept = keep(deps, incoming, chunks(body)).await.map_err(|error| match error {
        KeepError::Unfit(unfit) => never(unfit.to_string()),
        KeepError::TooLarge(..) => never(error.to_string()),
        KeepError::Broken(reason) => MediaError::later(format!("fetching a link: {reason}")),
        KeepError::Blob(error) => MediaError::later(chain(&error)),
        KeepError::Store(error) => MediaError::later(chain(&error)),
    })?;
    deps.media.links.put(owner, url, kept.media.id, deps.now());
    Ok(kept.media)
}

/// Whether asking again would bring nothing else.
fn is_final(error: &FetchError) -> bool {
    match error {
        FetchError::Address(_) | FetchError::TooLarge { .. } => true,
        // Too early, too many, or the server's own trouble: that passes.
        FetchError::UnexpectedStatus { status } => *status < 500 && !matches!(status, 408 | 425 | 429),
        FetchError::Unreachable(_) => false,
    }
}
