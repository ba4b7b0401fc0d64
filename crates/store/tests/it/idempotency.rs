//! Idempotency records and cached responses.

use domain::id::OwnerId;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::meta_error::MetaError;
use engine::ports::{
    AttemptResult, CachedResponse, IdempotencyRecord, InsertMessageResult, LeaseCheck, MessageFailure,
    MessageQueue, Messages, NewIdempotencyRecord, NewMessage, SendSchedule,
};
use jiff::SignedDuration;

use crate::support::{CUSTOMER, TestStore};

const DIGEST: [u8; 32] = [3; 32];

fn owner() -> OwnerId {
    OwnerId::from_parts(1, &[4; 10])
}

fn response(text: &'static str) -> CachedResponse {
    CachedResponse { status: 200, body: text.into() }
}

fn keyed(app: &TestStore, key: &str, new: NewMessage) -> NewMessage {
    let idempotency = NewIdempotencyRecord {
        owner: owner(),
        key: key.to_owned(),
        digest: DIGEST,
        expires_at: app.now() + SignedDuration::from_hours(24),
        response: None,
    };
    NewMessage { idempotency: Some(idempotency), ..new }
}

async fn record(app: &TestStore, key: &str) -> Option<IdempotencyRecord> {
    app.store.get_idempotency_record(app.workspace, owner(), key, app.now()).await.unwrap()
}

fn sent() -> AttemptResult {
    AttemptResult::Sent(AcceptedMessage { wamid: "wamid.A".to_owned(), ..AcceptedMessage::default() })
}

fn failed(code: &'static str) -> AttemptResult {
    AttemptResult::Failed(MessageFailure { code, meta: None })
}

#[tokio::test]
async fn a_key_is_stored_with_its_message_at_acceptance() {
    let app = TestStore::new().await;
    assert_eq!(record(&app, "k").await, None);
    let lease = app.accept(keyed(&app, "k", app.new_message())).await;
    let known = IdempotencyRecord { digest: DIGEST, message: lease.message, response: None };
    assert_eq!(record(&app, "k").await, Some(known.clone()));
    let again = app.store.insert_message(keyed(&app, "k", app.new_message())).await.unwrap();
    assert_eq!(again, InsertMessageResult::KeyAlreadyUsed(known.clone()));
    let app = app.restart();
    assert_eq!(record(&app, "k").await, Some(known));
}

#[tokio::test]
async fn a_hundred_concurrent_requests_with_one_key_are_one_message() {
    let app = TestStore::new().await;
    let mut accepts = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (store, new) = (app.store.clone(), keyed(&app, "k", app.new_message()));
        accepts.spawn(async move { store.insert_message(new).await.unwrap() });
    }
    let admissions = accepts.join_all().await;
    let accepted =
        admissions.iter().filter(|one| matches!(one, InsertMessageResult::Accepted { .. })).count();
    let known = admissions.iter().filter(|one| matches!(one, InsertMessageResult::KeyAlreadyUsed(_))).count();
    assert_eq!((accepted, known), (1, 99));
}

#[tokio::test]
async fn equal_keys_of_two_owners_are_different_keys() {
    let app = TestStore::new().await;
    app.accept(keyed(&app, "k", app.new_message())).await;
    app.accept(keyed(&app, "K", app.new_message())).await;
    let mut new = keyed(&app, "k", app.new_message());
    if let Some(key) = &mut new.idempotency {
        key.owner = OwnerId::from_parts(1, &[5; 10]);
    }
    app.accept(new).await;
}

#[tokio::test]
async fn the_cached_response_is_stored_with_the_result_and_does_not_change() {
    let app = TestStore::new().await;
    let refused = AttemptResult::Failed(MessageFailure {
        code: "meta_error",
        meta: Some(MetaError { code: 131_009, ..MetaError::default() }),
    });
    let unknown = AttemptResult::Unknown { reason: "cut".to_owned() };
    for (key, end) in [("sent", sent()), ("refused", refused), ("unknown", unknown)] {
        let lease = app.accept(keyed(&app, key, app.new_message())).await;
        let settled =
            app.store.finish_attempt(&lease, &end, Some(response("first")), app.now()).await.unwrap();
        assert_eq!(settled, LeaseCheck::Valid);
        assert_eq!(record(&app, key).await.unwrap().response, Some(response("first")), "{key}");
        // A late definite result.
        app.store.finish_attempt(&lease, &sent(), Some(response("second")), app.now()).await.unwrap();
        app.store.finish_attempt(&lease, &failed("meta_unavailable"), None, app.now()).await.unwrap();
        assert_eq!(record(&app, key).await.unwrap().response, Some(response("first")), "{key}");
    }
}

#[tokio::test]
async fn a_retryable_failure_releases_the_key() {
    let app = TestStore::new().await;
    let lease = app.accept(keyed(&app, "k", app.new_message())).await;
    app.store.finish_attempt(&lease, &failed("meta_rate_limited"), None, app.now()).await.unwrap();
    assert_eq!(record(&app, "k").await, None);
    let next = app.accept(keyed(&app, "k", app.new_message())).await;
    assert_eq!(record(&app, "k").await.unwrap().message, next.message);
    // The first message no longer uses the key.
    app.store.finish_attempt(&lease, &sent(), Some(response("of the first")), app.now()).await.unwrap();
    assert_eq!(record(&app, "k").await.unwrap().response, None);
}

#[tokio::test]
async fn the_key_stays_in_use_while_the_message_is_retried() {
    let app = TestStore::new().await;
    let lease = app.accept(keyed(&app, "k", app.new_message())).await;
    let again = AttemptResult::Retry { due_at: app.now(), keeps_lease: true, error: None };
    app.store.finish_attempt(&lease, &again, None, app.now()).await.unwrap();
    assert_eq!(record(&app, "k").await.unwrap().response, None);
    assert_eq!(app.store.begin_attempt(&lease, app.now()).await.unwrap(), LeaseCheck::Valid);
    app.store.finish_attempt(&lease, &sent(), Some(response("sent")), app.now()).await.unwrap();
    assert_eq!(record(&app, "k").await.unwrap().response, Some(response("sent")));
}

#[tokio::test]
async fn the_cached_response_of_a_queued_message_is_stored_at_acceptance() {
    let app = TestStore::new().await;
    let mut new = keyed(&app, "k", app.queued(CUSTOMER));
    if let Some(key) = &mut new.idempotency {
        key.response = Some(response("queued"));
    }
    let message = app.accept(new).await.message;
    let lease = app.lease(1).await.remove(0).lease;
    assert_eq!(lease.message, message);
    app.store.finish_attempt(&lease, &failed("meta_unavailable"), None, app.now()).await.unwrap();
    assert_eq!(record(&app, "k").await.unwrap().response, Some(response("queued")));
}

#[tokio::test]
async fn an_expired_key_is_not_found_and_is_replaced_and_deleted() {
    let app = TestStore::new().await;
    let first = app.accept(keyed(&app, "a", app.new_message())).await;
    app.store.finish_attempt(&first, &sent(), Some(response("first")), app.now()).await.unwrap();
    app.accept(keyed(&app, "b", app.new_message())).await;
    let n_rows = || {
        let connection = rusqlite::Connection::open(app.path()).unwrap();
        let sql = "select count(*) from idempotency_records";
        connection.query_row(sql, (), |row| row.get::<_, u32>(0)).unwrap()
    };
    app.advance(24 * 3600 - 1);
    app.store.expire_messages(app.now(), 100).await.unwrap();
    assert_eq!((n_rows(), record(&app, "a").await.unwrap().message), (2, first.message));
    app.advance(1);
    assert_eq!(record(&app, "a").await, None);
    let second = app.accept(keyed(&app, "a", app.new_message())).await;
    assert_eq!(
        record(&app, "a").await.unwrap(),
        IdempotencyRecord { digest: DIGEST, message: second.message, response: None }
    );
    assert_eq!(n_rows(), 2);
    app.store.expire_messages(app.now(), 100).await.unwrap();
    assert_eq!((n_rows(), record(&app, "a").await.unwrap().message), (1, second.message));
}

#[tokio::test]
async fn the_number_of_records_that_expire_in_one_call_is_limited() {
    let app = TestStore::new().await;
    for i in 0..5 {
        app.accept(keyed(&app, &i.to_string(), app.new_message())).await;
    }
    app.advance(24 * 3600);
    app.store.expire_messages(app.now(), 3).await.unwrap();
    let connection = rusqlite::Connection::open(app.path()).unwrap();
    let left: u32 =
        connection.query_row("select count(*) from idempotency_records", (), |row| row.get(0)).unwrap();
    assert_eq!(left, 2);
}

#[tokio::test]
async fn the_key_of_a_message_that_may_have_been_sent_stays_when_its_process_dies() {
    let app = TestStore::new().await;
    let lease = app.accept(keyed(&app, "k", app.new_message())).await;
    assert_eq!(app.die().await, 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Unknown);
    let orphan = IdempotencyRecord { digest: DIGEST, message: lease.message, response: None };
    assert_eq!(record(&app, "k").await, Some(orphan));
    // The process was only slow: its response is returned to repeated requests.
    assert_eq!(
        app.store.finish_attempt(&lease, &sent(), Some(response("late")), app.now()).await.unwrap(),
        LeaseCheck::Lost
    );
    assert_eq!(record(&app, "k").await.unwrap().response, Some(response("late")));
}

#[tokio::test]
async fn the_key_of_a_message_that_was_not_sent_is_released_when_its_process_dies() {
    let app = TestStore::new().await;
    let waiting = NewMessage { schedule: SendSchedule::Paced, ..app.new_message() };
    let lease = app.accept(keyed(&app, "k", waiting)).await;
    assert_eq!(app.die().await, 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Failed);
    assert_eq!(record(&app, "k").await, None);
    app.accept(keyed(&app, "k", app.new_message())).await;
}
