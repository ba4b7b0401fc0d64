//! Insertion of messages, results of attempts, and lists.

use std::collections::BTreeSet;

use domain::messages::admission::{AdmissionRequest, Rejection};
use domain::messages::search::SearchQuery;
use domain::messages::status::MessageStatus;
use domain::messages::window::Window;
use domain::meta_error::MetaError;
use engine::ports::{
    AttemptResult, Contacts, InsertMessageResult, LeaseCheck, LeaseToken, MessageFailure, MessageFilter,
    MessageKey, Messages, PageRequest, PageStart,
};

use crate::support::{CUSTOMER, TestStore, page};

#[tokio::test]
async fn an_accepted_message_is_sending_and_a_finished_message_is_sent() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
    app.finish_sent(&lease, "wamid.A").await;
    let detail = app.detail(lease.message).await;
    assert_eq!(detail.message.status, MessageStatus::Sent);
    assert_eq!(detail.message.wamid.as_deref(), Some("wamid.A"));
    assert_eq!(detail.timeline.len(), 1);
    let by_wamid =
        app.store.get_message(app.workspace, &MessageKey::Wamid("wamid.A".to_owned())).await.unwrap();
    assert_eq!(by_wamid.unwrap().message.id, lease.message);
}

#[tokio::test]
async fn a_free_form_message_needs_an_open_window() {
    let app = TestStore::new().await;
    let new = || engine::ports::NewMessage { admission: app.free_form(), ..app.new_message() };
    let closed = app.store.insert_message(new()).await.unwrap();
    assert_eq!(closed, InsertMessageResult::Rejected(Rejection::OutsideWindow(Window::default())));
    assert_eq!(app.store.list_contacts(app.workspace, &Default::default(), page(10)).await.unwrap().total, 0);

    app.inbound(app.text_from(CUSTOMER, "wamid.IN")).await;
    app.accept(new()).await;
    app.advance(86_399);
    app.accept(new()).await;
    app.advance(1);
    let closed = app.store.insert_message(new()).await.unwrap();
    assert!(
        matches!(closed, InsertMessageResult::Rejected(Rejection::OutsideWindow(window)) if window.last_inbound_at.is_some())
    );
}

#[tokio::test]
async fn a_window_belongs_to_one_account() {
    let app = TestStore::new().await;
    let other = app.add_account("other", "330011220099888").await;
    app.inbound(app.text_from(CUSTOMER, "wamid.IN")).await;
    let new = engine::ports::NewMessage { admission: app.free_form(), account: other, ..app.new_message() };
    assert!(matches!(
        app.store.insert_message(new).await.unwrap(),
        InsertMessageResult::Rejected(Rejection::OutsideWindow(_))
    ));
}

#[tokio::test]
async fn a_failed_message_has_a_reason() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    let error = MetaError {
        code: 131_009,
        title: Some("Parameter value is not valid".to_owned()),
        ..MetaError::default()
    };
    let end = AttemptResult::Failed(MessageFailure { code: "meta_error", meta: Some(error.clone()) });
    assert_eq!(app.store.finish_attempt(&lease, &end, None, app.now()).await.unwrap(), LeaseCheck::Valid);
    let message = app.detail(lease.message).await.message;
    assert_eq!(message.status, MessageStatus::Failed);
    assert_eq!(message.failure_code.as_deref(), Some("meta_error"));
    assert_eq!(message.error, Some(error));
}

#[tokio::test]
async fn the_window_closes_when_meta_rejects_a_message_outside_of_it() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(CUSTOMER, "wamid.IN")).await;
    app.advance(60);
    let new = || engine::ports::NewMessage { admission: app.free_form(), ..app.new_message() };
    let lease = app.accept(new()).await;
    let error = MetaError { code: 131_047, ..MetaError::default() };
    let end = AttemptResult::Failed(MessageFailure { code: "meta_error", meta: Some(error) });
    app.store.finish_attempt(&lease, &end, None, app.now()).await.unwrap();
    assert!(matches!(
        app.store.insert_message(new()).await.unwrap(),
        InsertMessageResult::Rejected(Rejection::OutsideWindow(_))
    ));
    app.advance(60);
    app.inbound(app.text_from(CUSTOMER, "wamid.IN2")).await;
    app.accept(new()).await;
}

#[tokio::test]
async fn marketing_is_not_sent_after_an_opt_out_or_during_metas_limit() {
    let app = TestStore::new().await;
    let marketing = || {
        let new = app.new_message();
        let admission = AdmissionRequest { is_marketing: true, ..new.admission };
        engine::ports::NewMessage { admission, ..new }
    };
    let lease = app.accept(marketing()).await;
    app.finish_sent(&lease, "wamid.A").await;
    let mut failed = app.reported("wamid.A", MessageStatus::Failed);
    failed.error = Some(MetaError { code: 131_049, ..MetaError::default() });
    app.report(failed).await;
    assert!(matches!(
        app.store.insert_message(marketing()).await.unwrap(),
        InsertMessageResult::Rejected(Rejection::MarketingLimited { .. })
    ));
    app.advance(86_400);

    let lease = app.accept(marketing()).await;
    app.finish_sent(&lease, "wamid.B").await;
    let mut failed = app.reported("wamid.B", MessageStatus::Failed);
    failed.error = Some(MetaError { code: 131_050, ..MetaError::default() });
    app.report(failed).await;
    assert_eq!(
        app.store.insert_message(marketing()).await.unwrap(),
        InsertMessageResult::Rejected(Rejection::OptedOut)
    );
    app.accept(app.new_message()).await;
}

#[tokio::test]
async fn only_the_lease_holder_sets_a_message_to_unknown() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    let stranger = engine::ports::Lease { token: LeaseToken(-1), ..lease };
    let unknown = AttemptResult::Unknown { reason: "cut".to_owned() };
    assert_eq!(
        app.store.finish_attempt(&stranger, &unknown, None, app.now()).await.unwrap(),
        LeaseCheck::Lost
    );
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
}

#[tokio::test]
async fn a_late_definite_result_finishes_the_message() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.finish_unknown(&lease).await;
    assert_eq!(app.status(lease.message).await, MessageStatus::Unknown);
    app.finish_sent(&lease, "wamid.LATE").await;
    let message = app.detail(lease.message).await.message;
    assert_eq!((message.status, message.wamid.as_deref()), (MessageStatus::Sent, Some("wamid.LATE")));
}

#[tokio::test]
async fn a_cursor_returns_each_row_once_while_rows_are_added() {
    let app = TestStore::new().await;
    let mut expected = BTreeSet::new();
    for _ in 0..25 {
        expected.insert(app.accept(app.new_message()).await.message);
    }
    let mut seen = Vec::new();
    let mut request = page(10);
    loop {
        let found = app.store.list_messages(app.workspace, &MessageFilter::default(), request).await.unwrap();
        seen.extend(found.rows.iter().map(|message| message.id));
        app.accept(app.new_message()).await;
        let Some(position) = found.next else { break };
        request = PageRequest { per_page: 10, start: PageStart::After(position) };
    }
    assert_eq!(seen.len(), 25);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn filters_are_combined_with_and() {
    let app = TestStore::new().await;
    let new = engine::ports::NewMessage { client_reference: Some("order-7".to_owned()), ..app.new_message() };
    let wanted = app.accept(new).await.message;
    app.accept(app.new_message()).await;
    let filter = MessageFilter { client_reference: Some("order-7".to_owned()), ..MessageFilter::default() };
    let found = app.store.list_messages(app.workspace, &filter, page(10)).await.unwrap();
    assert_eq!(found.rows.iter().map(|message| message.id).collect::<Vec<_>>(), [wanted]);
    let filter = MessageFilter { statuses: vec![MessageStatus::Sent], ..filter };
    assert_eq!(app.store.list_messages(app.workspace, &filter, page(10)).await.unwrap().total, 0);
    let filter =
        MessageFilter { search: Some(SearchQuery::parse("+1555010000")), ..MessageFilter::default() };
    assert_eq!(app.store.list_messages(app.workspace, &filter, page(10)).await.unwrap().total, 2);
    let filter = MessageFilter { search: Some(SearchQuery::parse("100%")), ..MessageFilter::default() };
    assert_eq!(app.store.list_messages(app.workspace, &filter, page(10)).await.unwrap().total, 0);
}
