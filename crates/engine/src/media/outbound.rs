//! Files of outbound messages: Waypost's media IDs are replaced by Meta's, and so are links that Waypost downloads.
//!
//! **Invariant:** after an error here, the message was certainly not sent.

use domain::check::{Violation, request_url};
use domain::id::MediaId;
use domain::json::Value;
use domain::media::{
    MAX_FILE_SIZE, MediaType, file_name_of_link, media_type_of_name, upload_expires_at, upload_file_name,
    upload_type,
};
use domain::messages::admission::SentAs;
use domain::messages::content::{Content, MediaKind, MediaRef, MediaSource, MessageKind};
use domain::messages::download_retry::MEDIA_FAILED;
use domain::messages::outcome::SendOutcome;
use domain::meta_error::MetaError;
use jiff::{SignedDuration, Timestamp};

use super::byte_stream::from_chunks;
use super::check::unusable_reason;
use super::link_cache::{LinkKey, LinkedFile};
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
    /// A file cannot be downloaded now.
    Unavailable(Violation),
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
    MessageFailure { code: MEDIA_FAILED, meta: Some(meta) }
}

/// Account that sends the files of a message.
#[derive(Clone, Copy)]
pub(crate) struct MediaSender<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) record: &'a AccountRecord,
    /// Time within which the server of a link must begin its response; `None` for the time of the fetcher.
    pub(crate) response_timeout: Option<SignedDuration>,
}

/// Replaces Waypost's media IDs in a message, and links that Waypost downloads, by Meta's media IDs. A document without a
/// file name gets the name that is known of its file.
///
/// # Errors
/// [`MediaError`]; the message was not sent.
pub(crate) async fn prepare(
    sender: MediaSender<'_>,
    message: &mut LeasedMessage,
    sent_as: SentAs,
) -> Result<(), MediaError> {
    let MediaSender { deps, record, .. } = sender;
    let downloads_links = record.account.fetches_links.unwrap_or(deps.settings.media.fetches_links)
        && deps.media.fetcher.is_some();
    // Most messages name no file: their JSON is not parsed.
    let names = |member: &str| message.content.contains(member);
    if !(names("\"id\"") || names("\"link\"")) {
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
        let file = FileRef { sender, media_ref: &media_ref, base: &base };
        let prepared = match media_ref.source {
            MediaSource::Id(text) => match text.parse::<MediaId>() {
                Ok(id) => file.upload_stored(id).await?,
                // One of Meta's media IDs.
                Err(_) => continue,
            },
            MediaSource::Link(url) if downloads_links => file.upload_link(url).await?,
            MediaSource::Link(url) => PreparedFile::of_link(url),
        };
        let is_unnamed = media_ref.kind == MediaKind::Document && media_ref.file_name.is_none();
        let file_name = prepared.file_name.filter(|_| is_unnamed);
        replacements.push((media_ref.pointer.clone(), PreparedFile { file_name, ..prepared }));
    }
    if replacements.iter().all(|(_, prepared)| prepared.is_unchanged()) {
        return Ok(());
    }
    for (pointer, prepared) in replacements {
        match &prepared.source {
            PreparedSource::MetaId(id) => content.set_media_id(&pointer, id),
            PreparedSource::Link { url, .. } => content.set_media_link(&pointer, url),
        };
        if let Some(file_name) = &prepared.file_name {
            content.set_document_name(&pointer, file_name);
        }
    }
    message.content = serde_json::to_string(content.object())
        .map_err(|error| MediaError::not_sent(format!("writing a message as JSON: {error}")))?
        .into();
    Ok(())
}

/// File of a message, in the form in which it is sent to Meta.
struct PreparedFile {
    source: PreparedSource,
    /// Name that is known of the file.
    file_name: Option<String>,
}

/// Source of a file, in the form in which it is sent to Meta.
enum PreparedSource {
    /// Meta's media ID.
    MetaId(String),
    /// Link that Meta downloads.
    Link {
        /// URL of the file.
        url: String,
        /// `true` if the message has another spelling of the URL.
        is_changed: bool,
    },
}

impl PreparedFile {
    /// Creates the form of a link that Meta downloads. The type of the file is not known: the name of a program, such as
    /// `download.php`, is not the name of the file.
    fn of_link(link: &str) -> Self {
        let url = request_url(link);
        let is_changed = url != link;
        let file_name = file_name_of_link(link).filter(|name| media_type_of_name(name).is_some());
        Self { source: PreparedSource::Link { url, is_changed }, file_name }
    }

    fn is_unchanged(&self) -> bool {
        matches!(self.source, PreparedSource::Link { is_changed: false, .. }) && self.file_name.is_none()
    }
}

impl MediaSender<'_> {
    /// Waits for the beginning of a response, at most for the response timeout.
    async fn limit(
        &self,
        fetch: impl Future<Output = Result<FetchedFile, FetchError>>,
    ) -> Result<FetchedFile, FetchError> {
        let Some(timeout) = self.response_timeout else { return fetch.await };
        let deadline = self.deps.now().saturating_add(timeout).unwrap_or(Timestamp::MAX);
        tokio::select! {
            biased;
            fetched = fetch => fetched,
            () = self.deps.clock.sleep_until(deadline) => {
                Err(FetchError::Unreachable(format!("no response within {} s", timeout.as_secs())))
            }
        }
    }
}

/// Reference of a message to a file.
struct FileRef<'a> {
    sender: MediaSender<'a>,
    media_ref: &'a MediaRef<'a>,
    /// JSON pointer of the object that has the reference.
    base: &'a str,
}

impl FileRef<'_> {
    /// Uploads a stored file.
    async fn upload_stored(&self, id: MediaId) -> Result<PreparedFile, MediaError> {
        let found =
            self.sender.deps.media.records.get_media(self.sender.record.account.workspace, id).await?;
        let Some(media) = found else {
            return Err(self.unusable("id", "is the ID of a file that does not exist"));
        };
        self.upload("id", &media).await
    }

    /// Downloads the file of a link and uploads it.
    async fn upload_link(&self, url: &str) -> Result<PreparedFile, MediaError> {
        let media = self.download(url).await?;
        self.upload("link", &media).await
    }

    async fn upload(&self, member: &str, media: &StoredMedia) -> Result<PreparedFile, MediaError> {
        if let Some(reason) = unusable_reason(media, self.media_ref) {
            return Err(self.unusable(member, reason));
        }
        let uploaded = upload(self.sender.deps, self.sender.record, media).await?;
        let Some((media_type, meta_id)) = uploaded else {
            return Err(self.unusable(member, "is the ID of a file whose content was deleted"));
        };
        let file_name = media.file_name.as_deref().map(|name| upload_file_name(Some(name), media_type));
        Ok(PreparedFile { source: PreparedSource::MetaId(meta_id), file_name })
    }

    fn unavailable(&self, reason: &str) -> MediaError {
        let pointer = format!("{}{}/link", self.base, self.media_ref.pointer);
        MediaError::Unavailable(Violation::new(pointer, format!("cannot be downloaded: {reason}")))
    }

    fn unusable(&self, member: &str, reason: impl Into<String>) -> MediaError {
        let pointer = format!("{}{}/{member}", self.base, self.media_ref.pointer);
        MediaError::Unusable(Violation::new(pointer, reason))
    }

    /// Downloads the file of a link and stores the file.
    async fn download(&self, url: &str) -> Result<StoredMedia, MediaError> {
        let (deps, account) = (self.sender.deps, &self.sender.record.account);
        let Some(fetcher) = &deps.media.fetcher else {
            return Err(self.unusable("link", "cannot be downloaded"));
        };
        let key = LinkKey { workspace: account.workspace, account: account.id, url: url.to_owned() };
        if let Some(LinkedFile { media, file_name }) = deps.media.links.get(&key, deps.now())
            && let Some(media) = deps.media.records.get_media(account.workspace, media).await?
        {
            return Ok(StoredMedia { file_name, ..media });
        }
        let max_bytes = deps.settings.media.max_bytes.min(MAX_FILE_SIZE);
        let FetchedFile { content_type, file_name, body } =
            self.sender.limit(fetcher.fetch(url, max_bytes)).await.map_err(|error| {
                if is_permanent(&error) {
                    self.unusable("link", format!("cannot be downloaded: {error}"))
                } else {
                    self.unavailable(&error.to_string())
                }
            })?;
        let new = NewFile {
            workspace: account.workspace,
            account: Some(account.id),
            origin: MediaOrigin::Link,
            mime_type: content_type,
            file_name: file_name.clone(),
            sent_as: self.media_ref.file_name.map(str::to_owned),
        };
        let stored = store_file(deps, new, from_chunks(body)).await.map_err(|error| match error {
            MediaStoreError::Unsupported(error) => self.unusable("link", error.to_string()),
            MediaStoreError::TooLarge { .. } => self.unusable("link", error.to_string()),
            MediaStoreError::Incomplete(reason) => self.unavailable(&reason),
            MediaStoreError::Blob(error) => MediaError::not_sent(chain(&error)),
            MediaStoreError::Store(error) => MediaError::not_sent(chain(&error)),
        })?;
        let file = LinkedFile { media: stored.media.id, file_name: file_name.clone() };
        deps.media.links.insert(key, file, deps.now());
        Ok(StoredMedia { file_name, ..stored.media })
    }
}

/// Returns the type and Meta's media ID of a file; `None` if the content of the file was deleted.
async fn upload(
    deps: &Deps,
    record: &AccountRecord,
    media: &StoredMedia,
) -> Result<Option<(&'static MediaType, String)>, MediaError> {
    let media_type = media.mime_type.as_deref().and_then(upload_type);
    let (Some(sha256), Some(size), Some(media_type)) = (media.sha256, media.size, media_type) else {
        return Ok(None);
    };
    let (workspace, account, mime_type) =
        (record.account.workspace, record.account.id, media_type.mime.to_owned());
    let key = UploadKey { workspace, account, sha256, mime_type };
    let file = StoredFile { media, media_type, size };
    Ok(upload_once(deps, record, &key, file).await?.map(|meta_id| (media_type, meta_id)))
}

/// Stored file that can be uploaded.
#[derive(Clone, Copy)]
struct StoredFile<'a> {
    media: &'a StoredMedia,
    media_type: &'static MediaType,
    size: u64,
}

impl StoredFile<'_> {
    fn outgoing(self, sha256: [u8; 32], content: ByteStream) -> OutgoingFile {
        OutgoingFile {
            mime_type: self.media_type.mime.to_owned(),
            file_name: upload_file_name(self.media.file_name.as_deref(), self.media_type),
            size: self.size,
            sha256,
            content,
        }
    }
}

/// Returns Meta's media ID of a file. The file is uploaded once for all concurrent messages. `None`: the content of the
/// file was deleted.
async fn upload_once(
    deps: &Deps,
    record: &AccountRecord,
    key: &UploadKey,
    file: StoredFile<'_>,
) -> Result<Option<String>, MediaError> {
    loop {
        if let Some(meta_id) = deps.media.records.get_media_upload(key, deps.now()).await? {
            return Ok(Some(meta_id));
        }
        let leader = match deps.media.uploads.join(key) {
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
        if let Some(meta_id) = deps.media.records.get_media_upload(key, deps.now()).await? {
            leader.finish(&Ok(meta_id.clone()));
            return Ok(Some(meta_id));
        }
        let blob = BlobKey { workspace: key.workspace, media: file.media.id };
        let content = match deps.media.blobs.read_blob(blob, 0..file.size).await {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(None),
            Err(error) => return Err(MediaError::not_sent(chain(&error))),
        };
        let result = upload_content(deps, record, key, file.outgoing(key.sha256, content)).await;
        leader.finish(&result);
        return result.map(Some).map_err(MediaError::Outcome);
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
        FetchError::Address(_)
        | FetchError::RedirectAddress(_)
        | FetchError::TooManyRedirects
        | FetchError::RedirectWithoutLocation { .. }
        | FetchError::TooLarge { .. } => true,
        // Request timeout, too early, too many requests and errors of the server are temporary.
        FetchError::UnexpectedStatus { status } => *status < 500 && !matches!(status, 408 | 425 | 429),
        FetchError::Unreachable(_) => false,
    }
}
