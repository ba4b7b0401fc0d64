//! Recovery of the messages of dead workers.

use domain::id::WorkerId;
use domain::messages::status::MessageStatus;
use engine::ports::Workers;

use crate::support::TestStore;

#[tokio::test]
async fn messages_that_a_dead_process_was_sending_become_unknown() {
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
async fn messages_of_a_living_process_are_not_recovered() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.advance(60);
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    let silent_since = app.now() - jiff::SignedDuration::from_secs(10);
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 0);
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
}

#[tokio::test]
async fn leases_of_a_deregistered_worker_are_recovered_without_a_timeout() {
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
async fn a_message_whose_status_was_reported_does_not_become_unknown() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.report(app.reported_for(lease.message, "wamid.A", MessageStatus::Delivered)).await;
    app.advance(60);
    let silent_since = app.now() - jiff::SignedDuration::from_secs(10);
    assert_eq!(app.store.recover_messages(silent_since, app.now(), 10).await.unwrap(), 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Delivered);
}
