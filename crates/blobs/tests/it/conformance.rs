//! The contract of `Blobs`, checked with every store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use blobs::{FolderBlobs, PART};
use engine::ports::{BlobWriteError, Blobs as _, ByteStreamError};
use jiff::Timestamp;

use crate::support::{Alive, Large, all, broken_after, content, key, stores};

#[tokio::test]
async fn stored_content_is_read_completely_and_by_range() {
    for store in stores().await {
        let blobs = store.blobs;
        blobs.write_blob(key(1), content(&["hello", "", " ", "world"])).await.unwrap();
        for (range, expected) in [(0..11, "hello world"), (0..5, "hello"), (6..11, "world"), (10..11, "d")] {
            let part = blobs.read_blob(key(1), range).await.unwrap().unwrap();
            assert_eq!(all(part).await.unwrap(), expected.as_bytes());
        }
        assert!(blobs.read_blob(key(2), 0..1).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn incomplete_content_is_not_stored() {
    for store in stores().await {
        let blobs = store.blobs;
        for n_bytes in [0, 3, PART, PART + 1] {
            let end = blobs.write_blob(key(1), broken_after(n_bytes)).await;
            assert!(matches!(end, Err(BlobWriteError::Source(ByteStreamError::Broken(_)))), "{end:?}");
            assert!(blobs.read_blob(key(1), 0..1).await.unwrap().is_none());
        }
        if let Some(folder) = &store.folder {
            let left = std::fs::read_dir(folder.path().join("media/unfinished")).unwrap().count();
            assert_eq!(left, 0, "nothing is left behind");
        }
    }
}

#[tokio::test]
async fn content_of_the_same_key_is_replaced_completely() {
    for store in stores().await {
        let blobs = store.blobs;
        blobs.write_blob(key(1), content(&["old and long"])).await.unwrap();
        assert!(blobs.write_blob(key(1), broken_after(3)).await.is_err());
        assert_eq!(
            all(blobs.read_blob(key(1), 0..12).await.unwrap().unwrap()).await.unwrap(),
            b"old and long"
        );
        blobs.write_blob(key(1), content(&["new"])).await.unwrap();
        assert_eq!(all(blobs.read_blob(key(1), 0..3).await.unwrap().unwrap()).await.unwrap(), b"new");
    }
}

#[tokio::test]
async fn a_deleted_file_does_not_exist_and_can_be_deleted_again() {
    for store in stores().await {
        let blobs = store.blobs;
        blobs.write_blob(key(1), content(&["x"])).await.unwrap();
        blobs.write_blob(key(2), content(&["y"])).await.unwrap();
        blobs.delete_blob(key(1)).await.unwrap();
        blobs.delete_blob(key(1)).await.unwrap();
        assert!(blobs.read_blob(key(1), 0..1).await.unwrap().is_none());
        assert_eq!(all(blobs.read_blob(key(2), 0..1).await.unwrap().unwrap()).await.unwrap(), b"y");
    }
}

#[tokio::test]
async fn a_large_file_is_stored_and_read_with_little_memory() {
    const SIZE: usize = 2 * PART + 12_345;
    for store in stores().await {
        let blobs = store.blobs;
        let in_memory = Arc::new(Alive::default());
        blobs.write_blob(key(1), Large::of(SIZE, &in_memory)).await.unwrap();
        let most = in_memory.most.load(Ordering::SeqCst);
        let bound = if store._bucket.is_some() || store.folder.is_some() { PART + (1 << 20) } else { SIZE };
        assert!(most <= bound, "{most} bytes were held at once");
        let from = u64::try_from(PART - 7).unwrap();
        let end = u64::try_from(SIZE).unwrap();
        let tail = all(blobs.read_blob(key(1), from..end).await.unwrap().unwrap()).await.unwrap();
        assert_eq!(tail.len(), SIZE - (PART - 7));
        assert!(tail.iter().enumerate().all(|(n, byte)| *byte == Large::byte(PART - 7 + n)));
    }
}

#[tokio::test]
async fn a_file_of_exactly_one_part_is_complete() {
    for store in stores().await {
        let in_memory = Arc::new(Alive::default());
        store.blobs.write_blob(key(1), Large::of(PART, &in_memory)).await.unwrap();
        let whole = store.blobs.read_blob(key(1), 0..u64::try_from(PART).unwrap()).await.unwrap().unwrap();
        assert_eq!(all(whole).await.unwrap().len(), PART);
    }
}

#[tokio::test]
async fn reading_a_truncated_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::within(folder.path());
    blobs.write_blob(key(1), content(&["abc"])).await.unwrap();
    let cut = all(blobs.read_blob(key(1), 0..9).await.unwrap().unwrap()).await;
    assert_eq!(cut, Err(ByteStreamError::Broken("the file is shorter than it was".to_owned())));
}

#[tokio::test]
async fn unfinished_files_of_a_crashed_process_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::within(folder.path());
    blobs.delete_partial_blobs(Timestamp::MAX).await.unwrap();
    blobs.write_blob(key(1), content(&["abc"])).await.unwrap();
    let left = folder.path().join("unfinished/left");
    std::fs::write(&left, "half").unwrap();
    blobs.delete_partial_blobs(Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(left.exists(), "it may still be written");
    blobs.delete_partial_blobs(Timestamp::MAX).await.unwrap();
    assert!(!left.exists());
    assert_eq!(all(blobs.read_blob(key(1), 0..3).await.unwrap().unwrap()).await.unwrap(), b"abc");
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private_and_named_by_ids() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::within(folder.path());
    blobs.write_blob(key(0xab), content(&["abc"])).await.unwrap();
    let media = key(0xab).media.to_string();
    let path = folder.path().join(key(0xab).workspace.to_string()).join("ab").join(media);
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}
