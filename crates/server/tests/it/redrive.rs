//! What Meta posted, taken once more; and the secrets that show whose it is.

use bytes::Bytes;
use domain::check::Patch;
use domain::webhooks_in::update::WebhookUpdate;
use engine::AuditContext;
use engine::accounts;
use engine::accounts::{NewAccountRequest, UpdateAccountError, UpdateAccountRequest};
use engine::ports::{StoreErrorKind, UnappliedReason, WebhookChange};
use engine::webhooks_in::ingest::{VerifiedPayload, ingest_payload};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use server::Redriven;
use server::meta_webhook::redrive;

use crate::meta_payloads::{envelope, text, value, wish};
use crate::support::{CUSTOMER, TestApp, signature};

const MAYA: &str = "447700900123";
const LATE_NUMBER: &str = "330011220099999";

async fn again(app: &TestApp, with: Option<UnappliedReason>) -> Redriven {
    let since = Timestamp::from_second(0).unwrap();
    app.patiently(redrive(&app.deps, since, with)).await.unwrap()
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
    }
}

/// A text to the number that is added later.
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
    let nothing = again(&app, Some(UnappliedReason::Unrouted)).await;
    assert_eq!(nothing, Redriven { posts: 1, repeated: 1, ..Redriven::default() });
    // The same app: its secret signed it.
    accounts::create_account(&app.deps, &AuditContext::command_line(), account(&app, &app.seeded.app_secret))
        .await
        .unwrap();
    let done = again(&app, Some(UnappliedReason::Unrouted)).await;
    assert_eq!(done, Redriven { posts: 1, applied: 1, ..Redriven::default() });
    assert_eq!(app.message("wamid.late").await["status"], "received");
    assert_eq!(again(&app, Some(UnappliedReason::Unrouted)).await, Redriven::default());
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
    let done = again(&app, Some(UnappliedReason::Unrouted)).await;
    assert_eq!((done.posts, done.applied), (1, 0));
    app.get("/api/messages/wamid.late").await.expect(404);
}

#[tokio::test]
async fn the_signer_of_a_payload_is_known_after_the_secret_was_replaced() {
    let app = TestApp::new().await;
    let messages = json!({"messages": [text("wamid.1", MAYA, 0)]});
    let body = envelope(&app, None, &[json!({"field": "messages", "value": value(&app, &messages)})]);
    not_understood(&app, &body).await;
    let change = UpdateAccountRequest {
        app_secret: Patch::Set("the next secret".into()),
        ..UpdateAccountRequest::default()
    };
    change_account(&app, change).await.unwrap();
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(401);
    let done = again(&app, None).await;
    assert_eq!(done.applied, 1, "{done:?}");
    assert_eq!(app.message("wamid.1").await["from"], "+447700900123");
}

/// A decoder of old takes a body and understands none of it.
async fn not_understood(app: &TestApp, body: &Value) {
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
    let wishes = json!({"user_preferences": [wish(MAYA, "stop", 10)]});
    let body = envelope(
        &app,
        None,
        &[
            json!({"field": "messages", "value": value(&app, &messages)}),
            json!({"field": "user_preferences", "value": value(&app, &wishes)}),
        ],
    );
    not_understood(&app, &body).await;
    app.get("/api/messages/wamid.1").await.expect(404);
    let done = again(&app, Some(UnappliedReason::Undecodable)).await;
    assert_eq!(done, Redriven { posts: 1, applied: 3, ..Redriven::default() });
    assert_eq!(app.message("wamid.2").await["raw"], text("wamid.2", MAYA, 1));
    assert_eq!(app.person("+447700900123").await["opted_out"], true);
    // Nothing is left that is not understood, and nothing happens twice.
    assert_eq!(again(&app, Some(UnappliedReason::Undecodable)).await, Redriven::default());
    let n_told = app.told().await.len();
    let all = again(&app, None).await;
    assert_eq!((all.applied, all.undecodable, all.unrouted), (0, 0, 0), "{all:?}");
    assert_eq!(app.told().await.len(), n_told);
}

#[tokio::test]
async fn redriving_everything_changes_nothing() {
    let app = TestApp::new().await;
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    app.heard(&[text("wamid.1", MAYA, 0), json!({"id": 7}), json!(null), text("wamid.2", MAYA, 1)]).await;
    app.meta_tells("user_preferences", json!({"user_preferences": [wish(MAYA, "stop", 10)]})).await;
    app.meta_tells("user_preferences", json!({"user_preferences": [wish(MAYA, "resume", 20)]})).await;
    let moves = json!({"from": MAYA, "id": "wamid.3", "timestamp": "1767225700", "type": "system",
        "system": {"wa_id": "447700900999", "type": "user_changed_number"}});
    app.heard(&[moves]).await;
    app.heard(&[text("wamid.4", MAYA, 200)]).await;
    let echo = json!({"from": "1", "to": MAYA, "id": "wamid.5", "timestamp": "1767225650", "type": "text",
        "text": {"body": "Hi"}});
    app.meta_tells("smb_message_echoes", json!({"message_echoes": [echo]})).await;
    let unknown =
        json!({"id": "wamid.unknown", "status": "read", "timestamp": "1767225650", "recipient_id": MAYA});
    app.meta_tells("messages", json!({"statuses": [unknown], "errors": [{"code": 130_429}]})).await;
    app.meta_tells(
        "calls",
        json!({"calls": [{"id": "wacid.1", "from": MAYA, "direction": "USER_INITIATED",
        "timestamp": "1767225650"}]}),
    )
    .await;
    for (time, state) in [(10, "DISABLE"), (20, "REINSTATE")] {
        let ban = json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}});
        app.meta_says("account_update", time, ban).await;
    }
    let status = json!({"event": "PAUSED", "message_template_name": "hello_world", "message_template_language": "en_US"});
    app.meta_says("message_template_status_update", 30, status).await;
    app.meta_says("history", 40, json!({"history": []})).await;
    app.post_signed(&app.seeded.app_secret, to_late_number(&app)).await.expect(200);

    let state = async || {
        let messages = app.get("/api/messages?per_page=200").await.body;
        let templates = app.get("/api/templates?per_page=200").await.body;
        (messages, templates, app.people().await, app.shown_account().await, app.told().await)
    };
    app.advance(7200);
    let before = state().await;
    for with in [None, Some(UnappliedReason::Undecodable), None, Some(UnappliedReason::Unrouted)] {
        let done = again(&app, with).await;
        assert!(done.posts > 0 && done.repeated > 0);
        assert_eq!((done.applied, done.early, done.undecodable, done.unrouted), (0, 0, 0, 0), "{done:?}");
        assert_eq!(state().await, before);
    }
    // Only what came since then.
    let none = redrive(&app.deps, app.deps.now(), None);
    assert_eq!(app.patiently(none).await.unwrap(), Redriven::default());
}

async fn is_taken(app: &TestApp, secret: &str, wamid: &str) -> bool {
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
    assert!(is_taken(&app, &old, "wamid.1").await);
    assert!(is_taken(&app, "second", "wamid.2").await);
    // Another process knows it, too.
    app.restart().await;
    app.advance(86_399);
    assert!(is_taken(&app, &old, "wamid.3").await);
    app.advance(1);
    assert!(!is_taken(&app, &old, "wamid.4").await);
    assert!(is_taken(&app, "second", "wamid.5").await);
    // Only the last one that was replaced lives on, and not at all if nobody wants it.
    let next = change("third", SignedDuration::from_hours(1));
    change_account(&app, next).await.unwrap();
    change_account(&app, change("fourth", SignedDuration::ZERO)).await.unwrap();
    assert!(!is_taken(&app, "second", "wamid.6").await);
    assert!(!is_taken(&app, "third", "wamid.7").await);
    assert!(is_taken(&app, "fourth", "wamid.8").await);
}

#[tokio::test]
async fn an_update_of_an_account_changes_only_the_given_fields() {
    let app = TestApp::new().await;
    app.add_second_account().await;
    let taken = UpdateAccountRequest { name: Some("clinic".to_owned()), ..UpdateAccountRequest::default() };
    let error = change_account(&app, taken).await.unwrap_err();
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
    assert!(is_taken(&app, &app.seeded.app_secret, "wamid.1").await);
    let nobody = UpdateAccountRequest { is_default: Some(true), ..UpdateAccountRequest::default() };
    let mut gone = (*clinic).clone();
    gone.account.id = app.deps.new_id(domain::id::AccountId::from_parts);
    let error = accounts::update_account(&app.deps, &by, &gone, nobody).await.unwrap_err();
    assert!(matches!(error, UpdateAccountError::NotFound));
    assert_eq!(app.get("/api/accounts/surgery").await.data()["default"], true);
}

async fn change_account(app: &TestApp, change: UpdateAccountRequest) -> Result<(), UpdateAccountError> {
    let directory = app.deps.directory.current();
    let record = directory.account(app.workspace, &app.account.to_string()).unwrap();
    accounts::update_account(&app.deps, &AuditContext::command_line(), record, change).await.map(drop)
}
