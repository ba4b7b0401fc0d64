//! A file that comes in from outside is kept: looked at, measured, written down.
//!
//! The order makes every crash harmless: the row is there before the content, and says that the file is whole after it.

use bytes::Bytes;
use domain::id::{AccountId, MediaId, WorkspaceId};
use domain::media::{DeclaredType, MediaType, MediaTypeError, SNIFF_BYTES, resolve_media_type};
use jiff::{SignedDuration, Timestamp};

use super::pieces::{measured, peek};
use crate::Deps;
use crate::ports::{
    BlobError, BlobKey, BlobWriteError, ByteStream, ByteStreamError, FinishMediaResult, MediaOrigin,
    NewMedia, ReceivedMedia, StoreError,
};

/// After how long a file that never came whole is forgotten: longer than any upload takes.
const RECEIVE_WITHIN: SignedDuration = SignedDuration::from_hours(6);

/// A file that is to be kept.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Whose it is; `None`: any account's of the workspace.
    pub account: Option<AccountId>,
    /// Where it comes from.
    pub origin: MediaOrigin,
    /// The MIME type that it is said to have.
    pub mime_type: Option<String>,
    /// Its name.
    pub file_name: Option<String>,
}

/// A file whose content is kept, and which nobody can see yet.
#[derive(Clone, Debug)]
pub struct Received {
    key: BlobKey,
    incoming: Incoming,
    head: Bytes,
    sha256: [u8; 32],
    size: u64,
    media_type: &'static MediaType,
}

impl Received {
    /// What it is.
    pub fn media_type(&self) -> &'static MediaType {
        self.media_type
    }

    /// Whose it is, where that was heard late.
    pub fn give_to(&mut self, account: AccountId) {
        self.incoming.account = Some(account);
    }

    /// Looks again at what it is, where its type was heard late.
    ///
    /// # Errors
    /// `MediaTypeError`, `TooLarge`.
    pub fn judge_as(&mut self, mime_type: &str) -> Result<(), KeepError> {
        let lease = DeclaredType { mime: Some(mime_type), file_name: self.incoming.file_name.as_deref() };
        self.media_type = resolve_media_type(lease, &self.head)?;
        let most = self.media_type.max_bytes_for(&self.head);
        if self.size > most { Err(KeepError::TooLarge(self.media_type, most)) } else { Ok(()) }
    }
}

/// Why a file is not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Meta would not take it.
    #[error(transparent)]
    Unfit(#[from] MediaTypeError),
    /// It has more bytes than Meta, or the operator, takes of its type.
    #[error("a file of the type {mime} has at most {1} bytes", mime = .0.mime)]
    TooLarge(&'static MediaType, u64),
    /// It did not come whole.
    #[error("{0}")]
    Broken(String),
    /// Its content cannot be kept.
    #[error(transparent)]
    Blob(BlobError),
    /// It cannot be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes the content of a file; [`finish`] or [`discard`] comes next. If neither does, the file is forgotten.
///
/// # Errors
/// [`KeepError`]; nothing is kept then.
pub async fn receive(deps: &Deps, incoming: Incoming, pieces: ByteStream) -> Result<Received, KeepError> {
    let broken = |error: ByteStreamError| KeepError::Broken(error.to_string());
    let (head, pieces) = peek(pieces, SNIFF_BYTES).await.map_err(broken)?;
    let lease =
        DeclaredType { mime: incoming.mime_type.as_deref(), file_name: incoming.file_name.as_deref() };
    let media_type = resolve_media_type(lease, &head)?;
    let most = media_type.max_bytes_for(&head).min(deps.settings.media.max_bytes);
    let key = BlobKey { workspace: incoming.workspace, media: deps.new_id(MediaId::from_parts) };
    let now = deps.now();
    let expires_at = now.saturating_add(RECEIVE_WITHIN).unwrap_or(Timestamp::MAX);
    let (account, origin) = (incoming.account, incoming.origin);
    deps.media.records.insert_media(NewMedia { key, account, origin, expires_at, now }).await?;
    let (pieces, measure) = measured(pieces, most, Vec::new());
    let end = match deps.media.blobs.write_blob(key, pieces).await {
        Ok(()) => measure.taken().ok_or_else(|| KeepError::Broken("it was not read to its end".to_owned())),
        Err(BlobWriteError::Source(ByteStreamError::TooLarge(most))) => {
            Err(KeepError::TooLarge(media_type, most))
        }
        Err(BlobWriteError::Source(error)) => Err(broken(error)),
        Err(BlobWriteError::Store(error)) => Err(KeepError::Blob(error)),
    };
    match end {
        Ok((sha256, size)) => Ok(Received { key, incoming, head, sha256, size, media_type }),
        Err(error) => {
            abandon(deps, key).await;
            Err(error)
        }
    }
}

/// Makes a file that was taken visible. The same content again, with the same type and for the same account, is the file
/// that is there already, kept on; should its content have been lost, it has it again.
///
/// # Errors
/// `Blob`, `Store`.
pub async fn finish(deps: &Deps, received: Received) -> Result<FinishMediaResult, KeepError> {
    let Received { key, incoming, sha256, size, media_type, .. } = received;
    let expires_at =
        deps.now().saturating_add(deps.settings.media.keep_uploads_for).unwrap_or(Timestamp::MAX);
    let whole = ReceivedMedia {
        key,
        account: incoming.account,
        sha256,
        size,
        mime_type: media_type.mime.to_owned(),
        file_name: incoming.file_name,
        expires_at,
    };
    let kept = deps.media.records.finish_media(whole).await?;
    if !kept.is_new {
        let known = BlobKey { media: kept.media.id, ..key };
        mend(deps, known, (key, size)).await.map_err(KeepError::Blob)?;
    }
    Ok(kept)
}

/// Gives a file its content again from an equal one, if it has lost it: somebody restored the database alone.
async fn mend(deps: &Deps, lost: BlobKey, (equal, size): (BlobKey, u64)) -> Result<(), BlobError> {
    if deps.media.blobs.read_blob(lost, 0..1).await?.is_some() {
        return Ok(());
    }
    let Some(pieces) = deps.media.blobs.read_blob(equal, 0..size).await? else { return Ok(()) };
    match deps.media.blobs.write_blob(lost, pieces).await {
        Ok(()) => Ok(()),
        Err(BlobWriteError::Store(error)) => Err(error),
        Err(BlobWriteError::Source(error)) => Err(BlobError::new("giving a file its content again", error)),
    }
}

/// Gives up a file that was taken.
pub async fn discard(deps: &Deps, received: &Received) {
    abandon(deps, received.key).await;
}

/// The sweep deletes what there is of it.
async fn abandon(deps: &Deps, key: BlobKey) {
    if let Err(error) = deps.media.records.delete_incomplete_media(key).await {
        // Then it is forgotten when its time is over.
        tracing::warn!(error = %crate::chain(&error), media.id = %key.media, "a file could not be given up");
    }
}

/// Keeps a file from a link.
pub(super) async fn keep(
    deps: &Deps,
    incoming: Incoming,
    pieces: ByteStream,
) -> Result<FinishMediaResult, KeepError> {
    let received = receive(deps, incoming, pieces).await?;
    finish(deps, received).await
}
