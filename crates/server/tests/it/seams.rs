//! Faults between parts that were built apart, each named for what went wrong.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use engine::access::api_key::DEV_KEY;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use tower::ServiceExt;

use crate::support::{CUSTOMER, STRANGER, TestApp, signature};

/// The next message that the simulator is handed meets this code.
fn refuse_once(app: &TestApp, code: i64) {
    let answer = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(answer)));
}

fn hello() -> Value {
    json!({"name": "hello_world", "language": "en_US"})
}

fn sale() -> Value {
    json!({"name": "sandbox_marketing", "language": "en",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Maya"}]}]})
}

/// Queues words with a fallback, and says their id.
async fn queue_with_fallback(app: &TestApp, to: &str, fallback: Value) -> String {
    let body =
        json!({"to": to, "type": "text", "text": "Hi", "mode": "queue", "fallback_template": fallback});
    app.send(body).await.expect(202).data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_fallback_was_forgotten_with_the_first_attempt_of_its_message() {
    let app = TestApp::new().await;
    let id = queue_with_fallback(&app, CUSTOMER, hello()).await;
    // Meta does not take the token: the account is held, the message waits on.
    refuse_once(&app, 190);
    app.tick_queue().await;
    assert_eq!(app.message(&id).await["status"], "queued");
    app.advance(25 * 3_600);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.tick_queue().await;
    let message = app.message(&id).await;
    assert_eq!(
        (&message["status"], &message["sent_as"]),
        (&json!("sent"), &json!("template")),
        "{message:#}"
    );
}

#[tokio::test]
async fn a_marketing_fallback_that_was_tried_once_left_after_a_stop() {
    let app = TestApp::new().await;
    app.request("POST", "/api/templates/sync", "").await.expect(200);
    app.customer_writes(STRANGER, "Hi").await;
    let id = queue_with_fallback(&app, STRANGER, sale()).await;
    app.advance(25 * 3_600);
    refuse_once(&app, 190);
    app.tick_queue().await;
    assert_eq!(app.message(&id).await["status"], "queued");
    let contact = app.message(&id).await["contact_id"].as_str().unwrap().to_owned();
    let body = json!({"opted_out": true}).to_string();
    app.request("PUT", &format!("/api/contacts/{contact}"), body).await.expect(200);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.tick_queue().await;
    let message = app.message(&id).await;
    assert_eq!(message["error"]["code"], "recipient_opted_out", "{message:#}");
    assert_eq!(app.n_taken(), 0);
}

#[tokio::test]
async fn a_change_of_an_endpoint_took_back_the_secret_that_another_process_had_just_made() {
    let mut app = TestApp::new().await;
    let body = json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["*"]});
    let made = app.post("/api/webhooks", &body).await.expect(201);
    let path = format!("/api/webhooks/{}", made.data()["id"].as_str().unwrap());
    // Two processes on one database; the first looks for changes once a second.
    let first = app.router.clone();
    app.restart().await;
    let rotated = app.post(&format!("{path}/rotate-secret"), &json!({})).await.expect(200);
    app.request("PUT", &path, json!({"events": ["message.incoming"]}).to_string()).await.expect(200);
    let change = Request::put(&path)
        .header("X-API-Key", DEV_KEY)
        .body(Body::from(json!({"name": "store"}).to_string()))
        .unwrap();
    assert_eq!(first.oneshot(change).await.unwrap().status(), StatusCode::OK);
    app.customer_writes(CUSTOMER, "Hi").await;
    app.tick_hooks().await;
    let got = app.receiver.got();
    let secret = |answer: &crate::support::Answer| answer.data()["secret"].as_str().unwrap().to_owned();
    assert_eq!(got.last().unwrap().secrets, [secret(&rotated), secret(&made)]);
    let shown = app.get(&path).await.expect(200);
    assert_eq!(
        (&shown.data()["name"], &shown.data()["events"]),
        (&json!("store"), &json!(["message.incoming"]))
    );
}

#[tokio::test]
async fn a_key_of_some_accounts_reached_others_people_and_messages_by_their_ids() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let sent = app.send_text(CUSTOMER).await.expect(200);
    let id = sent.data()["id"].as_str().unwrap();
    let contact = app.message(id).await["contact_id"].as_str().unwrap().to_owned();
    let bound = app.key(move |new| new.accounts = vec![clinic]).await;
    let rehearse = async |body: Value| {
        let mut body = body;
        body["dry_run"] = json!(true);
        body["whatsapp_account"] = json!("clinic");
        app.request_as(&bound, "POST", "/api/messages/send", body.to_string()).await
    };
    // Another account's person: the answer would tell the number.
    let to_contact = json!({"contact": contact, "type": "template", "template": hello()});
    let told = rehearse(to_contact.clone()).await;
    assert!(!told.body.to_string().contains("0100001"), "{:#}", told.body);
    let refused = app.request_as(&bound, "POST", "/api/messages/send", {
        let mut body = to_contact;
        body["whatsapp_account"] = json!("clinic");
        body.to_string()
    });
    assert_eq!(refused.await.expect(404).code(), "contact_not_found");
    // Another account's message: Meta's id of it holds the number.
    let answering =
        json!({"to": STRANGER, "type": "template", "template": hello(), "context": {"message_id": id}});
    let told = rehearse(answering).await;
    assert!(!told.body.to_string().contains("wamid."), "{:#}", told.body);
    assert_eq!(app.n_taken(), 1);
    // Its own people and messages it reaches.
    let send =
        async |body: Value| app.request_as(&bound, "POST", "/api/messages/send", body.to_string()).await;
    let mut own =
        json!({"to": STRANGER, "type": "template", "template": hello(), "whatsapp_account": "clinic"});
    let sent = send(own.clone()).await.expect(200);
    let listed = app.request_as(&bound, "GET", "/api/contacts", "").await.expect(200);
    own.as_object_mut().unwrap().remove("to");
    own["contact"] = listed.data()["contacts"][0]["id"].clone();
    own["context"] = json!({"message_id": sent.data()["id"]});
    app.advance(6);
    send(own).await.expect(200);
}

#[tokio::test]
async fn a_rehearsal_knew_no_fallback_and_no_other_time_than_now() {
    let app = TestApp::new().await;
    let rehearse = async |more: Value| {
        let mut body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "dry_run": true,
            "context": {"message_id": "wamid.x"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.send(body).await.expect(200).body["data"].take()
    };
    // The window is open now, and closed by then.
    let later = json!({"send_at": "2026-01-03T00:00:00Z"});
    assert_eq!(rehearse(later.clone()).await["would_send"], false);
    assert_eq!(rehearse(json!({})).await["request"]["type"], "text");
    // Then the fallback goes out, and answers nothing.
    let mut saved = later;
    saved["fallback_template"] = hello();
    let told = rehearse(saved).await;
    assert_eq!(told["would_send"], true, "{told:#}");
    assert_eq!((&told["request"]["type"], &told["request"]["context"]), (&json!("template"), &Value::Null));
    assert_eq!(rehearse(json!({"fallback_template": hello()})).await["request"]["type"], "text");
}

#[tokio::test]
async fn a_key_of_some_accounts_read_what_was_done_to_the_others() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let bound = app.key(move |new| new.accounts = vec![clinic]).await;
    let refused = app.request_as(&bound, "GET", "/api/audit", "").await.expect(403);
    assert_eq!(refused.code(), "forbidden");
    app.get("/api/audit").await.expect(200);
}

#[tokio::test]
async fn what_is_left_of_an_erased_person_was_not_understood_when_it_was_taken_once_more() {
    let app = TestApp::new().await;
    app.customer_writes(STRANGER, "Hi").await;
    let sent = app.send_text(STRANGER).await.expect(200);
    app.step().await;
    let contact = app.message(sent.data()["id"].as_str().unwrap()).await["contact_id"].clone();
    let path = format!("/api/contacts/{}", contact.as_str().unwrap());
    app.request("DELETE", &path, "").await.expect(204);
    engine::contacts::tick(&app.deps).await.unwrap();
    let taken = app
        .patiently(server::meta_webhook::redrive(&app.deps, jiff::Timestamp::UNIX_EPOCH, None))
        .await
        .unwrap();
    assert_eq!((taken.applied, taken.undecodable, taken.unrouted), (0, 0, 0), "{taken:?}");
}

#[tokio::test]
async fn what_a_customer_wrote_to_an_account_that_another_process_had_just_added_was_nobodys() {
    let mut app = TestApp::new().await;
    let first = app.router.clone();
    app.restart().await;
    // Of the same app: its secret is known to the first process.
    let clinic = app.sim.accounts().into_iter().nth(1).unwrap();
    let new = engine::accounts::AddAccount {
        fetches_links: None,
        workspace: app.workspace,
        name: "clinic".to_owned(),
        phone_number_id: clinic.phone_number_id.clone(),
        waba_id: clinic.waba_id.clone(),
        access_token: clinic.access_token.clone().into(),
        app_secret: Some(app.seeded.app_secret.clone().into()),
        verify_token: None,
        is_default: false,
        is_sandbox: true,
    };
    engine::accounts::add(&app.deps, &engine::By::command_line(), new).await.unwrap();
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": clinic.waba_id, "changes": [{
        "field": "messages", "value": {"messaging_product": "whatsapp",
            "metadata": {"phone_number_id": clinic.phone_number_id},
            "messages": [{"from": &STRANGER[1..], "id": "wamid.first", "timestamp": "1767225600", "type": "text",
                "text": {"body": "Hi"}}]}}]}]})
    .to_string();
    let post = Request::post("/webhooks/meta")
        .header("X-Hub-Signature-256", signature(&app.seeded.app_secret, body.as_bytes()))
        .body(Body::from(body))
        .unwrap();
    assert_eq!(first.oneshot(post).await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.message("wamid.first").await["status"], "received");
}
