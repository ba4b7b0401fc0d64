//! A store that cannot write: nothing is half done, it says so, and it works again by itself.

use std::process::Command;

use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use engine::ports::{AttemptResult, InsertMessageResult, MessageQueue, Messages, StoreErrorKind, Workers};

use crate::support::{CUSTOMER, TestStore};

/// How large the files of this process may become from now on.
fn limit_files(bytes: &str) {
    let pid = std::process::id().to_string();
    let status =
        Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().unwrap();
    assert!(status.success());
}

/// Whether this process runs one test only, and takes a write beyond the limit for an error and not for its end.
fn is_prepared() -> bool {
    const XFSZ: u32 = 25;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let is_ignored = u64::from_str_radix(ignored.trim(), 16).unwrap() >> (XFSZ - 1) & 1 == 1;
    is_ignored && std::env::args().any(|arg| arg == "--exact")
}

/// The limit of a process stands for the disk, so the test runs itself in a process of its own, without the limit's signal.
#[tokio::test]
async fn a_full_disk_takes_nothing_by_halves_and_works_again_once_it_has_room() {
    if is_prepared() {
        return on_a_disk_that_fills_up().await;
    }
    let end = Command::new("sh") .args(["-c", r#"trap "" XFSZ; exec "$0" --exact full_disk::a_full_disk_takes_nothing_by_halves_and_works_again_once_it_has_room"#]) .arg(std::env::current_exe().unwrap()) .output() .unwrap();
    let said = String::from_utf8_lossy(&end.stdout);
    assert!(
        end.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&end.stderr)
    );
}

async fn on_a_disk_that_fills_up() {
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
    let settled = app.store.finish_attempt(&lease, &sent, None, app.now()).await;
    assert_eq!(settled.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let leased = app.store.lease_due_messages(app.lease_request(app.worker, 10)).await;
    assert_eq!(leased.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(app.store.check_writable(app.now()).await.unwrap_err().kind(), StoreErrorKind::Unavailable); // What is there can be read, and is as it was.
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
async fn a_database_that_another_program_has_locked_is_unavailable_until_it_is_let_go() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    let stranger = rusqlite::Connection::open(app.path()).unwrap();
    stranger.execute_batch("begin immediate").unwrap();
    let sent =
        AttemptResult::Sent(AcceptedMessage { wamid: "wamid.A".to_owned(), ..AcceptedMessage::default() });
    let settled = app.store.finish_attempt(&lease, &sent, None, app.now()).await;
    assert_eq!(settled.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
    stranger.execute_batch("rollback").unwrap();
    app.store.finish_attempt(&lease, &sent, None, app.now()).await.unwrap();
    assert_eq!(app.status(lease.message).await, MessageStatus::Sent);
}
