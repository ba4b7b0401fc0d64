//! Retention: expired rows are deleted, and rows that are needed stay.

use domain::id::{EventId, MessageId};
use domain::messages::status::MessageStatus;
use engine::ports::{
    EventFilter, EventStart, Events, ExpiredRows, Maintenance, MessageKey, Messages, RetentionCursor,
    RetentionTarget, SendSchedule, StoredEvent,
};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use crate::support::{CUSTOMER, TestStore};

const DAY: i64 = 24 * 3600;

/// Lists and deletes the expired rows in steps of two.
async fn delete_expired(app: &TestStore, target: RetentionTarget, before: Timestamp) -> u32 {
    let (mut n_gone, mut cursor) = (0, RetentionCursor::default());
    loop {
        let ExpiredRows { rows, next } =
            app.store.list_expired_rows(target, before, cursor, 2).await.unwrap();
        assert!(rows.len() <= 2);
        n_gone += app.store.delete_expired_rows(target, before, rows).await.unwrap();
        match next {
            Some(next) => cursor = next,
            None => return n_gone,
        }
    }
}

fn days_ago(app: &TestStore, days: i64) -> Timestamp {
    app.now() - SignedDuration::from_secs(days * DAY)
}

async fn keeps_lease(app: &TestStore, id: MessageId) -> bool {
    app.store.get_message(app.workspace, &MessageKey::Id(id)).await.unwrap().is_some()
}

fn count(app: &TestStore, sql: &str) -> i64 {
    let connection = Connection::open(app.path()).unwrap();
    connection.query_row(sql, (), |row| row.get(0)).unwrap()
}

async fn events(app: &TestStore, start: EventStart) -> (Vec<StoredEvent>, bool) {
    let filter = EventFilter::default();
    let page = app.store.list_events(app.workspace, &filter, start, 200).await.unwrap().unwrap();
    (page.events, page.has_gap)
}

#[tokio::test]
async fn an_expired_message_is_deleted_with_its_rows_in_other_tables() {
    let app = TestStore::new().await;
    let old = app.accept(app.new_message()).await;
    app.finish_sent(&old, "wamid.OLD").await;
    app.report(app.reported("wamid.OLD", MessageStatus::Delivered)).await;
    let heard_of = app.accept(app.new_message()).await;
    app.finish_sent(&heard_of, "wamid.READ").await;
    app.inbound(app.text_from(CUSTOMER, "wamid.IN")).await;
    app.advance(20 * DAY);
    app.report(app.reported("wamid.READ", MessageStatus::Read)).await;
    let young = app.accept(app.new_message()).await;
    app.finish_sent(&young, "wamid.YOUNG").await;
    assert_eq!(delete_expired(&app, RetentionTarget::Messages(app.workspace), days_ago(&app, 10)).await, 2);
    assert!(!keeps_lease(&app, old.message).await);
    assert!(keeps_lease(&app, heard_of.message).await && keeps_lease(&app, young.message).await);
    for wamid in ["wamid.OLD", "wamid.IN"] {
        let found = app.store.get_message(app.workspace, &MessageKey::Wamid(wamid.to_owned())).await.unwrap();
        assert!(found.is_none(), "{wamid}");
    }
    assert_eq!(count(&app, "select count(*) from wamids"), 2);
    let orphans = "select count(*) from message_timeline where message_id not in (select id from messages)";
    assert_eq!(count(&app, orphans), 0);
    assert_eq!(count(&app, "select count(*) from contacts"), 1);
    // The second run deletes nothing.
    assert_eq!(delete_expired(&app, RetentionTarget::Messages(app.workspace), days_ago(&app, 10)).await, 0);
}

#[tokio::test]
async fn a_message_that_is_not_final_never_expires() {
    let app = TestStore::new().await;
    let sending = app.accept(app.new_message()).await.message;
    let unknown = app.accept(app.new_message()).await;
    app.finish_unknown(&unknown).await;
    let mut scheduled = app.queued(CUSTOMER);
    let at = app.now() + SignedDuration::from_secs(900 * DAY);
    scheduled.schedule = SendSchedule::Queued { due_at: at, order_at: at };
    let queued = app.accept(scheduled).await.message;
    app.advance(800 * DAY);
    app.inbound(app.text_from(CUSTOMER, "wamid.LAST")).await;
    assert_eq!(delete_expired(&app, RetentionTarget::Messages(app.workspace), app.now()).await, 0);
    for (id, status) in [
        (sending, MessageStatus::Sending),
        (unknown.message, MessageStatus::Unknown),
        (queued, MessageStatus::Queued),
    ] {
        assert_eq!(app.status(id).await, status);
    }
}

#[tokio::test]
async fn a_payload_is_deleted_after_the_last_row_that_refers_to_it() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(CUSTOMER, "wamid.A")).await;
    app.report(app.reported("wamid.NOBODY", MessageStatus::Sent)).await;
    app.advance(20 * DAY);
    app.inbound(app.text_from(CUSTOMER, "wamid.B")).await;
    app.inbound(app.text_from(CUSTOMER, "wamid.C")).await;
    let before = days_ago(&app, 10);
    assert_eq!(delete_expired(&app, RetentionTarget::WebhookPayloads, before).await, 0);
    let found = app.store.get_message(app.workspace, &MessageKey::Wamid("wamid.A".to_owned())).await.unwrap();
    assert_eq!(&found.unwrap().raw.unwrap()[..], b"inbound");

    assert_eq!(delete_expired(&app, RetentionTarget::PendingStatuses, before).await, 1);
    assert_eq!(delete_expired(&app, RetentionTarget::WebhookPayloads, before).await, 1);
    assert_eq!(delete_expired(&app, RetentionTarget::Messages(app.workspace), before).await, 1);
    assert_eq!(delete_expired(&app, RetentionTarget::WebhookPayloads, before).await, 1);
    assert_eq!(count(&app, "select count(*) from webhook_payloads"), 2);
}

#[tokio::test]
async fn the_last_event_stays_so_that_no_position_is_used_twice() {
    let app = TestStore::new().await;
    for n in 0..5 {
        app.inbound(app.text_from(CUSTOMER, &format!("wamid.{n}"))).await;
    }
    let (all, _) = events(&app, EventStart::Oldest).await;
    app.advance(100 * DAY);
    let n_gone = delete_expired(&app, RetentionTarget::Events(app.workspace), app.now()).await;
    assert_eq!(usize::try_from(n_gone).unwrap(), all.len() - 1);
    app.inbound(app.text_from(CUSTOMER, "wamid.NEXT")).await;
    let (left, _) = events(&app, EventStart::Oldest).await;
    assert_eq!(left[0], all[all.len() - 1]);
    assert_eq!(left[1].position, left[0].position + 1);
}

#[tokio::test]
async fn a_reader_that_has_missed_deleted_events_sees_the_gap() {
    let app = TestStore::new().await;
    for n in 0..4 {
        app.inbound(app.text_from(CUSTOMER, &format!("wamid.{n}"))).await;
    }
    let (all, _) = events(&app, EventStart::Oldest).await;
    app.advance(100 * DAY);
    app.inbound(app.text_from(CUSTOMER, "wamid.YOUNG")).await;
    delete_expired(&app, RetentionTarget::Events(app.workspace), days_ago(&app, 50)).await;
    let last_gone = &all[all.len() - 1];
    let (rest, has_gap) = events(&app, EventStart::After(all[0].id)).await;
    assert!(has_gap);
    assert_eq!(rest[0].position, last_gone.position + 1);
    let (again, has_gap) = events(&app, EventStart::After(last_gone.id)).await;
    assert!(!has_gap, "nothing lies between the last that it got and the oldest that is kept");
    assert_eq!(again, rest);
    assert!(!events(&app, EventStart::Oldest).await.1);
}

#[tokio::test]
async fn an_event_id_of_another_history_is_rejected() {
    let app = TestStore::new().await;
    for n in 0..4 {
        app.inbound(app.text_from(CUSTOMER, &format!("wamid.{n}"))).await;
    }
    let (all, _) = events(&app, EventStart::Oldest).await;
    let filter = EventFilter::default();
    for event in &all {
        // An event from before the database was replaced by an older backup.
        let theirs = EventId::at(app.workspace, event.position, days_ago(&app, 1));
        for (id, is_known) in [(event.id, true), (theirs, false)] {
            let found =
                app.store.list_events(app.workspace, &filter, EventStart::After(id), 10).await.unwrap();
            assert_eq!(found.is_some(), is_known, "{}", event.position);
        }
    }
}

#[tokio::test]
async fn audit_entries_and_archived_changes_expire_by_their_age() {
    let app = TestStore::new().await;
    app.add_account("second", "330011220099888").await;
    app.advance(20 * DAY);
    app.add_account("third", "330011220099889").await;
    assert_eq!(delete_expired(&app, RetentionTarget::Audit(app.workspace), days_ago(&app, 10)).await, 2);
    assert_eq!(count(&app, "select count(*) from audit_entries"), 1);
    // The last row stays.
    app.advance(20 * DAY);
    assert_eq!(delete_expired(&app, RetentionTarget::Audit(app.workspace), days_ago(&app, 10)).await, 0);

    for n in 0..3 {
        let mut change = app.change(domain::webhooks_in::update::WebhookUpdate::Other, (0, 5));
        "flows".clone_into(&mut change.change.field);
        app.post(&format!("{n} other"), vec![change]).await;
        app.advance(20 * DAY);
    }
    assert_eq!(delete_expired(&app, RetentionTarget::WebhookChanges, days_ago(&app, 10)).await, 2);
    assert_eq!(delete_expired(&app, RetentionTarget::WebhookPayloads, days_ago(&app, 10)).await, 2);
}
