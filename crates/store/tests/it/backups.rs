//! Backups, restores, integrity checks and re-encryption.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use domain::id::WorkerId;
use domain::messages::status::MessageStatus;
use engine::ports::{Accounts, Maintenance, MessageQueue, SendSchedule, Workers};
use jiff::SignedDuration;
use rusqlite::Connection;
use secrecy::SecretSlice;
use store::{
    BackupError, ReencryptResult, RestoreMode, RestoreOptions, SealedValueCounts, Sealer, backup,
    check_integrity, reencrypt, restore,
};

use crate::support::{CUSTOMER, TestStore, open};

const OTHER: &str = "15550100002";

/// Closes the store, restores the backup over its database, and opens the store again.
fn restored(app: TestStore, copy: &std::path::Path, mode: RestoreMode) -> TestStore {
    app.advance(60);
    let (path, now) = (app.path(), app.now());
    let TestStore { store, clock, random, folder, workspace, account, worker } = app;
    drop(store);
    let restored = restore(copy, &path, RestoreOptions { mode, replaces: true }, now).unwrap();
    assert!(restored.before.unwrap().exists());
    let store = open(&path, &clock, &random);
    TestStore { store, clock, random, folder, workspace, account, worker }
}

#[tokio::test]
async fn a_backup_is_created_during_writes_and_has_the_state_of_one_moment() {
    let app = TestStore::new().await;
    let sent = app.accept(app.new_message()).await;
    let copy = app.folder.path().join("copy.db");
    let copied = backup(&app.path(), &copy, false, app.now()).unwrap();
    app.finish_sent(&sent, "wamid.A").await;

    assert_eq!(copied.size, fs::metadata(&copy).unwrap().len());
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(app.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("copy"))
        .collect();
    assert_eq!(left, ["copy.db"]);
    let inside = check_integrity(&copy, None, app.now()).unwrap();
    assert_eq!((inside.quick_check.as_str(), inside.backup_created_at), ("ok", Some(app.now())));
    let connection = Connection::open(&copy).unwrap();
    let status: String = connection.query_row("select status from messages", (), |row| row.get(0)).unwrap();
    assert_eq!(status, "sending");
    assert_eq!(app.status(sent.message).await, MessageStatus::Sent);
    // The original database has no backup marker.
    assert_eq!(app.store.get_restored_backup_time().await.unwrap(), None);
}

#[tokio::test]
async fn a_backup_does_not_replace_a_file_and_a_failed_backup_leaves_the_file_unchanged() {
    let app = TestStore::new().await;
    let copy = app.folder.path().join("copy.db");
    fs::write(&copy, "something else").unwrap();
    assert!(matches!(backup(&app.path(), &copy, false, app.now()), Err(BackupError::Exists(_))));
    assert!(matches!(backup(&app.path(), &app.path(), true, app.now()), Err(BackupError::Same(_))));
    let nothing = app.folder.path().join("nothing.db");
    assert!(matches!(backup(&nothing, &copy, true, app.now()), Err(BackupError::Missing(_))));
    let garbage = app.folder.path().join("garbage.db");
    fs::write(&garbage, vec![b'x'; 10_000]).unwrap();
    assert!(backup(&garbage, &copy, true, app.now()).is_err());
    assert_eq!(fs::read(&copy).unwrap(), b"something else");
    assert!(!app.folder.path().join("copy.db.unfinished").exists());
    backup(&app.path(), &copy, true, app.now()).unwrap();
    assert_eq!(check_integrity(&copy, None, app.now()).unwrap().quick_check, "ok");
}

#[tokio::test]
async fn messages_that_may_have_been_sent_since_the_backup_are_quarantined() {
    let app = TestStore::new().await;
    let sending = app.accept(app.new_message()).await.message;
    let queued = app.accept(app.queued(CUSTOMER)).await.message;
    let other = app.accept(app.queued(OTHER)).await.message;
    let mut scheduled = app.queued(OTHER);
    let at = app.now() + SignedDuration::from_hours(48);
    scheduled.schedule = SendSchedule::Queued { due_at: at, order_at: at };
    let scheduled = app.accept(scheduled).await.message;
    let copy = app.folder.path().join("copy.db");
    let made_at = app.now();
    backup(&app.path(), &copy, false, made_at).unwrap();
    // The original database continues: all due messages are leased.
    assert_eq!(app.lease(10).await.len(), 2);

    let app = restored(app, &copy, RestoreMode::Quarantine);
    assert_eq!(app.store.get_restored_backup_time().await.unwrap(), Some(made_at));
    let mut held = 0;
    loop {
        match app.store.quarantine_messages(app.now(), 2).await.unwrap() {
            0 => break,
            n => held += n,
        }
    }
    assert_eq!(held, 3);
    for id in [sending, queued, other] {
        assert_eq!(app.status(id).await, MessageStatus::Unknown);
    }
    assert_eq!(app.lease(10).await.len(), 0);
    assert_eq!(app.store.list_queue_depths().await.unwrap().get(&app.account), Some(&1));
    assert_eq!(app.store.get_restored_backup_time().await.unwrap(), None);
    // A status from Meta resolves an unknown message by the reference that the original database sent.
    app.report(app.reported_for(queued, "wamid.Q", MessageStatus::Delivered)).await;
    assert_eq!(app.status(queued).await, MessageStatus::Delivered);
    // A message that was not due is still queued and is sent at its time.
    app.advance(49 * 3600);
    let left: Vec<_> = app.lease(10).await.iter().map(|leased| leased.lease.message).collect();
    assert_eq!(left, [scheduled]);
}

#[tokio::test]
async fn the_queue_continues_if_no_message_was_sent_since_the_backup() {
    let app = TestStore::new().await;
    let queued = app.accept(app.queued(CUSTOMER)).await.message;
    let copy = app.folder.path().join("copy.db");
    backup(&app.path(), &copy, false, app.now()).unwrap();
    // If root restores for a service with another user, the owner of the database does not change. Only root can test this.
    let is_given = std::os::unix::fs::chown(app.path(), Some(65_534), None).is_ok();
    let app = restored(app, &copy, RestoreMode::ContinueQueue);
    assert!(!is_given || fs::metadata(app.path()).unwrap().uid() == 65_534);
    assert_eq!(app.store.get_restored_backup_time().await.unwrap(), None);
    let left: Vec<_> = app.lease(10).await.iter().map(|leased| leased.lease.message).collect();
    assert_eq!(left, [queued]);
}

#[tokio::test]
async fn a_file_that_was_copied_by_other_means_is_quarantined_when_it_is_restored() {
    let app = TestStore::new().await;
    app.accept(app.queued(CUSTOMER)).await;
    let app = app.restart();
    let copy = app.folder.path().join("copy.db");
    // The file is complete: the log was emptied when the store was closed.
    fs::copy(app.path(), &copy).unwrap();
    let app = restored(app, &copy, RestoreMode::Quarantine);
    assert!(app.store.get_restored_backup_time().await.unwrap().is_some());
    assert_eq!(app.store.quarantine_messages(app.now(), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced() {
    let app = TestStore::new().await;
    let copy = app.folder.path().join("copy.db");
    backup(&app.path(), &copy, false, app.now()).unwrap();
    app.store.record_heartbeat(WorkerId::from_parts(3, &[3; 10]), app.now()).await.unwrap();
    let end = restore(
        &copy,
        &app.path(),
        RestoreOptions { mode: RestoreMode::Quarantine, replaces: true },
        app.now(),
    );
    assert!(matches!(end, Err(BackupError::InUse(_))), "{end:?}");
    app.advance(60);
    let end = restore(
        &copy,
        &app.path(),
        RestoreOptions { mode: RestoreMode::Quarantine, replaces: false },
        app.now(),
    );
    assert!(matches!(end, Err(BackupError::Exists(_))), "{end:?}");
}

fn key(byte: u8) -> SecretSlice<u8> {
    SecretSlice::from(vec![byte; 32])
}

#[tokio::test]
async fn re_encryption_seals_every_secret_with_the_new_key_and_can_be_repeated() {
    let app = TestStore::new().await;
    for n in 0..120 {
        app.add_account(&format!("account {n}"), &format!("3300112200{n:05}")).await;
    }
    let both = Sealer::new(&key(8), app.random.clone()).unwrap().with_old(&key(9)).unwrap();
    let path = app.path();
    // A running gateway without the new key could not read re-encrypted secrets.
    assert_eq!(
        reencrypt(&path, &both, app.now()).unwrap(),
        ReencryptResult::OtherKeyInUse { n_processes: 1 }
    );
    app.advance(60);
    let count = SealedValueCounts { present: 242, old: 0, other: 0 };
    assert_eq!(
        reencrypt(&path, &both, app.now()).unwrap(),
        ReencryptResult::Done { n_reencrypted: 242, count }
    );
    assert_eq!(
        reencrypt(&path, &both, app.now()).unwrap(),
        ReencryptResult::Done { n_reencrypted: 0, count }
    );
    // The old key opens no secret, and the new key opens all secrets.
    let old = Sealer::new(&key(9), app.random.clone()).unwrap();
    let with_old = check_integrity(&path, Some(&old), app.now()).unwrap().seals;
    assert_eq!(with_old, Some(SealedValueCounts { present: 0, old: 0, other: 242 }));
    assert!(app.store.get_directory().await.is_err());
    let new = Sealer::new(&key(8), app.random.clone()).unwrap();
    let store = store::SqliteStore::open(
        &path,
        new,
        &*app.clock,
        &*app.random,
        std::sync::Arc::new(engine::metrics::Metrics::new(app.clock.clone())),
    )
    .unwrap();
    assert_eq!(store.get_directory().await.unwrap().accounts.len(), 121);
}

/// Returns the write-ahead log of another database.
async fn stray_log() -> Vec<u8> {
    let other = TestStore::new().await;
    for n in 0..20 {
        other.inbound(other.text_from(CUSTOMER, &format!("wamid.{n}"))).await;
    }
    fs::read(other.path().with_extension("db-wal")).unwrap()
}

#[tokio::test]
async fn the_log_of_another_database_is_not_used_by_a_backup() {
    let log = stray_log().await;
    let app = TestStore::new().await;
    let sent = app.accept(app.new_message()).await;
    app.finish_sent(&sent, "wamid.A").await;
    let copy = app.folder.path().join("copy.db");
    fs::write(&copy, "an older copy").unwrap();
    fs::write(app.folder.path().join("copy.db-wal"), &log).unwrap();
    backup(&app.path(), &copy, true, app.now()).unwrap();
    let check = || Connection::open(&copy).unwrap();
    let n_messages: i64 = check().query_row("select count(*) from messages", (), |row| row.get(0)).unwrap();
    assert_eq!(n_messages, 1);

    // The database was moved without its log.
    let path = app.folder.path().join("elsewhere.db");
    fs::write(app.folder.path().join("elsewhere.db-wal"), &log).unwrap();
    restore(&copy, &path, RestoreOptions { mode: RestoreMode::Quarantine, replaces: false }, app.now())
        .unwrap();
    assert_eq!(check_integrity(&path, None, app.now()).unwrap().quick_check, "ok");
    let moved = fs::read_dir(app.folder.path()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.starts_with("elsewhere.db.before-restore-") && name.ends_with("-wal")
    });
    assert_eq!(moved.count(), 1);
    let store = open(&path, &app.clock, &app.random);
    assert_eq!(store.get_restored_backup_time().await.unwrap(), Some(app.now()));
}
