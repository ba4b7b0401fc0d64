//! Files of outbound messages: Waypost's media IDs are replaced by Meta's, and so are links that Waypost downloads.
//!
//! **Invariant:** after an error here, the message was certainly not sent.

use domain::check::Violation;
use domain::id::MediaId;
use domain::json::Value;
use domain::media::{MAX_FILE_SIZE, essence, upload_expires_at};
use domain::messages::admission::SentAs;
use domain::messages::content::{Content, MediaRef, MediaSource, MessageKind};
use domain::messages::outcome::SendOutcome;
use domain::meta_error::MetaError;

use super::byte_stream::from_chunks;
use super::check::unusable_reason;
use super::link_cache::LinkKey;
use super::store::{MediaStoreError, NewFile, store_file};
use super::uploads::{UploadResult, UploadRole};
use crate::chain;
use crate::deps::Deps;
use crate::ports::{
    AccountRecord, BlobKey, ByteStream, FetchError, FetchedFile, LeasedMessage, MediaOrigin, MessageFailure,
    OutgoingFile, StoreError, StoredMedia, UploadKey,
};

/// Meta's error code for a file that cannot be used.
///
/// Meta: Error codes, <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>
const MEDIA_UPLOAD_ERROR: i64 = 131_053;

/// Error of the files of a message. The message was not sent.
pub(crate) enum MediaError {
    /// Outcome that counts as the outcome of the attempt: Meta refused a file, or is unreachable.
    Outcome(SendOutcome),
    /// A file can never be sent.
    Unusable(Violation),
}

impl MediaError {
    /// The attempt can be retried.
    fn not_sent(reason: impl Into<String>) -> Self {
        Self::Outcome(SendOutcome::NotSent { reason: reason.into() })
    }
}

impl From<StoreError> for MediaError {
    fn from(error: StoreError) -> Self {
        Self::not_sent(chain(&error))
    }
}

/// Returns the failure of a message with a file that can never be sent. It has Meta's error code for such a file, which
/// readers of messages know.
pub(crate) fn failure(violation: &Violation) -> MessageFailure {
    let meta = MetaError {
        code: MEDIA_UPLOAD_ERROR,
        title: Some("The file cannot be used".to_owned()),
        details: Some(format!("{} {}", violation.pointer, violation.reason)),
        ..MetaError::default()
    };
    MessageFailure { code: "media_failed", meta: Some(meta) }
}

/// Replaces Waypost's media IDs in a message, and links that Waypost downloads, by Meta's media IDs.
///
/// # Errors
/// [`MediaError`]; the message was not sent.
pub(crate) async fn prepare(
    deps: &Deps,
    record: &AccountRecord,
    message: &mut LeasedMessage,
    sent_as: SentAs,
) -> Result<(), MediaError> {
    let downloads_links = record.account.fetches_links.unwrap_or(deps.settings.media.fetches_links)
        && deps.media.fetcher.is_some();
    // Most messages name no file: their JSON is not parsed.
    let names = |member: &str| message.content.contains(member);
    if !(names("\"id\"") || downloads_links && names("\"link\"")) {
        return Ok(());
    }
    let Ok(kind) = message.kind.parse::<MessageKind>() else { return Ok(()) };
    let Ok(object) = serde_json::from_str::<Value>(&message.content) else { return Ok(()) };
    let mut content = Content::from_stored(kind, object);
    let base = match sent_as {
        SentAs::Template => "/fallback_template".to_owned(),
        SentAs::Message => format!("/{}", message.kind),
    };
    let mut replacements = Vec::new();
    for media_ref in content.media_refs() {
        let file = FileRef { deps, record, media_ref: &media_ref, base: &base };
        let meta_id = match media_ref.source {
            MediaSource::Id(text) => match text.parse::<MediaId>() {
                Ok(id) => file.upload_stored(id).await?,
                // One of Meta's media IDs.
                Err(_) => continue,
            },
            MediaSource::Link(url) if downloads_links => file.upload_link(url).await?,
            MediaSource::Link(_) => continue,
        };
        replacements.push((media_ref.pointer.clone(), meta_id));
    }
    if replacements.is_empty() {
        return Ok(());
    }
    for (pointer, meta_id) in replacements {
        content.set_media_id(&pointer, &meta_id);
    }
    message.content = serde_json::to_string(content.object())
        .map_err(|error| MediaError::not_sent(format!("writing a message as JSON: {error}")))?
        .into();
    Ok(())
}

/// Reference of a message to a file.
struct FileRef<'a> {
    deps: &'a Deps,
    record: &'a AccountRecord,
    media_ref: &'a MediaRef<'a>,
    /// JSON pointer of the object that has the reference.
    base: &'a str,
}

impl FileRef<'_> {
    /// Returns Meta's media ID of a stored file.
    async fn upload_stored(&self, id: MediaId) -> Result<String, MediaError> {
        let found = self.deps.media.records.get_media(self.record.account.workspace, id).await?;
        let Some(media) = found else {
            return Err(self.unusable("id", "is the ID of a file that does not exist"));
        };
        self.upload("id", &media).await
    }

    /// Downloads the file of a link and returns Meta's media ID of the file.
    async fn upload_link(&self, url: &str) -> Result<String, MediaError> {
        let media = self.download(url).await?;
        self.upload("link", &media).await
    }

    async fn upload(&self, member: &str, media: &StoredMedia) -> Result<String, MediaError> {
        if let Some(reason) = unusable_reason(media, self.media_ref) {
            return Err(self.unusable(member, reason));
        }
        let meta_id = upload(self.deps, self.record, media).await?;
        meta_id.ok_or_else(|| self.unusable(member, "is the ID of a file whose content was deleted"))
    }

    fn unusable(&self, member: &str, reason: impl Into<String>) -> MediaError {
        let pointer = format!("{}{}/{member}", self.base, self.media_ref.pointer);
        MediaError::Unusable(Violation::new(pointer, reason))
    }

    /// Downloads the file of a link and stores the file.
    async fn download(&self, url: &str) -> Result<StoredMedia, MediaError> {
        let (deps, account) = (self.deps, &self.record.account);
        let Some(fetcher) = &deps.media.fetcher else {
            return Err(self.unusable("link", "cannot be downloaded"));
        };
        let key = LinkKey { workspace: account.workspace, account: account.id, url: url.to_owned() };
        if let Some(id) = deps.media.links.get(&key, deps.now())
            && let Some(media) = deps.media.records.get_media(account.workspace, id).await?
        {
            return Ok(media);
        }
        let max_bytes = deps.settings.media.max_bytes.min(MAX_FILE_SIZE);
        let FetchedFile { content_type, file_name, body } =
            fetcher.fetch(url, max_bytes).await.map_err(|error| {
                if is_permanent(&error) {
                    self.unusable("link", format!("cannot be downloaded: {error}"))
                } else {
                    MediaError::not_sent(format!("downloading a link: {error}"))
                }
            })?;
        let new = NewFile {
            workspace: account.workspace,
            account: Some(account.id),
            origin: MediaOrigin::Link,
            mime_type: content_type,
            file_name,
        };
        let stored = store_file(deps, new, from_chunks(body)).await.map_err(|error| match error {
            MediaStoreError::Unsupported(error) => self.unusable("link", error.to_string()),
            MediaStoreError::TooLarge { .. } => self.unusable("link", error.to_string()),
            MediaStoreError::Incomplete(reason) => {
                MediaError::not_sent(format!("downloading a link: {reason}"))
            }
            MediaStoreError::Blob(error) => MediaError::not_sent(chain(&error)),
            MediaStoreError::Store(error) => MediaError::not_sent(chain(&error)),
        })?;
        deps.media.links.insert(key, stored.media.id, deps.now());
        Ok(stored.media)
    }
}

/// Returns Meta's media ID of a file. The file is uploaded once for all concurrent messages. `None`: the content of the
/// file was deleted.
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
        if let Some(meta_id) = deps.media.records.get_media_upload(&key, deps.now()).await? {
            return Ok(Some(meta_id));
        }
        let leader = match deps.media.uploads.join(&key) {
            UploadRole::Leader(leader) => leader,
            UploadRole::Waiter(mut waiter) => {
                match waiter.wait_for(Option::is_some).await.map(|result| result.clone()) {
                    Ok(Some(result)) => return result.map(Some).map_err(MediaError::Outcome),
                    // The leader panicked, or ended without an upload.
                    Ok(None) | Err(_) => continue,
                }
            }
        };
        // Another upload may have ended before this task became the leader.
        if let Some(meta_id) = deps.media.records.get_media_upload(&key, deps.now()).await? {
            leader.finish(&Ok(meta_id.clone()));
            return Ok(Some(meta_id));
        }
        let blob = BlobKey { workspace, media: media.id };
        let content = match deps.media.blobs.read_blob(blob, 0..size).await {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(None),
            Err(error) => return Err(MediaError::not_sent(chain(&error))),
        };
        let result = upload_content(deps, record, &key, outgoing_file(&key, media, size, content)).await;
        leader.finish(&result);
        return result.map(Some).map_err(MediaError::Outcome);
    }
}

fn outgoing_file(key: &UploadKey, media: &StoredMedia, size: u64, content: ByteStream) -> OutgoingFile {
    OutgoingFile {
        mime_type: key.mime_type.clone(),
        file_name: media.file_name.clone(),
        size,
        sha256: key.sha256,
        pieces: content,
    }
}

/// Uploads a file and stores Meta's media ID.
async fn upload_content(
    deps: &Deps,
    record: &AccountRecord,
    key: &UploadKey,
    file: OutgoingFile,
) -> UploadResult {
    let started_at = deps.now();
    let meta_id = deps.media.upstream.upload_media(&record.credentials(), file).await.map_err(not_sent)?;
    let expires_at = upload_expires_at(started_at);
    if let Err(error) = deps.media.records.insert_media_upload(key, &meta_id, started_at, expires_at).await {
        // Meta's media ID is valid; the next message uploads the file again.
        tracing::warn!(error = %chain(&error), account.id = %key.account, "an upload could not be stored");
    }
    Ok(meta_id)
}

/// Returns the outcome of the message after a failed upload. Also after an unknown outcome of the upload, the message was
/// not sent.
fn not_sent(outcome: SendOutcome) -> SendOutcome {
    match outcome {
        SendOutcome::Unknown { reason } => SendOutcome::NotSent { reason },
        SendOutcome::Refused(error) if error.is_ambiguous() => {
            SendOutcome::NotSent { reason: format!("meta's code {} to an upload", error.code) }
        }
        // An upload has no such outcome.
        SendOutcome::Accepted(_) => {
            SendOutcome::NotSent { reason: "the response to an upload is that to a message".to_owned() }
        }
        SendOutcome::Refused(_) | SendOutcome::Stopped { .. } | SendOutcome::NotSent { .. } => outcome,
    }
}

/// Returns `true` if another download would have the same result.
fn is_permanent(error: &FetchError) -> bool {
    match error {
        FetchError::Address(_) | FetchError::TooLarge { .. } => true,
        // Request timeout, too early, too many requests and errors of the server are temporary.
        FetchError::UnexpectedStatus { status } => *status < 500 && !matches!(status, 408 | 425 | 429),
        FetchError::Unreachable(_) => false,
    }
}
