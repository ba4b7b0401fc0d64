//! Outcomes of a send to Meta, and the responses to the caller.

use domain::meta_error::TABLE;
use engine::background;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::support::{CUSTOMER, TestApp};

/// Returns a fault of the next send.
fn fault(action: FaultAction) -> Fault {
    Fault::on("/messages", action)
}

fn response(status: u16, body: Value) -> FaultAction {
    FaultAction::Status(FaultAnswer { status: Some(status), body: Some(body), ..FaultAnswer::default() })
}

async fn status_of(app: &TestApp, id: &Value) -> String {
    app.message(id.as_str().unwrap()).await["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_response_is_unknown_and_is_resolved_by_the_status() {
    let app = TestApp::new().await;
    app.sim.fail(fault(FaultAction::CutAfter));
    let response = app.send_text(CUSTOMER).await.expect(202);
    assert_eq!(response.data()["status"], "unknown");
    assert_eq!(response.data()["message_id"], response.data()["id"]);
    assert_eq!(status_of(&app, &response.data()["id"]).await, "unknown");
    assert_eq!(app.get("/api/messages?status=unknown").await.data()["total"], 1);
    app.step().await;
    let message = app.message(response.data()["id"].as_str().unwrap()).await;
    assert_eq!(message["status"], "read");
    assert!(message["message_id"].as_str().unwrap().starts_with("wamid."));
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_dropped_request_stays_unknown() {
    let app = TestApp::new().await;
    app.sim.fail(fault(FaultAction::CutBefore));
    let response = app.send_text(CUSTOMER).await.expect(202);
    app.step().await;
    assert_eq!(status_of(&app, &response.data()["id"]).await, "unknown");
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn ambiguous_responses_are_unknown() {
    let app = TestApp::new().await;
    for (status, body) in [
        (200, json!({})),
        (200, json!({"messages": []})),
        (500, json!({"oops": true})),
        (502, json!("Bad Gateway")),
        (500, json!({"error": {"message": "x", "code": 1, "type": "OAuthException"}})),
        (503, json!({"error": {"message": "x", "code": 2, "type": "OAuthException"}})),
    ] {
        app.sim.fail(fault(response(status, body.clone())));
        let response = app.send_text(CUSTOMER).await.expect(202);
        assert_eq!(response.data()["status"], "unknown", "{status} {body}");
    }
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn connection_errors_are_not_sent() {
    let app = TestApp::new().await;
    for (status, expected, code) in
        [(302, 503, "meta_unavailable"), (403, 503, "meta_unavailable"), (429, 429, "meta_rate_limited")]
    {
        app.sim.fail(Fault { times: 1000, ..fault(response(status, json!("no"))) });
        let response = app.send_text(CUSTOMER).await.expect(expected);
        assert_eq!(response.code(), code);
        assert!(response.number("retry-after") >= 1);
        app.clear_faults().await;
    }
    let failed = app.get("/api/messages?status=failed").await;
    assert_eq!(failed.data()["total"], 3);
    assert_eq!(app.n_accepted(), 0);
}

/// Returns the body of a rejection by Meta.
fn refusal(code: i64, title: &str) -> Value {
    json!({"error": {"message": format!("(#{code}) {title}"), "code": code, "type": "OAuthException",
        "fbtrace_id": "AbC", "error_data": {"messaging_product": "whatsapp", "details": "the details"}}})
}

#[tokio::test]
async fn each_error_code_of_meta_has_its_response() {
    use domain::meta_error::MetaErrorClass;
    let app = TestApp::new().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(1_000_000), Some(1_000_000))).await;
    let mut n_limits_ended = 0;
    for (i, entry) in TABLE.iter().enumerate() {
        // Each code has its own recipient, so that one code does not affect the next.
        let to = format!("+447700900{i:03}");
        app.customer_writes(&to, "Hi").await;
        app.sim.fail(Fault { times: 1000, ..fault(response(400, refusal(entry.code, entry.title))) });
        let send = json!({"to": to, "type": "text", "text": "Hi"}).to_string();
        let before = app.deps.now();
        let received = app.run_with_clock(app.request_as(&key, "POST", "/api/messages/send", send)).await;
        let waited = app.deps.now().duration_since(before);
        let (status, code) = match entry.class {
            MetaErrorClass::Retry => (503, "meta_unavailable"),
            MetaErrorClass::ThrottleNumber
            | MetaErrorClass::ThrottlePair
            | MetaErrorClass::ThrottleSpam
            | MetaErrorClass::RetryLater => (429, "meta_rate_limited"),
            MetaErrorClass::SuspendAccount => (503, "account_disconnected"),
            MetaErrorClass::PauseTemplate
            | MetaErrorClass::OptOut
            | MetaErrorClass::LimitMarketing
            | MetaErrorClass::WindowClosed
            | MetaErrorClass::Permanent => (400, "meta_error"),
        };
        assert_eq!(
            (received.status.as_u16(), received.code()),
            (status, code),
            "{}: {:#}",
            entry.code,
            received.body
        );
        let meta = &received.body["details"]["meta"];
        assert_eq!((&meta["code"], &meta["fbtrace_id"]), (&json!(entry.code), &json!("AbC")));
        assert!(received.body["message"].as_str().unwrap().contains(entry.advice), "{:#}", received.body);
        assert!(waited <= jiff::SignedDuration::from_secs(5), "{}: {waited}", entry.code);
        let message =
            app.get("/api/messages?direction=outbound&per_page=1").await.data()["messages"][0].clone();
        let detail = app.message(message["id"].as_str().unwrap()).await;
        let n_put_back =
            detail["timeline"].as_array().unwrap().iter().filter(|entry| entry["status"] == "queued").count();
        let may_repeat = matches!(
            entry.class,
            MetaErrorClass::Retry | MetaErrorClass::ThrottleNumber | MetaErrorClass::ThrottlePair
        );
        assert_eq!(n_put_back > 0, may_repeat, "{}: {detail:#}", entry.code);
        if entry.class == MetaErrorClass::ThrottleSpam {
            // An accepted message ends the limit.
            app.clear_faults().await;
            app.advance(60);
            app.send(json!({"to": to, "type": "text", "text": "Hi"})).await.expect(200);
            n_limits_ended += 1;
        }
        if entry.class == MetaErrorClass::SuspendAccount {
            let account = app.get("/api/accounts/sandbox").await;
            assert_eq!(account.data()["status"], "held");
            app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
        }
        app.clear_faults().await;
        // The number sends at its full rate again.
        app.advance(60);
    }
    assert_eq!(app.n_accepted(), n_limits_ended);
}

#[tokio::test]
async fn a_transient_error_of_meta_is_retried() {
    let app = TestApp::new().await;
    for body in [refusal(131_000, "Something went wrong"), refusal(130_429, "Rate limit hit")] {
        app.sim.fail(Fault { times: 2, ..fault(response(500, body)) });
        let response = app.send_text(CUSTOMER).await.expect(200);
        let message = app.message(response.data()["id"].as_str().unwrap()).await;
        let accepted_message = app.accepted_message(app.n_accepted() - 1);
        let id = response.data()["id"].as_str().unwrap();
        assert_eq!(accepted_message["biz_opaque_callback_data"], format!("{id}:3"));
        let steps: Vec<_> =
            message["timeline"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
        assert_eq!(steps, ["sending", "queued", "queued", "sent"]);
        app.advance(60);
    }
    assert_eq!(app.n_accepted(), 2);
}

#[tokio::test]
async fn an_unknown_outcome_is_resent_only_on_request_and_once() {
    let app = TestApp::new().await;
    let body = || json!({"to": CUSTOMER, "type": "text", "text": "Hi", "on_unknown": "resend"});
    app.sim.fail(fault(FaultAction::CutBefore));
    let response = app.send(body()).await.expect(200);
    assert_eq!(app.n_accepted(), 1);
    let id = response.data()["id"].as_str().unwrap();
    assert_eq!(app.accepted_message(0)["biz_opaque_callback_data"], format!("{id}:2"));
    app.sim.fail(Fault { times: 2, ..fault(FaultAction::CutBefore) });
    app.send(body()).await.expect(202);
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn after_an_unknown_outcome_no_error_claims_that_nothing_was_sent() {
    let app = TestApp::new().await;
    for mode in ["sync", "queue"] {
        for code in [131_000, 131_026, 130_429, 190] {
            let before = app.n_accepted();
            app.sim.fail(fault(FaultAction::CutAfter));
            app.sim.fail(fault(response(400, refusal(code, "Refused"))));
            let body =
                json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": mode, "on_unknown": "resend"});
            let response = app.send(body).await.expect(202);
            app.tick_queue().await;
            let id = response.data()["id"].clone();
            assert_eq!(status_of(&app, &id).await, "unknown", "{mode} {code}");
            assert_eq!(app.n_accepted() - before, 1);
            app.clear_faults().await;
            let path = format!("/api/messages/{}/resolve", id.as_str().unwrap());
            if code == 190 {
                app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
            }
            app.post(&path, &json!({"action": "resend"})).await.expect(409);
            app.step().await;
            assert_eq!(status_of(&app, &id).await, "read", "{mode} {code}");
            app.advance(60);
        }
    }
}

#[tokio::test]
async fn an_unknown_message_can_be_resolved_manually() {
    let app = TestApp::new().await;
    let unknown = || async {
        app.sim.fail(fault(FaultAction::CutBefore));
        app.send_text(CUSTOMER).await.expect(202).data()["id"].as_str().unwrap().to_owned()
    };
    let given_up = unknown().await;
    let path = |id: &str| format!("/api/messages/{id}/resolve");
    let response = app.post(&path(&given_up), &json!({"action": "fail"})).await.expect(200);
    assert_eq!(
        (&response.data()["status"], &response.data()["error"]["code"]),
        (&json!("failed"), &json!("given_up"))
    );
    let response = app.post(&path(&given_up), &json!({"action": "resend"})).await.expect(409);
    assert_eq!(response.code(), "not_resolvable");

    let resent = unknown().await;
    let response =
        app.run_with_clock(app.post(&path(&resent), &json!({"action": "resend"}))).await.expect(200);
    assert_eq!(response.data()["status"], "sent");
    assert_eq!(app.n_accepted(), 1);
    app.post(&path(&resent), &json!({"action": "resend"})).await.expect(409);
    app.post(&path(&resent), &json!({"action": "again"})).await.expect(400);

    // A resend with an unknown outcome cannot be repeated either.
    let twice = unknown().await;
    app.sim.fail(fault(FaultAction::CutBefore));
    let response =
        app.run_with_clock(app.post(&path(&twice), &json!({"action": "resend"}))).await.expect(200);
    assert_eq!(response.data()["status"], "unknown");
    app.post(&path(&twice), &json!({"action": "resend"})).await.expect(409);
}

#[tokio::test]
async fn a_held_account_sends_nothing_until_it_is_resumed() {
    let app = TestApp::new().await;
    app.customer_writes("+15550100190", "Hi").await;
    let refused = app.send_text("+15550100190").await.expect(503);
    assert_eq!(refused.code(), "account_disconnected");
    let response = app.send_text(CUSTOMER).await.expect(503);
    assert_eq!(response.code(), "account_disconnected");
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 1);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.send_text(CUSTOMER).await.expect(200);
}

#[tokio::test]
async fn a_message_can_fail_after_it_was_accepted() {
    let app = TestApp::new().await;
    for (number, code) in [
        ("+15550101026", 131_026),
        ("+15550101049", 131_049),
        ("+15550101053", 131_053),
        ("+15550101047", 131_047),
    ] {
        app.customer_writes(number, "Hi").await;
        let response = app.send_text(number).await.expect(200);
        app.step().await;
        let message = app.message(response.data()["id"].as_str().unwrap()).await;
        assert_eq!((&message["status"], &message["error"]["code"]), (&json!("failed"), &json!(code)));
    }
    let response = app.send_text("+15550101047").await.expect(400);
    assert_eq!(response.code(), "outside_window");
    // The customer writes in the same second, and the window is open.
    app.customer_writes("+15550101047", "I am still here").await;
    app.send_text("+15550101047").await.expect(200);
}

#[tokio::test]
async fn magic_numbers_have_their_documented_status() {
    let app = TestApp::new().await;
    for (number, status) in
        [("+15550100001", "read"), ("+15550100002", "delivered"), ("+15550100003", "sent")]
    {
        app.customer_writes(number, "Hi").await;
        let response = app.send_text(number).await.expect(200);
        app.step().await;
        assert_eq!(status_of(&app, &response.data()["id"]).await, status);
    }
}

#[tokio::test]
async fn a_message_in_flight_during_a_crash_is_unknown_after_the_restart() {
    let mut app = TestApp::new().await;
    // Meta never responds; the caller's connection and the process end.
    app.sim.fail(fault(FaultAction::Delay(std::time::Duration::from_secs(3600))));
    let (deps, router) = (app.deps.clone(), app.router.clone());
    let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
    let request = axum::http::Request::post("/api/messages/send")
        .header("X-API-Key", engine::access::api_key::DEV_KEY)
        .body(axum::body::Body::from(body))
        .unwrap();
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(tower::ServiceExt::oneshot(router, request));
    while app.n_accepted() == 0 {
        tokio::task::yield_now().await;
    }
    calls.abort_all();
    let found = app.get("/api/messages?status=sending").await;
    assert_eq!(found.data()["total"], 1);
    let id = found.data()["messages"][0]["id"].clone();

    app.restart().await;
    background::tick_recovery(&app.deps).await.unwrap();
    assert_eq!(status_of(&app, &id).await, "sending");
    app.advance(11);
    background::tick_recovery(&app.deps).await.unwrap();
    assert_eq!(status_of(&app, &id).await, "unknown");
    app.step().await;
    assert_eq!(status_of(&app, &id).await, "read");
    drop(deps);
}
