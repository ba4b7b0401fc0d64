//! Storage of files from uploads and links.
//!
//! The order of the steps makes every crash harmless: the row is inserted before the content is written, and is finished
//! after it.

use bytes::Bytes;
use domain::id::{AccountId, MediaId, WorkspaceId};
use domain::media::{
    DeclaredType, MediaType, MediaTypeError, SNIFF_BYTES, media_type_of_name, resolve_media_type,
};
use jiff::{SignedDuration, Timestamp};

use super::byte_stream::{ContentDigest, digest_stream, peek};
use crate::Deps;
use crate::ports::{
    BlobError, BlobKey, BlobWriteError, ByteStream, ByteStreamError, FinishMediaResult, MediaOrigin,
    NewMedia, ReceivedMedia, StoreError,
};

/// Time after which a file that was not finished is deleted: longer than any upload takes.
const INCOMPLETE_PERIOD: SignedDuration = SignedDuration::from_hours(6);

/// File that is to be stored.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Workspace of the file.
    pub workspace: WorkspaceId,
    /// Account of the file; `None` if all accounts of the workspace may use the file.
    pub account: Option<AccountId>,
    /// Origin of the file.
    pub origin: MediaOrigin,
    /// Declared MIME type.
    pub mime_type: Option<String>,
    /// Name of the file.
    pub file_name: Option<String>,
    /// Name under which the file is sent, if it differs from the name of the file. The type must match it.
    pub sent_as: Option<String>,
}

impl NewFile {
    /// Returns the declared type of the file.
    fn declared_type(&self) -> DeclaredType<'_> {
        let sent_as = self.sent_as.as_deref().filter(|name| media_type_of_name(name).is_some());
        DeclaredType { mime: self.mime_type.as_deref(), file_name: sent_as.or(self.file_name.as_deref()) }
    }
}

/// File whose content is stored, and which is not visible until [`commit_file`].
#[derive(Clone, Debug)]
pub struct StagedFile {
    key: BlobKey,
    new: NewFile,
    /// First bytes of the content, from which the type is detected.
    head: Bytes,
    content: ContentDigest,
    media_type: &'static MediaType,
}

impl StagedFile {
    /// Returns the type of the file.
    pub fn media_type(&self) -> &'static MediaType {
        self.media_type
    }

    /// Sets the account of the file, if it was declared after the content.
    pub fn set_account(&mut self, account: AccountId) {
        self.new.account = Some(account);
    }

    /// Sets the declared type of the file, if it was declared after the content.
    ///
    /// # Errors
    /// `Unsupported`, `TooLarge`.
    pub fn set_declared_type(&mut self, mime_type: &str) -> Result<(), MediaStoreError> {
        let declared = DeclaredType { mime: Some(mime_type), ..self.new.declared_type() };
        self.media_type = resolve_media_type(declared, &self.head)?;
        let max_bytes = self.media_type.max_bytes_for(&self.head);
        if self.content.size > max_bytes {
            return Err(MediaStoreError::TooLarge { media_type: self.media_type, max_bytes });
        }
        Ok(())
    }
}

/// Error of storing a file.
#[derive(Debug, thiserror::Error)]
pub enum MediaStoreError {
    /// Meta does not support the file.
    #[error(transparent)]
    Unsupported(#[from] MediaTypeError),
    /// The file is larger than Meta, or the configuration, allows for its type.
    #[error("a file of the type {mime} has at most {max_bytes} bytes", mime = media_type.mime)]
    TooLarge {
        /// Type of the file.
        media_type: &'static MediaType,
        /// Maximum number of bytes.
        max_bytes: u64,
    },
    /// The stream ended before the end of the file.
    #[error("{0}")]
    Incomplete(String),
    /// The content cannot be stored.
    #[error(transparent)]
    Blob(BlobError),
    /// The record cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores the content of a file. [`commit_file`] or [`discard_file`] follows; else the file is deleted later.
///
/// # Errors
/// [`MediaStoreError`]; nothing is stored.
pub async fn stage_file(
    deps: &Deps,
    new: NewFile,
    content: ByteStream,
) -> Result<StagedFile, MediaStoreError> {
    let incomplete = |error: ByteStreamError| MediaStoreError::Incomplete(error.to_string());
    let (head, content) = peek(content, SNIFF_BYTES).await.map_err(incomplete)?;
    let media_type = resolve_media_type(new.declared_type(), &head)?;
    let max_bytes = media_type.max_bytes_for(&head).min(deps.settings.media.max_bytes);
    let key = BlobKey { workspace: new.workspace, media: deps.new_id(MediaId::from_parts) };
    let now = deps.now();
    let expires_at = now.saturating_add(INCOMPLETE_PERIOD).unwrap_or(Timestamp::MAX);
    let (account, origin) = (new.account, new.origin);
    deps.media.records.insert_media(NewMedia { key, account, origin, expires_at, now }).await?;
    let (content, digest) = digest_stream(content, max_bytes, Vec::new());
    let result = match deps.media.blobs.write_blob(key, content).await {
        Ok(()) => digest
            .get()
            .ok_or_else(|| MediaStoreError::Incomplete("the file was not read to its end".to_owned())),
        Err(BlobWriteError::Source(ByteStreamError::TooLarge(max_bytes))) => {
            Err(MediaStoreError::TooLarge { media_type, max_bytes })
        }
        Err(BlobWriteError::Source(error)) => Err(incomplete(error)),
        Err(BlobWriteError::Store(error)) => Err(MediaStoreError::Blob(error)),
    };
    match result {
        Ok(content) => Ok(StagedFile { key, new, head, content, media_type }),
        Err(error) => {
            delete_incomplete(deps, key).await;
            Err(error)
        }
    }
}

/// Makes a staged file visible. If a file with the same content, type and account exists, that file is retained instead,
/// and gets its content back if the content is missing.
///
/// # Errors
/// `Blob`, `Store`.
pub async fn commit_file(deps: &Deps, staged: StagedFile) -> Result<FinishMediaResult, MediaStoreError> {
    let StagedFile { key, new, content, media_type, .. } = staged;
    let expires_at =
        deps.now().saturating_add(deps.settings.media.keep_uploads_for).unwrap_or(Timestamp::MAX);
    let received = ReceivedMedia {
        key,
        account: new.account,
        sha256: content.sha256,
        size: content.size,
        mime_type: media_type.mime.to_owned(),
        file_name: new.file_name,
        expires_at,
    };
    let finished = deps.media.records.finish_media(received).await?;
    if !finished.is_new {
        let known = BlobKey { media: finished.media.id, ..key };
        restore_content(deps, known, key, content.size).await.map_err(MediaStoreError::Blob)?;
    }
    Ok(finished)
}

/// Copies the content of a file to a file with the same content, if its content is missing: the database was restored
/// without the files.
async fn restore_content(deps: &Deps, missing: BlobKey, source: BlobKey, size: u64) -> Result<(), BlobError> {
    if deps.media.blobs.read_blob(missing, 0..1).await?.is_some() {
        return Ok(());
    }
    let Some(content) = deps.media.blobs.read_blob(source, 0..size).await? else { return Ok(()) };
    match deps.media.blobs.write_blob(missing, content).await {
        Ok(()) => Ok(()),
        Err(BlobWriteError::Store(error)) => Err(error),
        Err(BlobWriteError::Source(error)) => Err(BlobError::new("restoring the content of a file", error)),
    }
}

/// Deletes a staged file.
pub async fn discard_file(deps: &Deps, staged: &StagedFile) {
    delete_incomplete(deps, staged.key).await;
}

/// Marks a file that was not finished for deletion.
async fn delete_incomplete(deps: &Deps, key: BlobKey) {
    if let Err(error) = deps.media.records.delete_incomplete_media(key).await {
        // The file is deleted when it expires.
        tracing::warn!(error = %crate::chain(&error), media.id = %key.media,
            "a file that was not finished could not be deleted");
    }
}

/// Stores a file.
pub(super) async fn store_file(
    deps: &Deps,
    new: NewFile,
    content: ByteStream,
) -> Result<FinishMediaResult, MediaStoreError> {
    let staged = stage_file(deps, new, content).await?;
    commit_file(deps, staged).await
}
