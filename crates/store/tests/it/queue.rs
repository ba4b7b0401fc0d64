//! The queue: leases, order, due times and depth.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::audit::AuditAction;
use domain::id::{MessageId, WorkerId};
use domain::messages::admission::{AdmissionFallback, AdmissionRequest, AdmissionStage, Rejection, SentAs};
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::meta_error::MetaError;
use engine::ports::{
    AttemptResult, CancelMessageResult, InsertMessageResult, Lease, LeaseCheck, LeaseRequest, LeaseToken,
    LeasedMessage, MessageQueue, Messages, NewMessage, SendSchedule,
};
use jiff::SignedDuration;
use tokio::task::JoinSet;

use crate::support::{CUSTOMER, TestStore, open};

const OTHER: &str = "15550100002";

fn ids(leased: &[LeasedMessage]) -> Vec<MessageId> {
    leased.iter().map(|leased| leased.lease.message).collect()
}

fn sent(wamid: &str) -> AttemptResult {
    AttemptResult::Sent(AcceptedMessage { wamid: wamid.to_owned(), ..AcceptedMessage::default() })
}

fn unknown() -> AttemptResult {
    AttemptResult::Unknown { reason: "cut".to_owned() }
}

async fn finish(app: &TestStore, lease: &Lease, end: &AttemptResult) -> LeaseCheck {
    app.store.finish_attempt(lease, end, None, app.now()).await.unwrap()
}

async fn retry(app: &TestStore, lease: &Lease, keeps_lease: bool) -> LeaseCheck {
    finish(app, lease, &AttemptResult::Retry { due_at: app.now(), keeps_lease, error: None }).await
}

#[tokio::test]
async fn the_messages_of_a_contact_are_leased_one_by_one_in_order() {
    let app = TestStore::new().await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(app.accept(app.queued(CUSTOMER)).await.message);
    }
    // The message is scheduled for later, but is the first row of the table.
    let mut later = app.queued(CUSTOMER);
    let at = app.now() + SignedDuration::from_secs(60);
    later.schedule = SendSchedule::Queued { due_at: at, order_at: at };
    expected.push(app.accept(later).await.message);
    let mut left = Vec::new();
    for n in 0..4 {
        if n == 3 {
            assert_eq!(app.lease(10).await.len(), 0);
            app.advance(60);
        }
        let round = app.lease(10).await;
        assert_eq!(round.len(), 1);
        assert_eq!(app.lease(10).await.len(), 0, "the one before is under way");
        left.extend(ids(&round));
        finish(&app, &round[0].lease, &sent(&format!("wamid.{n}"))).await;
    }
    assert_eq!(left, expected);
}

#[tokio::test]
async fn messages_are_leased_in_the_order_of_their_due_times_up_to_the_requested_number() {
    let app = TestStore::new().await;
    let mut expected = Vec::new();
    for i in 0..7 {
        expected.push(app.accept(app.queued(&format!("1555010002{i}"))).await.message);
        app.advance(1);
    }
    let mut left = ids(&app.lease(3).await);
    assert_eq!(left.len(), 3);
    left.extend(ids(&app.lease(0).await));
    left.extend(ids(&app.lease(100).await));
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_retried_message_keeps_its_position_in_the_queue() {
    let app = TestStore::new().await;
    let first = app.accept(app.queued(CUSTOMER)).await.message;
    app.advance(1);
    let second = app.accept(app.queued(CUSTOMER)).await.message;
    let lease = app.lease(10).await.remove(0).lease;
    let due_at = app.now() + SignedDuration::from_secs(5);
    let end = AttemptResult::Retry { due_at, keeps_lease: false, error: None };
    assert_eq!(finish(&app, &lease, &end).await, LeaseCheck::Valid);
    assert_eq!(app.status(first).await, MessageStatus::Queued);
    assert_eq!(app.lease(10).await.len(), 0, "nobody overtakes it");
    app.advance(5);
    let retried = app.lease(10).await.remove(0).lease;
    assert_eq!((retried.message, retried.attempt), (first, 2));
    assert_ne!(retried.token, lease.token);
    // The result of the first lease holder is ignored.
    assert_eq!(retry(&app, &lease, false).await, LeaseCheck::Lost);
    assert_eq!(finish(&app, &lease, &unknown()).await, LeaseCheck::Lost);
    assert_eq!(app.status(first).await, MessageStatus::Sending);
    finish(&app, &retried, &sent("wamid.1")).await;
    assert_eq!(ids(&app.lease(10).await), [second]);
}

#[tokio::test]
async fn a_message_whose_file_cannot_be_downloaded_is_passed() {
    let app = TestStore::new().await;
    let first = app.accept(app.queued(CUSTOMER)).await.message;
    let second = app.accept(app.queued(CUSTOMER)).await.message;
    let third = app.accept(app.queued(CUSTOMER)).await.message;
    let lease = app.lease(10).await.remove(0).lease;
    let failing_since = app.now();
    let failing = |seconds| AttemptResult::RetryDownload {
        due_at: failing_since + SignedDuration::from_secs(seconds),
        keeps_lease: false,
        failing_since,
        error: MetaError { code: 131_053, details: Some("answered 500".to_owned()), ..MetaError::default() },
    };
    assert_eq!(finish(&app, &lease, &failing(5)).await, LeaseCheck::Valid);
    let waiting = app.detail(first).await.message;
    assert_eq!(
        (waiting.status, waiting.error.map(|error| error.code)),
        (MessageStatus::Queued, Some(131_053))
    );
    let passing = app.lease(10).await;
    assert_eq!(ids(&passing), [second]);
    app.advance(5);
    // The message is passed while its next attempt runs, and after it.
    let retried = app.lease(10).await;
    assert_eq!((ids(&retried), retried[0].media_failing_since), (vec![first], Some(failing_since)));
    finish(&app, &passing[0].lease, &sent("wamid.2")).await;
    assert_eq!(finish(&app, &retried[0].lease, &failing(10)).await, LeaseCheck::Valid);
    let passing = app.lease(10).await;
    assert_eq!(ids(&passing), [third]);
    finish(&app, &passing[0].lease, &sent("wamid.3")).await;
    app.advance(5);
    // The file was downloaded, but Meta did not accept the message: its position counts again.
    let retried = app.lease(10).await.remove(0).lease;
    assert_eq!(retry(&app, &retried, false).await, LeaseCheck::Valid);
    assert_eq!(app.detail(first).await.message.error, None);
    let fourth = app.accept(app.queued(CUSTOMER)).await.message;
    let retried = app.lease(10).await;
    assert_eq!((ids(&retried), retried[0].media_failing_since), (vec![first], None));
    finish(&app, &retried[0].lease, &failing(5)).await;
    app.advance(5);
    let leased = app.lease(10).await;
    assert_eq!(ids(&leased), [first, fourth]);
    finish(&app, &leased[0].lease, &sent("wamid.1")).await;
    let sent = app.detail(first).await.message;
    assert_eq!((sent.status, sent.error), (MessageStatus::Sent, None));
}

#[tokio::test]
async fn a_deferred_recipient_does_not_delay_other_recipients() {
    let app = TestStore::new().await;
    let waiting = app.accept(app.queued(CUSTOMER)).await.message;
    let free = app.accept(app.queued(OTHER)).await.message;
    let until = app.now() + SignedDuration::from_secs(6);
    let request = LeaseRequest {
        throttled_recipients: BTreeMap::from([(CUSTOMER.to_owned(), until)]),
        ..app.lease_request(app.worker, 10)
    };
    let round = app.store.lease_due_messages(request).await.unwrap();
    assert_eq!((ids(&round.leased), round.n_finished), (vec![free], 0));
    assert_eq!(app.detail(waiting).await.message.due_at, Some(until));
    app.advance(5);
    assert_eq!(app.lease(10).await.len(), 0);
    app.advance(1);
    assert_eq!(ids(&app.lease(10).await), [waiting]);
}

#[tokio::test]
async fn a_closed_window_selects_the_fallback_or_fails_the_message() {
    let app = TestStore::new().await;
    for (to, wamid) in [(CUSTOMER, "wamid.IN"), (OTHER, "wamid.IN2")] {
        app.inbound(app.text_from(to, wamid)).await;
    }
    let free_form = |to| {
        let admission = app.free_form();
        NewMessage { admission, context_wamid: Some("wamid.IN".to_owned()), ..app.queued(to) }
    };
    let plain = app.accept(free_form(CUSTOMER)).await.message;
    let fallback = Some(AdmissionFallback { is_marketing: false });
    let admission = AdmissionRequest { fallback, ..app.free_form() };
    let content = Some(r#"{"name":"hello"}"#.into());
    let saved = app.accept(NewMessage { admission, fallback: content, ..free_form(OTHER) }).await.message;
    app.advance(25 * 3600);
    let round = app.store.lease_due_messages(app.lease_request(app.worker, 10)).await.unwrap();
    assert_eq!(round.n_finished, 1);
    let detail = app.detail(plain).await.message;
    assert_eq!(
        (detail.status, detail.failure_code.as_deref()),
        (MessageStatus::Failed, Some("outside_window"))
    );
    let leased = &round.leased[0];
    assert_eq!(
        (leased.lease.message, &*leased.kind, &*leased.content),
        (saved, "template", r#"{"name":"hello"}"#)
    );
    assert_eq!(leased.context_wamid, None);
    let detail = app.detail(saved).await.message;
    assert_eq!(
        (detail.sent_as, &*detail.kind, detail.status),
        (SentAs::Template, "template", MessageStatus::Sending)
    );
    // The fallback stays selected, also after the window opens again.
    retry(&app, &leased.lease, false).await;
    app.inbound(app.text_from(OTHER, "wamid.IN3")).await;
    assert_eq!(app.lease(10).await.remove(0).kind, "template");
}

#[tokio::test]
async fn an_expired_message_is_not_leased() {
    let app = TestStore::new().await;
    let until = app.now() + SignedDuration::from_secs(30);
    let short = |to| NewMessage { expires_at: Some(until), ..app.queued(to) };
    let held = app.accept(short(OTHER)).await.message;
    let lease = app.lease(1).await.remove(0).lease;
    let overdue = app.accept(short(CUSTOMER)).await.message;
    let lasting = app.accept(app.queued(CUSTOMER)).await.message;
    app.advance(30);
    assert_eq!(app.lease(10).await.len(), 0, "it stands in line until it has expired");
    assert_eq!(app.store.expire_messages(app.now(), 10).await.unwrap(), 1);
    assert_eq!(app.status(overdue).await, MessageStatus::Expired);
    assert_eq!(ids(&app.lease(10).await), [lasting]);
    // A message that is being sent does not expire. If it is queued again, it expires.
    assert_eq!((lease.message, app.status(held).await), (held, MessageStatus::Sending));
    retry(&app, &lease, false).await;
    assert_eq!(app.lease(10).await.len(), 0);
    assert_eq!(app.store.expire_messages(app.now(), 10).await.unwrap(), 1);
    assert_eq!(app.status(held).await, MessageStatus::Expired);
}

#[tokio::test]
async fn the_number_of_messages_that_expire_in_one_call_is_limited() {
    let app = TestStore::new().await;
    for i in 0..5 {
        let new = app.queued(&format!("1555010003{i}"));
        app.accept(NewMessage { expires_at: Some(app.now()), ..new }).await;
    }
    let mut rounds = Vec::new();
    for _ in 0..3 {
        rounds.push(app.store.expire_messages(app.now(), 3).await.unwrap());
    }
    assert_eq!(rounds, [3, 2, 0]);
}

#[tokio::test]
async fn only_a_waiting_message_can_be_canceled() {
    let app = TestStore::new().await;
    let cancel = async |id| app.store.cancel_message(app.workspace, id, app.now()).await.unwrap();
    let waiting = app.accept(app.queued(CUSTOMER)).await.message;
    assert_eq!(cancel(waiting).await, CancelMessageResult::Canceled);
    assert_eq!(cancel(waiting).await, CancelMessageResult::TooLate(MessageStatus::Canceled));
    assert_eq!(app.lease(10).await.len(), 0);
    app.accept(app.queued(CUSTOMER)).await;
    let lease = app.lease(10).await.remove(0).lease;
    assert_eq!(cancel(lease.message).await, CancelMessageResult::TooLate(MessageStatus::Sending));
    retry(&app, &lease, false).await;
    assert_eq!(cancel(lease.message).await, CancelMessageResult::Canceled);
    // A caller waits for this message.
    let sync = app.accept(NewMessage { schedule: SendSchedule::Paced, ..app.new_message() }).await;
    assert_eq!(cancel(sync.message).await, CancelMessageResult::TooLate(MessageStatus::Queued));
    assert_eq!(cancel(app.id(MessageId::from_parts)).await, CancelMessageResult::NotFound);
    // A canceled message is never sent, also if a worker has its lease.
    assert_eq!(app.store.begin_attempt(&lease, app.now()).await.unwrap(), LeaseCheck::Lost);
}

#[tokio::test]
async fn of_a_concurrent_lease_and_cancellation_one_succeeds() {
    let app = TestStore::new().await;
    let second = open(&app.path(), &app.clock, &app.random);
    for i in 0..20 {
        let id = app.accept(app.queued(&format!("155501005{i:02}"))).await.message;
        let request = app.lease_request(app.worker, 1);
        let lease = app.store.lease_due_messages(request);
        let cancel = second.cancel_message(app.workspace, id, app.now());
        let (round, canceled) =
            if i % 2 == 0 { tokio::join!(lease, cancel) } else { swap(tokio::join!(cancel, lease)) };
        let n_claimed = round.unwrap().leased.len();
        assert_eq!(canceled.unwrap() == CancelMessageResult::Canceled, n_claimed == 0);
    }
}

fn n_messages(app: &TestStore) -> u32 {
    let connection = rusqlite::Connection::open(app.path()).unwrap();
    connection.query_row("select count(*) from messages", (), |row| row.get(0)).unwrap()
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

#[tokio::test]
async fn a_full_queue_rejects_messages_until_a_message_was_sent() {
    let app = TestStore::new().await;
    let limited = |to| {
        let new = app.queued(to);
        let stage = AdmissionStage::Enqueue { max_queued: 2 };
        NewMessage { admission: AdmissionRequest { stage, ..new.admission }, ..new }
    };
    app.accept(limited(CUSTOMER)).await;
    app.accept(limited(OTHER)).await;
    let before = n_messages(&app);
    assert_eq!(
        app.store.insert_message(limited(OTHER)).await.unwrap(),
        InsertMessageResult::Rejected(Rejection::QueueFull)
    );
    assert_eq!(n_messages(&app), before);
    // A synchronous message does not count in the queue.
    app.accept(NewMessage { schedule: SendSchedule::Paced, ..app.new_message() }).await;
    let lease = app.lease(1).await.remove(0).lease;
    app.accept(limited(OTHER)).await;
    // A message that is queued again may exceed the limit: it was in the queue before.
    retry(&app, &lease, false).await;
    assert_eq!(app.store.list_queue_depths().await.unwrap(), BTreeMap::from([(app.account, 3)]));
    // Another account has a separate queue.
    let other = app.add_account("other", "330011220099888").await;
    app.accept(NewMessage { account: other, ..limited(CUSTOMER) }).await;
}

#[tokio::test]
async fn each_account_has_its_own_queue() {
    let app = TestStore::new().await;
    let other = app.add_account("other", "330011220099888").await;
    let theirs = app.accept(NewMessage { account: other, ..app.queued(CUSTOMER) }).await.message;
    let ours = app.accept(app.queued(CUSTOMER)).await.message;
    assert_eq!(ids(&app.lease(10).await), [ours]);
    let request = LeaseRequest { account: other, ..app.lease_request(app.worker, 10) };
    assert_eq!(ids(&app.store.lease_due_messages(request).await.unwrap().leased), [theirs]);
}

#[tokio::test]
async fn an_attempt_begins_only_with_the_token_of_the_lease() {
    let app = TestStore::new().await;
    let lease = app.accept(NewMessage { schedule: SendSchedule::Paced, ..app.new_message() }).await;
    let stranger = Lease { token: LeaseToken(lease.token.0 + 1), ..lease };
    assert_eq!(app.store.begin_attempt(&stranger, app.now()).await.unwrap(), LeaseCheck::Lost);
    assert_eq!(app.status(lease.message).await, MessageStatus::Queued);
    assert_eq!(app.store.begin_attempt(&lease, app.now()).await.unwrap(), LeaseCheck::Valid);
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
    finish(&app, &lease, &sent("wamid.A")).await;
    assert_eq!(app.store.begin_attempt(&lease, app.now()).await.unwrap(), LeaseCheck::Lost);
    assert_eq!(app.status(lease.message).await, MessageStatus::Sent);
}

#[tokio::test]
async fn messages_of_a_dead_process_are_queued_again_unless_they_may_have_been_sent() {
    let app = TestStore::new().await;
    let sending = app.accept(app.queued(CUSTOMER)).await.message;
    app.lease(1).await;
    let waiting = app.accept(app.queued(CUSTOMER)).await.message;
    let put_back = app.accept(app.queued(OTHER)).await.message;
    let lease = app.lease(1).await.remove(0).lease;
    retry(&app, &lease, true).await;
    let sync = app.accept(NewMessage { schedule: SendSchedule::Paced, ..app.new_message() }).await;
    assert_eq!(app.die().await, 3);
    assert_eq!(app.status(sending).await, MessageStatus::Unknown);
    let detail = app.detail(sync.message).await.message;
    assert_eq!((detail.status, detail.failure_code.as_deref()), (MessageStatus::Failed, Some("interrupted")));
    assert_eq!(app.store.begin_attempt(&sync, app.now()).await.unwrap(), LeaseCheck::Lost);
    // The other messages wait in the queue.
    let left: BTreeSet<_> = ids(&app.lease(10).await).into_iter().collect();
    assert_eq!(left, BTreeSet::from([waiting, put_back]));
}

#[tokio::test]
async fn an_unknown_message_is_resent_at_most_once() {
    let app = TestStore::new().await;
    let first = app.accept(app.new_message()).await;
    let lease = async || {
        let holder = app.lease_holder();
        app.store
            .lease_unknown_message(
                app.workspace,
                first.message,
                holder,
                app.entry(AuditAction::MessageResolved),
            )
            .await
            .unwrap()
    };
    assert!(lease().await.is_none(), "it is being sent");
    finish(&app, &first, &unknown()).await;
    let mut leases = JoinSet::new();
    for _ in 0..8 {
        let (store, workspace, holder) = (app.store.clone(), app.workspace, app.lease_holder());
        let entry = app.entry(AuditAction::MessageResolved);
        leases.spawn(async move {
            store.lease_unknown_message(workspace, first.message, holder, entry).await.unwrap()
        });
    }
    let mut won: Vec<_> = leases.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let again = won.remove(0).lease;
    assert_eq!((again.attempt, app.status(first.message).await), (2, MessageStatus::Unknown));
    // A message that is resent cannot be resolved as failed.
    assert!(
        !app.store
            .fail_unknown_message(app.workspace, first.message, app.entry(AuditAction::MessageResolved))
            .await
            .unwrap()
    );
    finish(&app, &again, &unknown()).await;
    assert!(lease().await.is_none(), "it was sent again before");
    assert!(
        app.store
            .fail_unknown_message(app.workspace, first.message, app.entry(AuditAction::MessageResolved))
            .await
            .unwrap()
    );
    assert!(
        !app.store
            .fail_unknown_message(app.workspace, first.message, app.entry(AuditAction::MessageResolved))
            .await
            .unwrap()
    );
    assert_eq!(app.status(first.message).await, MessageStatus::Failed);
}

#[tokio::test]
async fn two_processes_never_lease_the_same_message() {
    let app = TestStore::new().await;
    let mut expected = BTreeSet::new();
    for i in 0..60 {
        expected.insert(app.accept(app.queued(&format!("155501006{i:02}"))).await.message);
    }
    let second = open(&app.path(), &app.clock, &app.random);
    let mut rounds = JoinSet::new();
    for i in 0..20_u8 {
        let store = if i % 2 == 0 { app.store.clone() } else { second.clone() };
        let request = app.lease_request(WorkerId::from_parts(2, &[i; 10]), 5);
        rounds.spawn(async move { store.lease_due_messages(request).await.unwrap().leased });
    }
    let leased: Vec<_> = rounds.join_all().await.into_iter().flatten().collect();
    assert_eq!(leased.len(), 60);
    assert_eq!(ids(&leased).into_iter().collect::<BTreeSet<_>>(), expected);
}
