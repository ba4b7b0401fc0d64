//! Statuses from Meta: in any order, repeated, early, late, and by reference.

use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use domain::meta_error::MetaError;
use domain::webhooks_in::update::WebhookUpdate;
use engine::ports::{IngestSummary, MessageKey, Messages, RoutedChange};
use proptest::prelude::*;

use crate::support::{CUSTOMER, TestStore};

#[tokio::test]
async fn a_status_never_moves_backwards() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.finish_sent(&lease, "wamid.A").await;
    app.report(app.reported("wamid.A", MessageStatus::Read)).await;
    app.report(app.reported("wamid.A", MessageStatus::Delivered)).await;
    app.report(app.reported("wamid.A", MessageStatus::Sent)).await;
    let detail = app.detail(lease.message).await;
    assert_eq!(detail.message.status, MessageStatus::Read);
    let statuses: Vec<_> = detail.timeline.iter().map(|entry| entry.status).collect();
    assert_eq!(
        statuses,
        [MessageStatus::Sent, MessageStatus::Read, MessageStatus::Delivered, MessageStatus::Sent]
    );
}

#[tokio::test]
async fn a_repeated_status_changes_nothing() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.finish_sent(&lease, "wamid.A").await;
    app.report(app.reported("wamid.A", MessageStatus::Delivered)).await;
    let before = format!("{:?}", app.detail(lease.message).await);
    app.advance(5);
    let again = app.report(app.reported("wamid.A", MessageStatus::Delivered)).await;
    assert_eq!(again, IngestSummary { duplicates: 1, ..IngestSummary::default() });
    assert_eq!(format!("{:?}", app.detail(lease.message).await), before);
}

#[tokio::test]
async fn a_status_that_arrives_before_the_wamid_is_known_is_applied_later() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    let early = app.report(app.reported("wamid.A", MessageStatus::Delivered)).await;
    assert_eq!(early.pending_statuses, 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Sending);
    app.finish_sent(&lease, "wamid.A").await;
    assert_eq!(app.status(lease.message).await, MessageStatus::Delivered);
}

#[tokio::test]
async fn a_status_with_our_reference_resolves_an_unknown_message() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.finish_unknown(&lease).await;
    app.report(app.reported_for(lease.message, "wamid.A", MessageStatus::Sent)).await;
    let message = app.detail(lease.message).await.message;
    assert_eq!((message.status, message.wamid.as_deref()), (MessageStatus::Sent, Some("wamid.A")));
    let by_wamid =
        app.store.get_message(app.workspace, &MessageKey::Wamid("wamid.A".to_owned())).await.unwrap();
    assert!(by_wamid.is_some());
}

#[tokio::test]
async fn a_reference_is_valid_only_for_messages_of_the_same_account() {
    let app = TestStore::new().await;
    let other = app.add_account("other", "330011220099888").await;
    let new = engine::ports::NewMessage { account: other, ..app.new_message() };
    let lease = app.accept(new).await;
    app.finish_unknown(&lease).await;
    let report = app.report(app.reported_for(lease.message, "wamid.A", MessageStatus::Read)).await;
    assert_eq!(report.pending_statuses, 1);
    assert_eq!(app.status(lease.message).await, MessageStatus::Unknown);
}

#[tokio::test]
async fn a_status_of_a_second_copy_is_a_duplicate_and_changes_nothing() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.finish_unknown(&lease).await;
    app.report(app.reported_for(lease.message, "wamid.A", MessageStatus::Sent)).await;
    app.report(app.reported_for(lease.message, "wamid.B", MessageStatus::Read)).await;
    let detail = app.detail(lease.message).await;
    assert_eq!(
        (detail.message.status, detail.message.wamid.as_deref()),
        (MessageStatus::Sent, Some("wamid.A"))
    );
    let duplicates: Vec<_> = detail.timeline.iter().map(|entry| entry.is_duplicate).collect();
    assert_eq!(duplicates, [false, false, true]);
}

#[tokio::test]
async fn a_failure_after_acceptance_has_the_reason_of_meta() {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    app.finish_sent(&lease, "wamid.A").await;
    let mut failed = app.reported("wamid.A", MessageStatus::Failed);
    failed.error = Some(MetaError { code: 131_026, ..MetaError::default() });
    app.report(failed).await;
    let message = app.detail(lease.message).await.message;
    assert_eq!(message.status, MessageStatus::Failed);
    assert_eq!(message.failure_code.as_deref(), Some("meta_error"));
    assert_eq!(message.error.map(|error| error.code), Some(131_026));
    // The message was delivered after all: the error is removed.
    app.report(app.reported("wamid.A", MessageStatus::Delivered)).await;
    let message = app.detail(lease.message).await.message;
    assert_eq!((message.status, message.failure_code, message.error), (MessageStatus::Delivered, None, None));
}

#[tokio::test]
async fn a_payload_with_a_thousand_statuses_is_one_transaction() {
    let app = TestStore::new().await;
    let mut parts = Vec::new();
    for i in 0..1000 {
        let report = app.reported(&format!("wamid.{i}"), MessageStatus::Sent);
        parts.push(app.change(WebhookUpdate::Status(report), (i, 1)));
    }
    let body = "x".repeat(1000);
    assert_eq!(app.post(&body, parts.clone()).await.pending_statuses, 1000);
    let again = app.post(&body, parts).await;
    assert_eq!(again, IngestSummary { duplicates: 1000, ..IngestSummary::default() });
}

#[tokio::test]
async fn a_change_of_no_account_is_archived_once_and_not_applied() {
    let app = TestStore::new().await;
    let inbound = WebhookUpdate::Message(app.text_from(CUSTOMER, "wamid.IN"));
    let change = || RoutedChange { route: None, ..app.change(inbound.clone(), (2, 3)) };
    let first = app.post("abcdefgh", vec![change()]).await;
    assert_eq!(first, IngestSummary { unrouted: 1, ..IngestSummary::default() });
    let again = app.post("abcdefgh", vec![change()]).await;
    assert_eq!(again, IngestSummary { duplicates: 1, ..IngestSummary::default() });
    let found =
        app.store.get_message(app.workspace, &MessageKey::Wamid("wamid.IN".to_owned())).await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn a_change_that_cannot_be_written_does_not_affect_the_other_changes() {
    let app = TestStore::new().await;
    let first = app.change(WebhookUpdate::Message(app.text_from("447700900001", "wamid.1")), (0, 1));
    // The identifier exists already: the row cannot be inserted.
    let clash = RoutedChange {
        ids: first.ids,
        ..app.change(WebhookUpdate::Message(app.text_from("447700900002", "wamid.2")), (1, 1))
    };
    let third = app.change(WebhookUpdate::Message(app.text_from("447700900003", "wamid.3")), (2, 1));
    let ingested = app.post("abc", vec![first, clash, third]).await;
    assert_eq!(ingested, IngestSummary { applied: 2, undecodable: 1, ..IngestSummary::default() });
    for (wamid, is_there) in [("wamid.1", true), ("wamid.2", false), ("wamid.3", true)] {
        let found = app.store.get_message(app.workspace, &MessageKey::Wamid(wamid.to_owned())).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{wamid}");
    }
}

/// Statuses of one message, besides the response of its send.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Report(MessageStatus),
    Answer,
    Unknown,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Report(MessageStatus::Sent)),
        Just(Step::Report(MessageStatus::Delivered)),
        Just(Step::Report(MessageStatus::Read)),
        Just(Step::Report(MessageStatus::Failed)),
        Just(Step::Answer),
        Just(Step::Unknown),
    ];
    prop::collection::vec(step, 1..7)
}

async fn run(steps: &[Step]) -> (MessageStatus, Option<String>, Option<i64>, Option<String>) {
    let app = TestStore::new().await;
    let lease = app.accept(app.new_message()).await;
    for step in steps {
        match step {
            Step::Answer => app.finish_sent(&lease, "wamid.A").await,
            Step::Unknown => app.finish_unknown(&lease).await,
            Step::Report(status) => {
                let mut report = app.reported_for(lease.message, "wamid.A", *status);
                if *status == MessageStatus::Failed {
                    report.error = Some(MetaError { code: 131_026, ..MetaError::default() });
                } else {
                    let kind = Some(status.as_str().to_owned());
                    report.pricing = Some(Pricing { kind, ..Pricing::default() });
                }
                app.report(report).await;
            }
        }
    }
    let message = app.detail(lease.message).await.message;
    let price = message.pricing.and_then(|pricing| pricing.kind);
    (message.status, message.wamid, message.error.map(|error| error.code), price)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn statuses_in_any_order_and_number_lead_to_the_same_state(
        (news, shuffled) in steps().prop_flat_map(|news| {
            let twice: Vec<_> = news.iter().chain(&news).cloned().collect();
            (Just(news), Just(twice).prop_shuffle())
        }),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (once, again) = runtime.block_on(async { (run(&news).await, run(&shuffled).await) });
        prop_assert_eq!(once, again);
    }
}
