//! Store failures, panics and aborted tasks: no message that Meta accepted is lost, and no response invites the caller
//! to send it again.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use domain::access::permission::Role;
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::messages::queue;
use engine::ports::{FaultInjector, StoreError, StoreErrorKind};
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, TokenChange};
use tokio::sync::Notify;

use crate::browser_session::PASSWORD;
use crate::fault_ports::with_faults;
use crate::invariants::{assert_invariants, complete_all_work, end_states};
use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, TestResponse};

/// Point of the fault: before or after the effect of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Fault at a call.
#[derive(Clone)]
enum TestFault {
    /// The call fails because the store is unavailable.
    Fails,
    /// The task panics.
    Panics,
    /// The call waits until it is released. The first notification reports that the call was reached.
    Waits(Arc<Notify>, Arc<Notify>),
}

/// Faults and the calls at which they occur.
#[derive(Default)]
struct FaultTable(Mutex<Vec<(&'static str, Side, TestFault)>>);

impl FaultTable {
    fn add(&self, n: usize, call: &'static str, side: Side, fault: TestFault) {
        self.0.lock().unwrap().extend(vec![(call, side, fault); n]);
    }

    fn next(&self, call: &str, side: Side) -> Option<TestFault> {
        let mut faults = self.0.lock().unwrap();
        let position = faults.iter().position(|(name, when, _)| *name == call && *when == side)?;
        Some(faults.remove(position).2)
    }

    async fn meet(&self, call: &'static str, side: Side) -> Result<(), StoreError> {
        match self.next(call, side) {
            None => Ok(()),
            Some(TestFault::Fails) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, call, "broken on purpose"))
            }
            Some(TestFault::Panics) => unreachable!("on purpose"),
            Some(TestFault::Waits(is_there, may_go)) => {
                is_there.notify_one();
                may_go.notified().await;
                Ok(())
            }
        }
    }
}

#[async_trait]
impl FaultInjector for FaultTable {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        self.meet(call, Side::Before).await.map(|()| 0)
    }

    async fn after(&self, call: &'static str, _: usize) -> Result<(), StoreError> {
        self.meet(call, Side::After).await
    }
}

/// Returns a gateway with faults at the ports.
async fn app_with_faults() -> (TestApp, Arc<FaultTable>) {
    let mut app = TestApp::new().await;
    let faults = Arc::new(FaultTable::default());
    let guard = faults.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    (app, faults)
}

fn text() -> Value {
    json!({"to": CUSTOMER, "type": "text", "text": "Hi", "client_reference": "it"})
}

fn with_key(key: &str) -> Request<Body> {
    Request::post("/api/messages/send")
        .header("X-API-Key", DEV_KEY)
        .header("Idempotency-Key", key)
        .body(Body::from(text().to_string()))
        .unwrap()
}

async fn send_with(app: &TestApp, key: &str) -> TestResponse {
    app.run_with_clock(app.call(with_key(key))).await
}

fn refuse_once(app: &TestApp, code: i64) {
    let response = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
}

async fn n_messages(app: &TestApp) -> Value {
    app.get("/api/messages?direction=outbound").await.expect(200).data()["total"].clone()
}

#[tokio::test]
async fn an_outcome_that_cannot_be_stored_is_unknown_and_is_stored_later() {
    let (app, faults) = app_with_faults().await;
    for (n, key) in [(1, "once"), (3, "thrice"), (8, "for minutes")] {
        faults.add(n, "finish_attempt", Side::Before, TestFault::Fails);
        let n_accepted = app.n_accepted();
        let first = send_with(&app, key).await.expect(202);
        assert_eq!(first.data()["status"], "unknown");
        assert_eq!(first.data()["message_id"], first.data()["id"]);
        let id = first.data()["id"].as_str().unwrap();
        if n > 1 {
            // Only this process knows the outcome.
            assert_eq!(app.message(id).await["status"], "sending");
            app.call(with_key(key)).await.expect(409);
        }
        app.finish_tasks().await;
        let message = app.message(id).await;
        assert_eq!(message["status"], "sent");
        assert!(message["message_id"].as_str().unwrap().starts_with("wamid."));
        let again = send_with(&app, key).await.expect(202);
        assert_eq!(again.headers["idempotent-replayed"], "true");
        assert_eq!(again.body, first.body);
        assert_eq!(app.n_accepted(), n_accepted + 1);
        app.step().await;
        assert_eq!(app.message(id).await["status"], "read");
    }
}

#[tokio::test]
async fn a_failure_that_cannot_be_stored_stays_unknown_for_the_caller() {
    let (app, faults) = app_with_faults().await;
    for code in [131_009, 190] {
        refuse_once(&app, code);
        faults.add(2, "finish_attempt", Side::Before, TestFault::Fails);
        let key = code.to_string();
        let first = send_with(&app, &key).await.expect(202);
        assert_eq!(first.data()["status"], "unknown");
        app.finish_tasks().await;
        assert_eq!(app.message(first.data()["id"].as_str().unwrap()).await["status"], "failed");
        // A repeated request has the same response, because the caller may have acted on the first one.
        assert_eq!(send_with(&app, &key).await.expect(202).body, first.body);
        app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    }
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_queue_outcome_that_cannot_be_stored_is_stored_later_without_a_resend() {
    let (app, faults) = app_with_faults().await;
    for n in [1, 5] {
        let mut body = text();
        body["mode"] = json!("queue");
        let response = app.send(body).await.expect(202);
        faults.add(n, "finish_attempt", Side::Before, TestFault::Fails);
        let n_accepted = app.n_accepted();
        app.tick_queue().await;
        assert_eq!(app.message(response.data()["id"].as_str().unwrap()).await["status"], "sent");
        assert_eq!(app.n_accepted(), n_accepted + 1);
        app.advance(60);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_accepted_is_neither_stored_nor_sent() {
    let (app, faults) = app_with_faults().await;
    for mode in ["sync", "queue"] {
        faults.add(1, "insert_message", Side::Before, TestFault::Fails);
        let mut body = text();
        body["mode"] = json!(mode);
        let refused = app.send(body).await.expect(503);
        assert_eq!(refused.code(), "store_unavailable");
        assert!(refused.number("retry-after") >= 1);
    }
    faults.add(1, "insert_message", Side::Before, TestFault::Fails);
    let batch = json!({"messages": [text(), text(), text()]});
    let response = app.post("/api/messages/batch", &batch).await.expect(202);
    let results = response.data()["results"].as_array().unwrap();
    let refused: Vec<_> = results.iter().filter(|result| result["code"] == "store_unavailable").collect();
    assert_eq!(refused.len(), 1, "{:#}", response.body);
    assert_eq!(n_messages(&app).await, 2);
    app.tick_queue().await;
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 2);

    faults.add(1, "insert_message", Side::Before, TestFault::Fails);
    send_with(&app, "k").await.expect(503);
    let response = send_with(&app, "k").await.expect(200);
    assert!(!response.headers.contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn a_message_that_was_not_accepted_uses_no_send_slot() {
    let (app, faults) = app_with_faults().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(10_000), Some(10_000))).await;
    let send = async || app.request_as(&key, "POST", "/api/messages/send", text().to_string()).await;
    // Meta allows a burst of 45 messages to one recipient.
    faults.add(50, "insert_message", Side::Before, TestFault::Fails);
    for _ in 0..50 {
        send().await.expect(503);
    }
    for _ in 0..25 {
        send().await.expect(200);
    }
}

#[tokio::test]
async fn a_message_whose_facts_cannot_be_read_is_not_sent() {
    let (app, faults) = app_with_faults().await;
    faults.add(1, "get_idempotency_record", Side::Before, TestFault::Fails);
    assert_eq!(send_with(&app, "k").await.expect(503).code(), "store_unavailable");
    let template = json!({"to": CUSTOMER, "type": "template", "client_reference": "it",
        "template": {"name": "hello_world", "language": "en_US"}});
    for call in ["get_template", "sync_templates", "get_revision"] {
        faults.add(1, call, Side::Before, TestFault::Fails);
        assert_eq!(app.send(template.clone()).await.expect(503).code(), "store_unavailable", "{call}");
    }
    assert_eq!((n_messages(&app).await, app.n_accepted()), (json!(0), 0));
    app.send(template).await.expect(200);
    send_with(&app, "k").await.expect(200);
}

#[tokio::test]
async fn a_second_attempt_that_cannot_start_is_not_made() {
    let (app, faults) = app_with_faults().await;
    refuse_once(&app, 130_429);
    faults.add(1, "begin_attempt", Side::Before, TestFault::Fails);
    assert_eq!(send_with(&app, "k").await.expect(503).code(), "store_unavailable");
    assert_eq!(app.n_accepted(), 0);
    let failed = app.get("/api/messages?status=failed").await;
    assert_eq!(failed.data()["messages"][0]["error"]["code"], "store_unavailable");
    // The message was not sent, so that the key can be used again.
    send_with(&app, "k").await.expect(200);

    // The failure cannot be stored either: another process does not know that the message was not sent.
    refuse_once(&app, 130_429);
    faults.add(1, "begin_attempt", Side::Before, TestFault::Fails);
    faults.add(1, "finish_attempt", Side::After, TestFault::Fails);
    let response = send_with(&app, "l").await.expect(202);
    assert_eq!(response.data()["status"], "unknown");
    app.finish_tasks().await;
    assert_eq!(app.message(response.data()["id"].as_str().unwrap()).await["status"], "failed");
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_failure_that_cannot_be_requeued_is_final_and_not_retryable() {
    let (app, faults) = app_with_faults().await;
    refuse_once(&app, 131_000);
    faults.add(1, "finish_attempt", Side::Before, TestFault::Fails);
    let response = send_with(&app, "k").await.expect(202);
    assert_eq!(response.data()["status"], "unknown");
    app.finish_tasks().await;
    assert_eq!(app.message(response.data()["id"].as_str().unwrap()).await["status"], "failed");
    assert_eq!(send_with(&app, "k").await.expect(202).body, response.body);
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_panic_during_a_send_is_unknown_and_is_recovered_by_the_next_round() {
    let (app, faults) = app_with_faults().await;
    for (call, side, n_more) in [
        ("send_message", Side::Before, 0),
        ("send_message", Side::After, 1),
        ("finish_attempt", Side::Before, 1),
        ("finish_attempt", Side::After, 1),
    ] {
        for mode in ["sync", "queue"] {
            let n_accepted = app.n_accepted();
            faults.add(1, call, side, TestFault::Panics);
            let mut body = text();
            body["mode"] = json!(mode);
            let response = app.send(body).await.expect(202);
            let id = response.data()["id"].as_str().unwrap();
            if mode == "sync" {
                assert_eq!(response.data()["status"], "unknown");
            }
            app.tick_queue().await;
            background::tick_recovery(&app.deps).await.unwrap();
            let expected = if (call, side) == ("finish_attempt", Side::After) { "sent" } else { "unknown" };
            assert_eq!(app.message(id).await["status"], expected, "{mode} {call} {side:?}");
            assert_eq!(app.n_accepted(), n_accepted + n_more, "{mode} {call} {side:?}");
            // No work of the message continues later.
            complete_all_work(&app).await;
            assert_invariants(&end_states(&app, "it").await, 1, &format!("{mode} {call} {side:?}"));
        }
    }
}

#[tokio::test]
async fn a_lease_that_cannot_be_released_is_released_by_the_next_round() {
    let (app, faults) = app_with_faults().await;
    faults.add(1, "send_message", Side::Before, TestFault::Panics);
    let response = app.send(text()).await.expect(202);
    faults.add(1, "finish_attempt", Side::Before, TestFault::Fails);
    assert!(background::tick_recovery(&app.deps).await.is_err());
    assert_eq!(app.message(response.data()["id"].as_str().unwrap()).await["status"], "sending");
    assert_eq!(background::tick_recovery(&app.deps).await.unwrap(), 1);
    assert_eq!(app.message(response.data()["id"].as_str().unwrap()).await["status"], "unknown");
}

#[tokio::test]
async fn a_round_of_the_queue_that_fails_loses_nothing() {
    let (app, faults) = app_with_faults().await;
    let mut body = text();
    body["mode"] = json!("queue");
    app.send(body).await.expect(202);
    for call in ["list_queue_depths", "expire_messages", "lease_due_messages"] {
        faults.add(1, call, Side::Before, TestFault::Fails);
        assert!(queue::tick(&app.deps).await.is_err(), "{call}");
        assert_eq!(app.n_accepted(), 0);
    }
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_resend_that_cannot_be_leased_can_be_requested_again() {
    let (app, faults) = app_with_faults().await;
    app.sim.fail(Fault::on("/messages", FaultAction::CutBefore));
    let unknown = app.send(text()).await.expect(202);
    let path = format!("/api/messages/{}/resolve", unknown.data()["id"].as_str().unwrap());
    let resend = json!({"action": "resend"});
    for call in ["get_message", "lease_unknown_message"] {
        faults.add(1, call, Side::Before, TestFault::Fails);
        assert_eq!(app.post(&path, &resend).await.expect(503).code(), "store_unavailable");
        assert_eq!(app.n_accepted(), 0);
    }
    app.post(&path, &resend).await.expect(200);
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_stored_is_requested_again() {
    let (app, faults) = app_with_faults().await;
    let response = app.send(text()).await.expect(200);
    app.sim.step().await;
    let webhook = app.sim.take_webhooks().remove(0);
    let post = async || {
        let mut request = Request::post("/webhooks/meta");
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        app.call(request.body(Body::from(webhook.body.clone())).unwrap()).await
    };
    faults.add(1, "ingest_payload", Side::Before, TestFault::Fails);
    assert!(post().await.expect(503).number("retry-after") >= 1);
    // The payload is stored, but the response is an error.
    faults.add(1, "ingest_payload", Side::After, TestFault::Fails);
    post().await.expect(503);
    post().await.expect(200);
    let message = app.message(response.data()["id"].as_str().unwrap()).await;
    let timeline = message["timeline"].as_array().unwrap();
    assert_eq!(timeline.iter().filter(|entry| entry["source"] == "meta").count(), 1, "{timeline:#?}");
}

#[tokio::test]
async fn a_store_that_rejects_writes_is_not_ready_and_recovers_automatically() {
    let (app, faults) = app_with_faults().await;
    let ready = async || app.call(Request::get("/readyz").body(Body::empty()).unwrap()).await;
    ready().await.expect(200);
    faults.add(1, "check_writable", Side::Before, TestFault::Fails);
    ready().await.expect(503);
    ready().await.expect(200);
}

#[tokio::test]
async fn a_process_that_lost_its_lease_still_stores_metas_response() {
    let (mut app, faults) = app_with_faults().await;
    let (is_there, may_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    faults.add(1, "send_message", Side::After, TestFault::Waits(is_there.clone(), may_go.clone()));
    let (deps, router) = (app.deps.clone(), app.router.clone());
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(tower::ServiceExt::oneshot(router, with_key("k")));
    is_there.notified().await;
    // The heartbeats of this process do not reach the store, and another process uses the same database.
    faults.add(6, "record_heartbeat", Side::Before, TestFault::Fails);
    app.restart().await;
    for _ in 0..6 {
        app.advance(2);
        assert!(background::tick_recovery(&deps).await.is_err());
        background::tick_recovery(&app.deps).await.unwrap();
    }
    let status = async || end_states(&app, "it").await.remove(0).status;
    assert_eq!(status().await, "unknown");
    may_go.notify_one();
    let response = calls.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(status().await, "sent");
    background::tick_recovery(&deps).await.unwrap();
    assert_eq!(status().await, "sent");
    assert_eq!(send_with(&app, "k").await.expect(200).headers["idempotent-replayed"], "true");
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_process_that_lost_its_lease_makes_no_second_attempt() {
    let (mut app, faults) = app_with_faults().await;
    refuse_once(&app, 130_429);
    let (is_there, may_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    faults.add(1, "begin_attempt", Side::Before, TestFault::Waits(is_there.clone(), may_go.clone()));
    let (deps, router) = (app.deps.clone(), app.router.clone());
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(tower::ServiceExt::oneshot(router, with_key("k")));
    app.run_with_clock(is_there.notified()).await;
    app.restart().await;
    app.advance(11);
    background::tick_recovery(&app.deps).await.unwrap();
    assert_eq!(end_states(&app, "it").await.remove(0).status, "failed");
    // The caller repeats the request in the other process: only this message is sent.
    send_with(&app, "k").await.expect(200);
    may_go.notify_one();
    let response = calls.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(response.status(), 202);
    background::tick_recovery(&deps).await.unwrap();
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_a_retryable_error() {
    let (app, faults) = app_with_faults().await;
    let browser = app.browser(Role::Agent).await;
    faults.add(1, "get_session", Side::Before, TestFault::Fails);
    let response = app.browse(&browser, "POST", "/api/messages/send", text().to_string()).await.expect(503);
    assert_eq!((response.code(), response.number("retry-after")), ("store_unavailable", 1));
    app.browse(&browser, "POST", "/api/messages/send", text().to_string()).await.expect(200);
    // A login that the store could not check does not count as failed.
    let login = || json!({"email": "agent@example.com", "password": PASSWORD});
    for call in ["get_user_credentials", "insert_session"] {
        for _ in 0..6 {
            faults.add(1, call, Side::Before, TestFault::Fails);
            app.try_login(login(), "203.0.113.7").await.expect(503);
        }
    }
    app.try_login(login(), "203.0.113.7").await.expect(200);
}

#[tokio::test]
async fn a_change_that_cannot_be_stored_is_an_error_and_changes_nothing() {
    let (app, faults) = app_with_faults().await;
    let change = json!({"name": "desk", "verify_token": null}).to_string();
    faults.add(1, "update_account", Side::Before, TestFault::Fails);
    let failed = app.request("PUT", "/api/accounts/sandbox", change.clone()).await.expect(503);
    assert_eq!(failed.code(), "store_unavailable");
    app.get("/api/accounts/sandbox").await.expect(200);
    app.request("PUT", "/api/accounts/sandbox", change).await.expect(200);
    faults.add(1, "delete_account", Side::Before, TestFault::Fails);
    app.request("DELETE", "/api/accounts/desk", "").await.expect(503);
    app.get("/api/accounts/desk").await.expect(200);
    let new = json!({"name": "x", "phone_number_id": "1", "waba_id": "2", "access_token": "t"});
    faults.add(1, "insert_account", Side::Before, TestFault::Fails);
    app.post("/api/accounts", &new).await.expect(503);
    app.post("/api/accounts", &new).await.expect(201);
}

#[tokio::test]
async fn a_template_that_was_created_at_meta_but_not_stored_appears_with_the_next_sync() {
    let (app, faults) = app_with_faults().await;
    let template = json!({"name": "late", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "It is late."}]});
    faults.add(1, "sync_templates", Side::Before, TestFault::Fails);
    app.post("/api/templates", &template).await.expect(503);
    assert_eq!(app.post("/api/templates", &template).await.expect(400).code(), "meta_error");
    let listed = async || app.get("/api/templates?name=late").await.data()["templates"].clone();
    assert_eq!(listed().await, json!([]));
    app.post("/api/templates/sync", &json!({"whatsapp_account": "sandbox"})).await.expect(200);
    let id = listed().await[0]["id"].as_str().unwrap().to_owned();
    faults.add(1, "delete_templates", Side::Before, TestFault::Fails);
    app.request("DELETE", &format!("/api/templates/{id}"), "").await.expect(503);
    app.advance(1);
    app.post("/api/templates/sync", &json!({"whatsapp_account": "sandbox"})).await.expect(200);
    assert_eq!(listed().await, json!([]));
}

#[tokio::test]
async fn a_rejection_of_the_old_token_does_not_suspend_an_account_with_a_new_token() {
    let (app, faults) = app_with_faults().await;
    let second = "EAAsecond-token";
    let old = app.seeded.access_token.clone();
    let copy = TokenChange { access_token: second.into(), like: Some(old.clone()), ..TokenChange::default() };
    app.sim.change_token(&copy).unwrap();
    let (is_there, may_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    faults.add(1, "send_message", Side::Before, TestFault::Waits(is_there.clone(), may_go.clone()));
    let body = text();
    let send = app.post("/api/messages/send", &body);
    let replace = async {
        is_there.notified().await;
        let body = json!({"access_token": second}).to_string();
        app.request("PUT", "/api/accounts/sandbox", body).await.expect(200);
        let revoked = TokenChange { access_token: old, is_valid: Some(false), ..TokenChange::default() };
        app.sim.change_token(&revoked).unwrap();
        may_go.notify_one();
    };
    let (response, ()) = app.run_with_clock(async { tokio::join!(send, replace) }).await;
    assert_eq!(response.expect(503).code(), "account_disconnected");
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
    app.send(text()).await.expect(200);
}

#[tokio::test]
async fn a_new_token_also_ends_a_suspension_that_was_never_stored() {
    let (app, faults) = app_with_faults().await;
    let second = "EAAsecond-token";
    let old = app.seeded.access_token.clone();
    let copy = TokenChange { access_token: second.into(), like: Some(old.clone()), ..TokenChange::default() };
    app.sim.change_token(&copy).unwrap();
    let revoked = TokenChange { access_token: old, is_valid: Some(false), ..TokenChange::default() };
    app.sim.change_token(&revoked).unwrap();
    faults.add(1, "update_account_suspension", Side::Before, TestFault::Fails);
    app.send(text()).await.expect(503);
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
    assert_eq!(app.send(text()).await.expect(503).code(), "account_disconnected");
    let body = json!({"access_token": second}).to_string();
    app.request("PUT", "/api/accounts/sandbox", body).await.expect(200);
    app.send(text()).await.expect(200);
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
}

#[tokio::test]
async fn an_account_whose_queue_cannot_be_leased_does_not_stop_other_accounts() {
    let (app, faults) = app_with_faults().await;
    app.add_second_account().await;
    for account in ["sandbox", "clinic"] {
        let body = json!({"to": NEW_RECIPIENT, "type": "template", "mode": "queue", "whatsapp_account": account,
            "template": {"name": "hello_world", "language": "en_US"}});
        app.send(body).await.expect(202);
    }
    for fault in [TestFault::Fails, TestFault::Panics] {
        let n_accepted = app.n_accepted();
        // The accounts are processed in order: the first one has the fault.
        faults.add(1, "lease_due_messages", Side::Before, fault);
        assert!(queue::tick(&app.deps).await.is_err());
        app.finish_tasks().await;
        assert_eq!(app.n_accepted(), n_accepted + 1);
        let body = json!({"to": NEW_RECIPIENT, "type": "template", "mode": "queue", "whatsapp_account": "clinic",
            "template": {"name": "hello_world", "language": "en_US"}});
        app.send(body).await.expect(202);
        app.advance(6);
    }
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 4);
}

#[tokio::test]
async fn a_stale_directory_does_not_restore_a_revoked_key() {
    let mut app = TestApp::new().await;
    let other = app.deps.clone();
    let faults = Arc::new(FaultTable::default());
    let guard = faults.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    let key = app.key(|new| new.name = "leaked".to_owned()).await;
    let keys = app.get("/api/api-keys?search=leaked").await.expect(200);
    let path = format!("/api/api-keys/{}", keys.data()["api_keys"][0]["id"].as_str().unwrap());
    app.request_as(&key, "GET", "/api/me", "").await.expect(200);
    // Another process changes the directory while this process starts to read it.
    engine::workspace::create_workspace(&other, &engine::AuditContext::command_line(), "clinic")
        .await
        .unwrap();
    let (is_there, may_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    faults.add(1, "get_directory", Side::After, TestFault::Waits(is_there.clone(), may_go.clone()));
    let deps = app.deps.clone();
    let mut looking = tokio::task::JoinSet::new();
    looking.spawn(async move { background::tick_directory(&deps).await });
    is_there.notified().await;
    app.request("DELETE", &path, "").await.expect(204);
    app.request_as(&key, "GET", "/api/me", "").await.expect(401);
    may_go.notify_one();
    looking.join_next().await.unwrap().unwrap().unwrap();
    app.request_as(&key, "GET", "/api/me", "").await.expect(401);
}
