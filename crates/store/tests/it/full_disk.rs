//! A store that cannot write: writes are rolled back and return an error, and later writes succeed.

use std::process::Command;

use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use engine::ports::{AttemptResult, InsertMessageResult, MessageQueue, Messages, StoreErrorKind, Workers};

use crate::support::{CUSTOMER, TestStore};

/// Sets the maximum size of files of this process.
fn limit_files(bytes: &str) {
    let pid = std::process::id().to_string();
    let status =
        Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().unwrap();
    assert!(status.success());
}

/// Returns `true` if this process runs one test only, and a write beyond the limit is an error instead of a signal.
fn is_prepared() -> bool {
    const XFSZ: u32 = 25;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let is_ignored = u64::from_str_radix(ignored.trim(), 16).unwrap() >> (XFSZ - 1) & 1 == 1;
    is_ignored && std::env::args().any(|arg| arg == "--exact")
}

/// A limit of the process simulates a full disk. The test therefore runs itself in another process that ignores the
/// signal of the limit.
#[tokio::test]
async fn a_full_disk_rolls_back_writes_and_the_store_works_again_afterwards() {
    if is_prepared() {
        return run_with_full_disk().await;
    }
    let end = Command::new("sh") .args(["-c", r#"trap "" XFSZ; exec "$0" --exact full_disk::a_full_disk_rolls_back_writes_and_the_store_works_again_afterwards"#]) .arg(std::env::current_exe().unwrap()) .output() .unwrap();
    let output = String::from_utf8_lossy(&end.stdout);
    assert!(
        end.status.success() && output.contains("1 passed"),
        "{output}{}",
        String::from_utf8_lossy(&end.stderr)
    );
}

async fn run_with_full_disk() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    let waiting = app.accept(app.queued(CUSTOMER)).await.message;
    let before =
        (format!("{:?}", app.detail(lease.message).await), app.store.list_queue_depths().await.unwrap());

    limit_files("0");
    let mut accepts = tokio::task::JoinSet::new();
    let news: Vec<_> = (0..10).map(|_| app.new_message()).collect();
    for new in news.clone() {
        let store = app.store.clone();
        accepts.spawn(async move { store.insert_message(new).await.unwrap_err().kind() });
    }
    for kind in accepts.join_all().await {
        assert_eq!(kind, StoreErrorKind::Unavailable);
    }
    let sent =
        AttemptResult::Sent(AcceptedMessage { wamid: "wamid.A".to_owned(), ..AcceptedMessage::default() });
    let finished = app.store.finish_attempt(&lease, &sent, None, app.now()).await;
    assert_eq!(finished.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let leased = app.store.lease_due_messages(app.lease_request(app.worker, 10)).await;
    assert_eq!(leased.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(app.store.check_writable(app.now()).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    // The stored rows can be read and have not changed.
    let after =
        (format!("{:?}", app.detail(lease.message).await), app.store.list_queue_depths().await.unwrap());
    assert_eq!(after, before);

    limit_files("unlimited");
    app.store.check_writable(app.now()).await.unwrap();
    for new in news {
        assert!(matches!(app.store.insert_message(new).await.unwrap(), InsertMessageResult::Accepted { .. }));
    }
    app.store.finish_attempt(&lease, &sent, None, app.now()).await.unwrap();
    assert_eq!(app.lease(10).await.remove(0).lease.message, waiting);
    let app = app.restart();
    assert_eq!(app.status(lease.message).await, MessageStatus::Sent);
    assert_eq!(app.status(waiting).await, MessageStatus::Sending);
}

#[tokio::test]
async fn a_database_that_another_program_locks_is_unavailable_until_it_is_unlocked() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    let other = rusqlite::Connection::open(app.path()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let sent =
        AttemptResult::Sent(AcceptedMessage { wamid: "wamid.A".to_owned(), ..AcceptedMessage::default() });
    let finished = app.store.finish_attempt(&lease, &sent, None, app.now()).await;
    assert_eq!(finished.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
    other.execute_batch("rollback").unwrap();
    app.store.finish_attempt(&lease, &sent, None, app.now()).await.unwrap();
    assert_eq!(app.status(lease.message).await, MessageStatus::Sent);
}
