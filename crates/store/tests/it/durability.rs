//! Durability of writes, and versions of the database.

use domain::messages::status::MessageStatus;
use engine::ports::{Messages, Workers};
use tokio::task::JoinSet;

use crate::support::TestStore;

/// Runs futures concurrently.
async fn join_all<T: Send + 'static>(futures: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let mut set: JoinSet<T> = futures.into_iter().collect();
    let mut ends = Vec::new();
    while let Some(end) = set.join_next().await {
        ends.push(end.unwrap());
    }
    ends
}

#[test]
fn the_linked_sqlite_has_the_wal_reset_fix() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn an_accepted_message_is_stored_after_a_restart() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    let app = app.restart();
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
}

#[tokio::test]
async fn a_hundred_concurrent_inserts_are_a_hundred_messages() {
    let app = TestStore::new().await;
    let news: Vec<_> = (0..100).map(|_| app.new_message()).collect();
    let ids: Vec<_> = news.iter().map(|new| new.id).collect();
    let accepts = news
        .into_iter()
        .map(|new| {
            let store = app.store.clone();
            async move { store.insert_message(new).await.unwrap() }
        })
        .collect();
    join_all(accepts).await;
    for id in ids {
        assert_eq!(app.status(id).await, MessageStatus::Sending);
    }
}

#[tokio::test]
async fn a_failed_write_does_not_affect_other_writes() {
    let app = TestStore::new().await;
    let good: Vec<_> = (0..20).map(|_| app.new_message()).collect();
    let ids: Vec<_> = good.iter().map(|new| new.id).collect();
    let mut all: Vec<_> = good.clone();
    // Messages with identifiers that exist already cannot be inserted.
    all.extend(good);
    let accepts = all
        .into_iter()
        .map(|new| {
            let store = app.store.clone();
            async move { store.insert_message(new).await.is_ok() }
        })
        .collect();
    let ends = join_all(accepts).await;
    assert_eq!(ends.iter().filter(|is_ok| **is_ok).count(), 20);
    for id in ids {
        assert_eq!(app.status(id).await, MessageStatus::Sending);
    }
}

#[tokio::test]
async fn the_database_uses_a_write_ahead_log() {
    let app = TestStore::new().await;
    app.store.check_writable(app.now()).await.unwrap();
    let connection = rusqlite::Connection::open(app.path()).unwrap();
    let mode: String = connection.query_row("pragma journal_mode", (), |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_rejected() {
    let app = TestStore::new().await;
    let path = app.path();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute(
            "insert into schema_migrations (version, name, checksum, applied_at) values (9999, 'future', x'00', 0)",
            (),
        )
        .unwrap();
    let error = store::migrate(&path, app.now()).unwrap_err();
    assert!(error.to_string().contains("use a newer waypost"), "{error}");
}

#[tokio::test]
async fn the_migration_state_of_a_database_can_be_read() {
    let app = TestStore::new().await;
    let state = store::migration_state(&app.path()).unwrap();
    assert_eq!(state.applied, state.known);
    let missing = store::migration_state(&app.folder.path().join("none.db")).unwrap();
    assert_eq!(missing.applied, 0);
}

#[tokio::test]
async fn a_database_of_a_development_version_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("waypost.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "create table schema_migrations (
            version integer not null primary key, name text not null, checksum blob not null,
            applied_at integer not null) strict;
         create table messages (seq integer primary key) strict;
         insert into schema_migrations values (1, 'ground', zeroblob(32), 0), (16, 'account_links', zeroblob(32), 0);",
    )
    .unwrap();
    drop(old);
    let refusals = [
        store::migrate(&path, jiff::Timestamp::UNIX_EPOCH).unwrap_err().to_string(),
        store::migration_state(&path).unwrap_err().to_string(),
        store::check_integrity(&path, None, jiff::Timestamp::UNIX_EPOCH).unwrap_err().to_string(),
        store::backup(&path, &folder.path().join("copy.db"), false, jiff::Timestamp::UNIX_EPOCH)
            .unwrap_err()
            .to_string(),
    ];
    for refusal in refusals {
        assert!(refusal.contains("a development version of waypost"), "{refusal}");
        assert!(refusal.contains("start with a new database file"), "{refusal}");
    }
}
