//! Redrive of stored webhooks, and the app secrets that authenticate them.

use bytes::Bytes;
use domain::check::Patch;
use domain::webhooks_in::update::WebhookUpdate;
use engine::AuditContext;
use engine::accounts;
use engine::accounts::{NewAccountRequest, UpdateAccountError, UpdateAccountRequest, Verification};
use engine::ports::{StoreErrorKind, UnappliedReason, WebhookChange};
use engine::webhooks_in::ingest::{VerifiedPayload, ingest_payload};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use server::RedriveSummary;
use server::meta_webhook::redrive;

use crate::meta_payloads::{envelope, opt_out_signal, text, value};
use crate::support::{CUSTOMER, TestApp, signature};

const MAYA: &str = "447700900123";
const LATE_NUMBER: &str = "330011220099999";

async fn run_redrive(app: &TestApp, with: Option<UnappliedReason>) -> RedriveSummary {
    let since = Timestamp::from_second(0).unwrap();
    app.run_with_clock(redrive(&app.deps, since, with)).await.unwrap()
}

fn account(app: &TestApp, secret: &str) -> NewAccountRequest {
    NewAccountRequest {
        workspace: app.workspace,
        name: "late".to_owned(),
        phone_number_id: LATE_NUMBER.to_owned(),
        waba_id: "210987650009999".to_owned(),
        access_token: "t".into(),
        app_secret: Some(secret.to_owned().into()),
        verify_token: None,
        is_default: false,
        is_sandbox: true,
        fetches_links: None,
        verification: Verification::Skipped,
    }
}

/// Returns a text to the number that is added later.
fn to_late_number(app: &TestApp) -> String {
    let mut value = value(app, &json!({"messages": [text("wamid.late", MAYA, 0)]}));
    value["metadata"]["phone_number_id"] = json!(LATE_NUMBER);
    envelope(app, None, &[json!({"field": "messages", "value": value})]).to_string()
}

#[tokio::test]
async fn webhooks_of_an_account_that_was_added_late_are_applied_by_a_redrive() {
    let app = TestApp::new().await;
    let body = to_late_number(&app);
    app.post_signed(&app.seeded.app_secret, body.clone()).await.expect(200);
    app.post_signed(&app.seeded.app_secret, body.clone()).await.expect(200);
    let nothing = run_redrive(&app, Some(UnappliedReason::Unrouted)).await;
    assert_eq!(nothing, RedriveSummary { payloads: 1, duplicates: 1, ..RedriveSummary::default() });
    // The account belongs to the same app, whose secret signed the payload.
    accounts::create_account(&app.deps, &AuditContext::command_line(), account(&app, &app.seeded.app_secret))
        .await
        .unwrap();
    let done = run_redrive(&app, Some(UnappliedReason::Unrouted)).await;
    assert_eq!(done, RedriveSummary { payloads: 1, applied: 1, ..RedriveSummary::default() });
    assert_eq!(app.message("wamid.late").await["status"], "received");
    assert_eq!(run_redrive(&app, Some(UnappliedReason::Unrouted)).await, RedriveSummary::default());
}

#[tokio::test]
async fn webhooks_signed_with_another_secret_stay_unrouted() {
    let app = TestApp::new().await;
    app.post_signed(&app.seeded.app_secret, to_late_number(&app)).await.expect(200);
    accounts::create_account(
        &app.deps,
        &AuditContext::command_line(),
        account(&app, "a secret of another app"),
    )
    .await
    .unwrap();
    let done = run_redrive(&app, Some(UnappliedReason::Unrouted)).await;
    assert_eq!((done.payloads, done.applied), (1, 0));
    app.get("/api/messages/wamid.late").await.expect(404);
}

#[tokio::test]
async fn the_signer_of_a_payload_is_known_after_the_secret_was_replaced() {
    let app = TestApp::new().await;
    let messages = json!({"messages": [text("wamid.1", MAYA, 0)]});
    let body = envelope(&app, None, &[json!({"field": "messages", "value": value(&app, &messages)})]);
    ingest_undecodable(&app, &body).await;
    let change = UpdateAccountRequest {
        app_secret: Patch::Set("the next secret".into()),
        ..UpdateAccountRequest::default()
    };
    change_account(&app, change).await.unwrap();
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(401);
    let done = run_redrive(&app, None).await;
    assert_eq!(done.applied, 1, "{done:?}");
    assert_eq!(app.message("wamid.1").await["from"], "+447700900123");
}

/// Stores a payload as an older decoder does that cannot decode its changes.
async fn ingest_undecodable(app: &TestApp, body: &Value) {
    let body = Bytes::from(body.to_string());
    let length = u32::try_from(body.len()).unwrap();
    let change = WebhookChange {
        waba_id: Some(app.seeded.waba_id.clone()),
        phone_number_id: Some(app.seeded.phone_number_id.clone()),
        field: "messages".to_owned(),
        time: None,
        update: WebhookUpdate::Other,
        span: (0, length),
        undecodable: Some("a decoder of old".to_owned()),
    };
    let signers = app.deps.directory.current().accounts.clone();
    let signature = Some(Bytes::from(signature(&app.seeded.app_secret, &body)));
    let payload = VerifiedPayload { body, signature, signers: &signers };
    assert_eq!(ingest_payload(&app.deps, payload, vec![change]).await.unwrap().undecodable, 1);
}

#[tokio::test]
async fn undecodable_changes_are_applied_by_a_newer_decoder() {
    let app = TestApp::new().await;
    let messages = json!({"messages": [text("wamid.1", MAYA, 0), text("wamid.2", MAYA, 1)]});
    let wishes = json!({"user_preferences": [opt_out_signal(MAYA, "stop", 10)]});
    let body = envelope(
        &app,
        None,
        &[
            json!({"field": "messages", "value": value(&app, &messages)}),
            json!({"field": "user_preferences", "value": value(&app, &wishes)}),
        ],
    );
    ingest_undecodable(&app, &body).await;
    app.get("/api/messages/wamid.1").await.expect(404);
    let done = run_redrive(&app, Some(UnappliedReason::Undecodable)).await;
    assert_eq!(done, RedriveSummary { payloads: 1, applied: 3, ..RedriveSummary::default() });
    assert_eq!(app.message("wamid.2").await["raw"], text("wamid.2", MAYA, 1));
    assert_eq!(app.contact("+447700900123").await["opted_out"], true);
    // No undecodable change remains, and no change is applied twice.
    assert_eq!(run_redrive(&app, Some(UnappliedReason::Undecodable)).await, RedriveSummary::default());
    let n_events = app.all_events().await.len();
    let all = run_redrive(&app, None).await;
    assert_eq!((all.applied, all.undecodable, all.unrouted), (0, 0, 0), "{all:?}");
    assert_eq!(app.all_events().await.len(), n_events);
}

#[tokio::test]
async fn redriving_everything_changes_nothing() {
    let app = TestApp::new().await;
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    app.receive_messages(&[
        text("wamid.1", MAYA, 0),
        json!({"id": 7}),
        json!(null),
        text("wamid.2", MAYA, 1),
    ])
    .await;
    app.deliver_number_webhook(
        "user_preferences",
        json!({"user_preferences": [opt_out_signal(MAYA, "stop", 10)]}),
    )
    .await;
    app.deliver_number_webhook(
        "user_preferences",
        json!({"user_preferences": [opt_out_signal(MAYA, "resume", 20)]}),
    )
    .await;
    let moves = json!({"from": MAYA, "id": "wamid.3", "timestamp": "1767225700", "type": "system",
        "system": {"wa_id": "447700900999", "type": "user_changed_number"}});
    app.receive_messages(&[moves]).await;
    app.receive_messages(&[text("wamid.4", MAYA, 200)]).await;
    let echo = json!({"from": "1", "to": MAYA, "id": "wamid.5", "timestamp": "1767225650", "type": "text",
        "text": {"body": "Hi"}});
    app.deliver_number_webhook("smb_message_echoes", json!({"message_echoes": [echo]})).await;
    let unknown =
        json!({"id": "wamid.unknown", "status": "read", "timestamp": "1767225650", "recipient_id": MAYA});
    app.deliver_number_webhook("messages", json!({"statuses": [unknown], "errors": [{"code": 130_429}]}))
        .await;
    app.deliver_number_webhook(
        "calls",
        json!({"calls": [{"id": "wacid.1", "from": MAYA, "direction": "USER_INITIATED",
        "timestamp": "1767225650"}]}),
    )
    .await;
    for (time, state) in [(10, "DISABLE"), (20, "REINSTATE")] {
        let ban = json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}});
        app.deliver_account_webhook("account_update", time, ban).await;
    }
    let status = json!({"event": "PAUSED", "message_template_name": "hello_world", "message_template_language": "en_US"});
    app.deliver_account_webhook("message_template_status_update", 30, status).await;
    app.deliver_account_webhook("history", 40, json!({"history": []})).await;
    app.post_signed(&app.seeded.app_secret, to_late_number(&app)).await.expect(200);

    let state = async || {
        let messages = app.get("/api/messages?per_page=200").await.body;
        let templates = app.get("/api/templates?per_page=200").await.body;
        (messages, templates, app.contacts().await, app.first_account().await, app.all_events().await)
    };
    app.advance(7200);
    let before = state().await;
    for with in [None, Some(UnappliedReason::Undecodable), None, Some(UnappliedReason::Unrouted)] {
        let done = run_redrive(&app, with).await;
        assert!(done.payloads > 0 && done.duplicates > 0);
        assert_eq!(
            (done.applied, done.pending_statuses, done.undecodable, done.unrouted),
            (0, 0, 0, 0),
            "{done:?}"
        );
        assert_eq!(state().await, before);
    }
    // Only payloads that were received since this time are redriven.
    let none = redrive(&app.deps, app.deps.now(), None);
    assert_eq!(app.run_with_clock(none).await.unwrap(), RedriveSummary::default());
}

async fn is_accepted(app: &TestApp, secret: &str, wamid: &str) -> bool {
    let messages = json!({"messages": [text(wamid, MAYA, 0)]});
    let body = envelope(app, None, &[json!({"field": "messages", "value": value(app, &messages)})]);
    let status = app.post_signed(secret, body.to_string()).await.status.as_u16();
    assert!(status == 200 || status == 401);
    let is_there = app.get(&format!("/api/messages/{wamid}")).await.status.is_success();
    assert_eq!(is_there, status == 200);
    is_there
}

#[tokio::test]
async fn both_secrets_are_valid_during_a_rotation_and_the_old_one_expires() {
    let mut app = TestApp::new().await;
    let old = app.seeded.app_secret.clone();
    let change = |secret: &str, old_app_secret_lifetime: SignedDuration| UpdateAccountRequest {
        app_secret: Patch::Set(secret.to_owned().into()),
        old_app_secret_lifetime,
        ..UpdateAccountRequest::default()
    };
    let first = change("second", SignedDuration::from_hours(24));
    change_account(&app, first).await.unwrap();
    assert!(is_accepted(&app, &old, "wamid.1").await);
    assert!(is_accepted(&app, "second", "wamid.2").await);
    // Another process has both secrets as well.
    app.restart().await;
    app.advance(86_399);
    assert!(is_accepted(&app, &old, "wamid.3").await);
    app.advance(1);
    assert!(!is_accepted(&app, &old, "wamid.4").await);
    assert!(is_accepted(&app, "second", "wamid.5").await);
    // Only the last replaced secret remains valid, and none if the overlap is zero.
    let next = change("third", SignedDuration::from_hours(1));
    change_account(&app, next).await.unwrap();
    change_account(&app, change("fourth", SignedDuration::ZERO)).await.unwrap();
    assert!(!is_accepted(&app, "second", "wamid.6").await);
    assert!(!is_accepted(&app, "third", "wamid.7").await);
    assert!(is_accepted(&app, "fourth", "wamid.8").await);
}

#[tokio::test]
async fn an_update_of_an_account_changes_only_the_given_fields() {
    let app = TestApp::new().await;
    app.add_second_account().await;
    let accepted_message =
        UpdateAccountRequest { name: Some("clinic".to_owned()), ..UpdateAccountRequest::default() };
    let error = change_account(&app, accepted_message).await.unwrap_err();
    assert!(matches!(error, UpdateAccountError::Store(error) if error.kind() == StoreErrorKind::Conflict));
    let clinic = app.deps.directory.current().account(app.workspace, "clinic").unwrap().clone();
    let by = AuditContext::command_line();
    let renamed = UpdateAccountRequest {
        name: Some("surgery".to_owned()),
        is_default: Some(true),
        verify_token: Patch::Set("a new word".into()),
        ..UpdateAccountRequest::default()
    };
    accounts::update_account(&app.deps, &by, &clinic, renamed).await.unwrap();
    let listed = app.get("/api/accounts").await;
    let defaults: Vec<_> =
        listed.data()["accounts"].as_array().unwrap().iter().map(|one| &one["default"]).collect();
    assert_eq!(defaults, [false, true]);
    assert_eq!(
        app.get("/api/accounts/surgery").await.expect(200).data()["id"],
        clinic.account.id.to_string()
    );
    assert!(accounts::is_verify_token(&app.deps, "a new word"));
    assert!(is_accepted(&app, &app.seeded.app_secret, "wamid.1").await);
    let default_change = UpdateAccountRequest { is_default: Some(true), ..UpdateAccountRequest::default() };
    let mut removed = (*clinic).clone();
    removed.account.id = app.deps.new_id(domain::id::AccountId::from_parts);
    let error = accounts::update_account(&app.deps, &by, &removed, default_change).await.unwrap_err();
    assert!(matches!(error, UpdateAccountError::NotFound));
    assert_eq!(app.get("/api/accounts/surgery").await.data()["default"], true);
}

async fn change_account(app: &TestApp, change: UpdateAccountRequest) -> Result<(), UpdateAccountError> {
    let directory = app.deps.directory.current();
    let record = directory.account(app.workspace, &app.account.to_string()).unwrap();
    accounts::update_account(&app.deps, &AuditContext::command_line(), record, change).await.map(drop)
}
