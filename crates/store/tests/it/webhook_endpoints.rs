//! Webhook endpoints: the events that their patterns select, and their tests.

use domain::access::audit::AuditAction;
use domain::events::{EventExample, EventKind, EventSelection};
use domain::id::{AccountId, ContactId, MessageId, ReplayId, TemplateId, WebhookId};
use domain::webhooks_out::delivery::{WebhookOrdering, WebhookStatus};
use engine::ports::{
    Accounts, Deliveries, DeliveryFilter, EventFilter, EventStart, Events, NewTestDelivery, WebhookEndpoint,
    WebhookEndpoints,
};

use crate::support::{CUSTOMER, TestStore, page};

/// Inserts an endpoint with these patterns.
async fn add(app: &TestStore, patterns: &[&str]) -> WebhookEndpoint {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let endpoint = WebhookEndpoint {
        id: app.id(WebhookId::from_parts),
        workspace: app.workspace,
        name: "shop".to_owned(),
        url: "https://shop.example.com/hook".to_owned(),
        events: EventSelection::from_stored(patterns),
        accounts: Vec::new(),
        headers: Vec::new(),
        secret: "whsec_c2VjcmV0".into(),
        old_secret: None,
        ordering: WebhookOrdering::BestEffort,
        is_enabled: true,
        status: WebhookStatus::Active,
        status_reason: None,
        created_at: app.now(),
        updated_at: app.now(),
    };
    let entry = app.entry(AuditAction::WebhookAdded);
    assert!(app.store.insert_webhook_endpoint(&endpoint, 10, entry).await.unwrap());
    endpoint
}

/// Returns the kinds of the events that have deliveries to an endpoint, in order.
async fn delivered_kinds(app: &TestStore, endpoint: &WebhookEndpoint) -> Vec<String> {
    while app.store.fan_out_events(app.now(), 50).await.unwrap() {}
    let filter = DeliveryFilter { webhook: Some(endpoint.id), ..DeliveryFilter::default() };
    let found = app.store.list_deliveries(app.workspace, &filter, page(50)).await.unwrap();
    found.rows.iter().rev().map(|row| row.event.as_ref().unwrap().kind.to_string()).collect()
}

#[tokio::test]
async fn events_are_fanned_out_by_the_patterns_of_the_endpoint() {
    let app = TestStore::new().await;
    let all = add(&app, &["*"]).await;
    let contacts = add(&app, &["contact.*"]).await;
    let others = add(&app, &["*", "-contact.*"]).await;
    // A pattern of another version matches nothing and does no harm.
    let later = add(&app, &["campaign.completed", "-campaign.started", "message.*"]).await;
    app.inbound(app.text_from(CUSTOMER, "wamid.1")).await;
    assert_eq!(delivered_kinds(&app, &all).await, ["contact.created", "message.incoming"]);
    assert_eq!(delivered_kinds(&app, &contacts).await, ["contact.created"]);
    assert_eq!(delivered_kinds(&app, &others).await, ["message.incoming"]);
    assert_eq!(delivered_kinds(&app, &later).await, ["message.incoming"]);
    let directory = app.store.get_directory().await.unwrap();
    let stored = directory.webhook(app.workspace, later.id).unwrap();
    assert_eq!(stored.events, later.events);
}

#[tokio::test]
async fn the_event_of_a_test_is_delivered_to_its_endpoint_only_and_is_not_listed() {
    let app = TestStore::new().await;
    let tested = add(&app, &["contact.*"]).await;
    let other = add(&app, &["*"]).await;
    let test = NewTestDelivery {
        workspace: app.workspace,
        webhook: tested.id,
        worker: app.lease_holder().worker,
        token: app.token(),
        replay: app.id(ReplayId::from_parts),
        example: EventExample {
            kind: EventKind::MessageIncoming,
            at: app.now(),
            account: app.id(AccountId::from_parts),
            account_name: "main".to_owned(),
            waba_id: "210987650001234".to_owned(),
            message: app.id(MessageId::from_parts),
            contact: app.id(ContactId::from_parts),
            template: app.id(TemplateId::from_parts),
            webhook: tested.id,
            webhook_name: "shop".to_owned(),
        },
    };
    let entry = || app.entry(AuditAction::WebhookTested);
    let leased = app.store.insert_test_delivery(test.clone(), entry()).await.unwrap().unwrap();
    assert!(leased.event.is_test);
    assert_eq!(leased.event.kind, EventKind::MessageIncoming);
    assert!(leased.event.body().contains(r#""test":true,"data":{"#), "{}", leased.event.body());
    assert_eq!(delivered_kinds(&app, &tested).await, ["message.incoming"]);
    assert!(delivered_kinds(&app, &other).await.is_empty());
    let all = EventFilter::default();
    let listed = app.store.list_events(app.workspace, &all, EventStart::Oldest, 50).await.unwrap().unwrap();
    assert!(listed.events.is_empty());
    // A reader continues after the event.
    assert_eq!(listed.last, Some(leased.event.id));
    let unknown = NewTestDelivery { webhook: app.id(WebhookId::from_parts), ..test };
    assert!(app.store.insert_test_delivery(unknown, entry()).await.unwrap().is_none());
}
