//! Store failures during sends, in the queue, and in webhooks about messages.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use engine::background;
use engine::messages::queue;
use serde_json::json;
use sim::{Fault, FaultAction};
use tokio::sync::Notify;

use super::{Side, TestFault, app_with_faults, n_messages, refuse_once, send_with, text, with_key};
use crate::invariants::{assert_invariants, complete_all_work, end_states};
use crate::support::{CUSTOMER, NEW_RECIPIENT};

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
