//! A folder of files: `<workspace>/<two digits>/<file>`, and `unfinished` for files that are being written.

use std::io::{ErrorKind, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use engine::ports::{BlobError, BlobKey, BlobWriteError, Blobs, ByteStream, ByteStreamError};
use futures_core::Stream;
use jiff::Timestamp;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncRead as _, AsyncSeekExt as _, AsyncWriteExt as _, ReadBuf};

/// Number of bytes per read.
const PIECE: usize = 64 * 1024;

/// Folder of files that are not complete yet.
const UNFINISHED: &str = "unfinished";

/// File contents in a folder, which is created with the first file.
pub struct FolderBlobs {
    root: PathBuf,
    /// Number that makes the names of unfinished files unique, also between processes that share a folder.
    process: u32,
    n_puts: AtomicU64,
}

impl FolderBlobs {
    /// Creates a store of file contents in this folder.
    pub fn within(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), process: std::process::id(), n_puts: AtomicU64::new(0) }
    }

    /// Returns the folder and the path of a file. The last digits of an id are random, so files are spread evenly.
    fn path_of(&self, key: BlobKey) -> (PathBuf, PathBuf) {
        let name = key.media.to_string();
        let shard: String = name.chars().skip(name.len().saturating_sub(2)).collect();
        let folder = self.root.join(key.workspace.to_string()).join(shard);
        let path = folder.join(name);
        (folder, path)
    }

    async fn write(&self, unfinished: &Path, content: ByteStream) -> Result<(), BlobWriteError> {
        let mut file = own(OpenOptions::new().write(true).create_new(true))
            .open(unfinished)
            .await
            .map_err(store("opening a new file"))?;
        let mut content = content;
        while let Some(chunk) = std::future::poll_fn(|context| content.as_mut().poll_next(context)).await {
            let chunk = chunk.map_err(BlobWriteError::Source)?;
            file.write_all(&chunk).await.map_err(store("writing a file"))?;
        }
        file.flush().await.map_err(store("writing a file"))?;
        file.sync_all().await.map_err(store("writing a file to disk"))
    }
}

/// Opens a file that only its owner can read, because it contains what customers sent.
fn own(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    options.mode(0o600);
    options
}

fn store(doing: &'static str) -> impl Fn(std::io::Error) -> BlobWriteError {
    move |error| BlobWriteError::Store(BlobError::new(doing, error))
}

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> BlobError {
    move |error| BlobError::new(doing, error)
}

/// Creates a folder that only its owner can read.
async fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).await
}

/// Syncs a folder to disk. Without this, a crash can lose a file's name, and the file with it.
async fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder).await?.sync_all().await
}

/// Removes an unfinished file when its write ends without a rename.
struct Unfinished {
    path: PathBuf,
    is_done: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "an unfinished file could not be removed");
        }
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn write_blob(&self, key: BlobKey, content: ByteStream) -> Result<(), BlobWriteError> {
        let waiting = self.root.join(UNFINISHED);
        let (folder, path) = self.path_of(key);
        make(&waiting).await.map_err(store("making a folder"))?;
        make(&folder).await.map_err(store("making a folder"))?;
        let n = self.n_puts.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{}.{n}", key.media, self.process);
        let mut unfinished = Unfinished { path: waiting.join(name), is_done: false };
        self.write(&unfinished.path, content).await?;
        tokio::fs::rename(&unfinished.path, &path).await.map_err(store("naming a file"))?;
        unfinished.is_done = true;
        for folder in folder.ancestors().take(3) {
            sync_folder(folder).await.map_err(store("bringing a folder to disk"))?;
        }
        Ok(())
    }

    async fn read_blob(&self, key: BlobKey, range: Range<u64>) -> Result<Option<ByteStream>, BlobError> {
        let (_, path) = self.path_of(key);
        let mut file = match File::open(path).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BlobError::new("opening a file", error)),
        };
        file.set_max_buf_size(PIECE);
        file.seek(SeekFrom::Start(range.start)).await.map_err(failed("reading a file"))?;
        let n_left = range.end.saturating_sub(range.start);
        Ok(Some(Box::pin(Reading { file, n_left })))
    }

    async fn delete_blob(&self, key: BlobKey) -> Result<(), BlobError> {
        let (_, path) = self.path_of(key);
        match tokio::fs::remove_file(path).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(BlobError::new("deleting a file", error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn delete_partial_blobs(&self, before: Timestamp) -> Result<(), BlobError> {
        let doing = "looking for unfinished files";
        let mut entries = match tokio::fs::read_dir(self.root.join(UNFINISHED)).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(BlobError::new(doing, error)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(failed(doing))? {
            let Ok(modified) = entry.metadata().await.and_then(|metadata| metadata.modified()) else {
                continue;
            };
            if Timestamp::try_from(modified).is_ok_and(|modified| modified < before) {
                tokio::fs::remove_file(entry.path()).await.map_err(failed("removing an unfinished file"))?;
            }
        }
        Ok(())
    }
}

/// Stream of a byte range of a file.
struct Reading {
    file: File,
    n_left: u64,
}

impl Stream for Reading {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.n_left == 0 {
            return Poll::Ready(None);
        }
        let broken = |reason: String| Poll::Ready(Some(Err(ByteStreamError::Broken(reason))));
        let room = usize::try_from(self.n_left).unwrap_or(PIECE).min(PIECE);
        let mut chunk = BytesMut::zeroed(room);
        let mut buffer = ReadBuf::new(&mut chunk);
        let read = ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer));
        let n_read = buffer.filled().len();
        match read {
            Err(error) => {
                self.n_left = 0;
                broken(format!("reading a file: {error}"))
            }
            Ok(()) if n_read == 0 => {
                self.n_left = 0;
                broken("the file is shorter than it was".to_owned())
            }
            Ok(()) => {
                chunk.truncate(n_read);
                self.n_left = self.n_left.saturating_sub(u64::try_from(n_read).unwrap_or(u64::MAX));
                Poll::Ready(Some(Ok(chunk.freeze())))
            }
        }
    }
}
