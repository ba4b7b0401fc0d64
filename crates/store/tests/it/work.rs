//! What a dead process leaves behind.

use domain::id::WorkerId;
use domain::messages::status::MessageStatus;
use engine::ports::Workers;

use crate::support::TestStore;

#[tokio::test]
async fn what_a_dead_process_was_sending_becomes_unknown() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.advance(60);
    let successor = WorkerId::from_parts(2, &[2; 10]);
    app.store.record_heartbeat(successor, app.now()).await.unwrap();
    let silent_since = app.now() - jiff::SignedDuration::from_secs(10);
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Unknown);
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_living_process_is_sending_stays() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.advance(60);
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    let silent_since = app.now() - jiff::SignedDuration::from_secs(10);
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 0);
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
}

#[tokio::test]
async fn nobody_waits_for_the_silence_of_a_process_that_said_farewell() {
    let app = TestStore::new().await;
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    let lease = app.accept(app.new_message()).await;
    let silent_since = app.now() - jiff::SignedDuration::from_secs(10);
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 0);
    app.store.deregister_worker(app.worker).await.unwrap();
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Unknown);
    app.store.deregister_worker(app.worker).await.unwrap();
}

#[tokio::test]
async fn what_was_reported_meanwhile_is_not_unknown_again() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.report(app.reported_for(lease.message, "wamid.A", MessageStatus::Delivered)).await;
    app.advance(60);
    let silent_since = app.now() - jiff::SignedDuration::from_secs(10);
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Delivered);
}
