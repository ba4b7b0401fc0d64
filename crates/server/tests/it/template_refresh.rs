//! Outdated templates in the store: Meta is asked before a send is refused because of its template, and templates are
//! synchronized in the background.

use axum::body::Body;
use axum::http::Request;
use engine::background;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, Review};
use tower::ServiceExt;

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, TestResponse};

const LIST: &str = "/message_templates";

/// Faults that only count.
const UNLIMITED: u32 = 1_000_000;

fn template(name: &str, language: &str, n_parameters: usize) -> Value {
    let texts: Vec<_> = (0..n_parameters).map(|n| json!({"type": "text", "text": n.to_string()})).collect();
    let mut template = json!({"name": name, "language": language});
    if n_parameters > 0 {
        template["components"] = json!([{"type": "body", "parameters": texts}]);
    }
    template
}

fn send_body(template: &Value) -> Value {
    json!({"to": NEW_RECIPIENT, "type": "template", "template": template})
}

async fn send(app: &TestApp, name: &str, n_parameters: usize) -> TestResponse {
    app.send(send_body(&template(name, "en", n_parameters))).await
}

/// Adds a template at Meta. Returns Meta's id.
fn add(app: &TestApp, name: &str, language: &str, status: &str) -> String {
    let template = json!({"name": name, "language": language, "category": "UTILITY", "components": [
        {"type": "BODY", "text": "Dear {{1}}, your order is on its way.", "example": {"body_text": [["Ann"]]}}]});
    app.sim.add_template(None, template.as_object().unwrap(), status).unwrap()
}

/// Changes a template at Meta. The webhook is lost.
fn review(app: &TestApp, id: &str, status: &str) {
    let review = Review { status: Some(status.to_owned()), ..Review::default() };
    app.sim.review(id, &review).unwrap().unwrap();
    drop(app.sim.take_webhooks());
}

async fn sync(app: &TestApp) {
    app.post("/api/templates/sync", &json!({})).await.expect(200);
}

/// Lets the simulator count the calls that list templates.
fn count_lists(app: &TestApp) {
    let fault = Fault::on(LIST, FaultAction::Delay(std::time::Duration::ZERO));
    app.sim.fail(Fault { times: UNLIMITED, method: Some("GET".to_owned()), ..fault });
}

/// Returns the number of calls since [`count_lists`] that listed templates.
async fn n_lists(app: &TestApp) -> u64 {
    let request = Request::get("/_sim/faults").header("Host", "127.0.0.1").body(Body::empty()).unwrap();
    let response = app.sim.router().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let faults: Value = serde_json::from_slice(&body).unwrap();
    let counting = faults.as_array().unwrap().iter().find(|fault| fault["action"] == "delay").unwrap();
    u64::from(UNLIMITED) - counting["times_left"].as_u64().unwrap()
}

fn refuse_lists(app: &TestApp, times: u32, answer: FaultAnswer) {
    let fault = Fault::on(LIST, FaultAction::Status(answer));
    app.sim.fail(Fault { times, method: Some("GET".to_owned()), ..fault });
}

#[tokio::test]
async fn a_template_that_meta_has_approved_since_is_sent() {
    let app = TestApp::new().await;
    let id = add(&app, "pend", "en", "PENDING");
    sync(&app).await;
    count_lists(&app);
    assert_eq!(send(&app, "pend", 1).await.expect(400).code(), "template_not_approved");
    assert_eq!(n_lists(&app).await, 1);
    review(&app, &id, "APPROVED");
    app.advance(59);
    assert_eq!(send(&app, "pend", 1).await.expect(400).code(), "template_not_approved");
    assert_eq!(n_lists(&app).await, 1);
    app.advance(1);
    send(&app, "pend", 1).await.expect(200);
    assert_eq!(n_lists(&app).await, 2);
    // The webhook was lost; the change is an event all the same.
    let events = app.events_of_kind("template.status").await;
    assert_eq!((&events[0]["name"], &events[0]["status"]), (&json!("pend"), &json!("APPROVED")));
    // An approved template causes no lookup.
    app.advance(3_600);
    send(&app, "pend", 1).await.expect(200);
    assert_eq!(n_lists(&app).await, 2);
}

#[tokio::test]
async fn parameters_that_were_added_at_meta_are_accepted() {
    let app = TestApp::new().await;
    let id = add(&app, "edited", "en", "APPROVED");
    sync(&app).await;
    let change = json!({"components": [{"type": "BODY", "text": "Dear {{1}}, order {{2}} is on its way to you.",
        "example": {"body_text": [["Ann", "7"]]}}]});
    let request = Request::post(format!("/v24.0/{id}"))
        .header("Authorization", format!("Bearer {}", app.seeded.access_token))
        .header("Content-Type", "application/json")
        .body(Body::from(change.to_string()))
        .unwrap();
    assert_eq!(app.sim.router().oneshot(request).await.unwrap().status(), 200);
    review(&app, &id, "APPROVED");
    send(&app, "edited", 2).await.expect(200);
    let response = send(&app, "edited", 1).await.expect(400);
    assert_eq!(response.code(), "template_parameters");
}

#[tokio::test]
async fn a_template_that_was_paused_once_is_looked_up_before_it_is_refused_again() {
    let app = TestApp::new().await;
    add(&app, "hello", "en", "APPROVED");
    sync(&app).await;
    let refusal = FaultAnswer { code: Some(132_015), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(refusal)));
    assert_eq!(send(&app, "hello", 1).await.expect(400).code(), "meta_error");
    send(&app, "hello", 1).await.expect(200);
}

#[tokio::test]
async fn a_caller_with_a_wrong_template_causes_one_lookup_per_minute_and_name() {
    let app = TestApp::new().await;
    add(&app, "hello", "en", "APPROVED");
    sync(&app).await;
    count_lists(&app);
    let wrong = template("hello", "en", 3);
    let sends = std::iter::repeat_with(|| app.send(send_body(&wrong))).take(8);
    for response in futures_util::future::join_all(sends).await {
        assert_eq!(response.expect(400).code(), "template_parameters");
    }
    assert_eq!(n_lists(&app).await, 1);
    for minute in 1..4 {
        // Another language has the same name, and a batch and a dry run are sends.
        assert_eq!(
            app.send(send_body(&template("hello", "pt_BR", 1))).await.expect(404).code(),
            "template_not_found"
        );
        let mut dry_run = send_body(&wrong);
        dry_run["dry_run"] = json!(true);
        app.send(dry_run).await.expect(200);
        let batch = json!({"messages": std::iter::repeat_n(send_body(&wrong), 20).collect::<Vec<_>>()});
        app.post("/api/messages/batch", &batch).await;
        assert_eq!(n_lists(&app).await, minute);
        app.advance(60);
    }
    // Other names are not affected.
    app.send(send_body(&template("bonjour", "en", 0))).await.expect(404);
    assert_eq!(n_lists(&app).await, 4);
}

#[tokio::test]
async fn each_kind_of_send_is_decided_with_the_fresh_template() {
    let app = TestApp::new().await;
    let ids = ["one", "two", "three", "four", "five"].map(|name| add(&app, name, "en", "PENDING"));
    sync(&app).await;
    for id in &ids {
        review(&app, id, "APPROVED");
    }
    let fallback = json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi", "fallback_template": template("one", "en", 1)});
    assert_eq!(app.send(fallback).await.expect(200).data()["sent_as"], "template");
    let mut dry_run = send_body(&template("two", "en", 1));
    dry_run["dry_run"] = json!(true);
    assert_eq!(app.send(dry_run).await.expect(200).data()["would_send"], true);
    let fallback = json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi", "dry_run": true,
        "fallback_template": template("three", "en", 1)});
    assert_eq!(app.send(fallback).await.expect(200).data()["would_send"], true);
    let batch = json!({"messages": [send_body(&template("four", "en", 1))]});
    let batch = app.post("/api/messages/batch", &batch).await.expect(202);
    assert_eq!(batch.data()["results"][0]["status"], "queued");
    let v1 = send_body(&template("five", "en", 1)).to_string();
    app.run_with_clock(app.request("POST", "/v1/messages", v1)).await.expect(200);
}

#[tokio::test]
async fn a_language_that_was_added_at_meta_is_found() {
    let app = TestApp::new().await;
    add(&app, "hello", "en", "APPROVED");
    sync(&app).await;
    add(&app, "hello", "fr", "APPROVED");
    app.send(send_body(&template("hello", "fr", 1))).await.expect(200);
}

#[tokio::test]
async fn the_error_names_the_languages_and_similar_names() {
    let app = TestApp::new().await;
    add(&app, "order_update", "en", "APPROVED");
    add(&app, "order_update", "de", "APPROVED");
    add(&app, "order_updates", "en", "APPROVED");
    sync(&app).await;
    let response = app.send(send_body(&template("order_update", "fr", 1))).await.expect(404);
    let details = &response.body["details"];
    assert_eq!(details["languages"], json!(["de", "en"]));
    assert_eq!(details["similar_names"], json!(["order_updates"]));
    let message = response.body["message"].as_str().unwrap();
    assert!(message.contains("exists in `de`, `en`. Similar names: `order_updates`."), "{message}");
    let response = app.send(send_body(&template("ordr_update", "en", 1))).await.expect(404);
    let details = &response.body["details"];
    assert_eq!((&details["languages"], &details["similar_names"][0]), (&json!([]), &json!("order_update")));
    let response = app.send(send_body(&template("nothing_like_it", "en", 1))).await.expect(404);
    assert_eq!(response.body["details"]["similar_names"], json!([]));
}

#[tokio::test]
async fn the_remembered_template_decides_if_meta_cannot_be_asked() {
    let app = TestApp::new().await;
    let id = add(&app, "pend", "en", "PENDING");
    sync(&app).await;
    review(&app, &id, "APPROVED");
    for answer in [
        FaultAnswer { status: Some(502), body: Some(json!("no")), ..FaultAnswer::default() },
        FaultAnswer { code: Some(190), ..FaultAnswer::default() },
        FaultAnswer { code: Some(131_000), ..FaultAnswer::default() },
    ] {
        refuse_lists(&app, 1, answer);
        for _ in 0..3 {
            // A failed lookup is not repeated within the minute either.
            assert_eq!(send(&app, "pend", 1).await.expect(400).code(), "template_not_approved");
        }
        app.advance(60);
    }
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
    send(&app, "pend", 1).await.expect(200);
}

#[tokio::test]
async fn a_template_that_was_deleted_at_meta_is_not_found() {
    let app = TestApp::new().await;
    let id = add(&app, "old", "en", "REJECTED");
    sync(&app).await;
    assert_eq!(send(&app, "old", 1).await.expect(400).code(), "template_not_approved");
    let path = format!("/v24.0/{}/message_templates?name=old&hsm_id={id}", app.seeded.waba_id);
    let request = Request::delete(path)
        .header("Authorization", format!("Bearer {}", app.seeded.access_token))
        .body(Body::empty())
        .unwrap();
    assert_eq!(app.sim.router().oneshot(request).await.unwrap().status(), 200);
    drop(app.sim.take_webhooks());
    app.advance(11 * 60);
    assert_eq!(send(&app, "old", 1).await.expect(404).code(), "template_not_found");
    assert_eq!(app.get("/api/templates?name=old").await.data()["total"], 0);
}

#[tokio::test]
async fn a_rate_limit_of_the_business_account_stops_lookups_until_its_end() {
    let app = TestApp::new().await;
    let usage = json!({app.seeded.waba_id.clone(): [{"type": "whatsapp", "call_count": 100, "total_cputime": 25,
        "total_time": 25, "estimated_time_to_regain_access": 7}]});
    let limited = FaultAnswer {
        code: Some(80_008),
        headers: [("x-business-use-case-usage".to_owned(), usage.to_string())].into(),
        ..FaultAnswer::default()
    };
    refuse_lists(&app, 1, limited);
    let first = app.send(send_body(&template("hello_world", "en_US", 0))).await.expect(429);
    assert_eq!((first.code(), first.number("retry-after")), ("meta_rate_limited", 420));
    app.advance(120);
    count_lists(&app);
    let second = app.send(send_body(&template("order_confirmation", "en", 2))).await.expect(429);
    assert_eq!(second.number("retry-after"), 300);
    assert_eq!(n_lists(&app).await, 0);
    app.advance(300);
    app.send(send_body(&template("order_confirmation", "en", 2))).await.expect(200);
    app.send(send_body(&template("hello_world", "en_US", 0))).await.expect(200);
}

#[tokio::test]
async fn templates_are_synchronized_in_the_background() {
    let app = TestApp::new().await;
    count_lists(&app);
    let shown = async |name: &str| {
        let listed = app.get(&format!("/api/templates?name={name}")).await;
        listed.data()["templates"][0]["status"].as_str().map(str::to_owned)
    };
    // The templates of a new account are read at once.
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 1);
    assert_eq!(shown("hello_world").await.as_deref(), Some("APPROVED"));
    let id = add(&app, "later", "en", "PENDING");
    let mut n_synced = 0;
    for _ in 0..360 {
        app.advance(60);
        n_synced += background::tick_templates(&app.deps).await.unwrap();
    }
    assert_eq!((n_synced, n_lists(&app).await), (1, 2));
    assert_eq!(shown("later").await.as_deref(), Some("PENDING"));
    review(&app, &id, "APPROVED");
    app.advance(6 * 3_600);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 1);
    assert_eq!(shown("later").await.as_deref(), Some("APPROVED"));
    // Nobody requested it.
    let audit = app.get("/api/audit?per_page=200").await.expect(200);
    assert!(!audit.data().to_string().contains("template.sync"), "{:#}", audit.body);
}

#[tokio::test]
async fn a_restart_does_not_repeat_a_synchronization_and_a_held_account_is_skipped() {
    let mut app = TestApp::new().await;
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    count_lists(&app);
    app.restart().await;
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 0);
    app.customer_writes("+15550100190", "Hi").await;
    app.send_text("+15550100190").await.expect(503);
    app.advance(12 * 3_600);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 0);
    assert_eq!(n_lists(&app).await, 0);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 1);
    assert_eq!(n_lists(&app).await, 1);
}

#[tokio::test]
async fn a_failed_synchronization_is_repeated_and_a_rate_limit_is_respected() {
    let app = TestApp::new().await;
    refuse_lists(
        &app,
        1,
        FaultAnswer { status: Some(502), body: Some(json!("no")), ..FaultAnswer::default() },
    );
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 0);
    app.advance(14 * 60);
    count_lists(&app);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 0);
    assert_eq!(n_lists(&app).await, 0);
    app.clear_faults().await;
    let headers = [("retry-after".to_owned(), "2400".to_owned())].into();
    refuse_lists(&app, 1, FaultAnswer { code: Some(80_007), headers, ..FaultAnswer::default() });
    app.advance(60);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 0);
    app.advance(2_399);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 0);
    app.advance(1);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 1);
}

#[tokio::test]
async fn the_synchronization_can_be_switched_off() {
    let app = TestApp::with(|settings| settings.template_sync_interval = None).await;
    app.advance(7 * 86_400);
    assert_eq!(background::tick_templates(&app.deps).await.unwrap(), 0);
    assert_eq!(app.get("/api/templates").await.data()["total"], 0);
    // A send finds its template all the same.
    app.send(send_body(&template("hello_world", "en_US", 0))).await.expect(200);
    app.customer_writes(CUSTOMER, "Hi").await;
}
