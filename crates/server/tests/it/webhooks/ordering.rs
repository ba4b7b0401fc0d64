//! Order of deliveries: later events pass an event that has failed twice, or wait for it.

use serde_json::{Value, json};

use super::{OTHER, URL, add, deliveries, id, texts, webhook};
use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

const DAY: u64 = 86_400;

/// Creates an endpoint for incoming messages with this ordering.
async fn add_with(app: &TestApp, ordering: &str) -> Value {
    add(app, URL, json!({"events": ["message.incoming"], "ordering": ordering})).await
}

async fn write(app: &TestApp, texts: &[&str]) {
    for text in texts {
        app.customer_writes(CUSTOMER, text).await;
    }
}

/// Changes the ordering of an endpoint.
async fn order(app: &TestApp, endpoint: &Value, ordering: &str) {
    let path = format!("/api/webhooks/{}", id(endpoint));
    let changed = app.request("PUT", &path, json!({"ordering": ordering}).to_string()).await.expect(200);
    assert_eq!(changed.data()["ordering"], *ordering);
}

/// Moves the clock and delivers the events that are due then.
async fn deliver_after(app: &TestApp, seconds: u64) {
    app.advance(seconds);
    app.deliver_events().await;
}

#[tokio::test]
async fn later_events_pass_an_event_that_was_refused_twice() {
    let app = TestApp::new().await;
    let endpoint = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    assert_eq!(endpoint["ordering"], "best_effort");
    app.receiver.refuse_texts(&["poison"]);
    write(&app, &["before", "poison", "after", "later"]).await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["before", "poison"]);
    deliver_after(&app, 13).await;
    assert_eq!(texts(&app, URL), ["before", "poison", "poison", "after", "later"]);
    // New events are not delayed either, and the retries continue beside them.
    write(&app, &["new"]).await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL)[5..], ["new"]);
    let row = deliveries(&app, id(&endpoint), "status=failed").await.remove(0);
    assert_eq!(
        (&row["attempt"], &row["http_status"], &row["reason"]),
        (&json!(2), &json!(403), &json!("HTTP 403 Forbidden"))
    );
    assert!(row["next_attempt_at"].is_string());
    deliver_after(&app, 73).await;
    assert_eq!(texts(&app, URL)[6..], ["poison"]);

    // Each event has its place, and each delivery of an event the same bytes.
    let received = app.receiver.received();
    let sequences: Vec<_> = ["before", "poison", "after", "later", "new"]
        .iter()
        .map(|text| {
            let same: Vec<_> = received.iter().filter(|one| one.data()["text"] == **text).collect();
            assert!(same.iter().all(|one| one.text == same[0].text));
            same[0].body["sequence"].as_i64().unwrap()
        })
        .collect();
    assert!(sequences.is_sorted_by(|before, after| before < after), "{sequences:?}");

    // In the end the event is a dead letter.
    for _ in 0..8 {
        deliver_after(&app, DAY / 4).await;
    }
    let dead = deliveries(&app, id(&endpoint), "status=dead").await;
    assert_eq!(
        (dead.len(), &dead[0]["id"], &dead[0]["reason"]),
        (1, &row["id"], &json!("HTTP 403 Forbidden"))
    );
    assert_eq!(deliveries(&app, id(&endpoint), "status=succeeded").await.len(), 4);
}

#[tokio::test]
async fn a_passed_event_is_delivered_when_the_endpoint_accepts_it() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "best_effort").await;
    app.receiver.refuse_texts(&["one", "two"]);
    write(&app, &["one", "two", "three"]).await;
    app.deliver_events().await;
    deliver_after(&app, 13).await;
    deliver_after(&app, 13).await;
    // Two heads wait beside the queue.
    assert_eq!(texts(&app, URL), ["one", "one", "two", "two", "three"]);
    assert_eq!(deliveries(&app, id(&endpoint), "status=failed").await.len(), 2);
    app.receiver.refuse_texts(&[]);
    app.receiver.clear();
    deliver_after(&app, 73).await;
    assert_eq!(texts(&app, URL), ["one", "two"]);
    assert!(app.receiver.received().iter().all(|received| !received.is_redelivery));
    assert_eq!(deliveries(&app, id(&endpoint), "status=succeeded").await.len(), 3);
    // Nothing is left that could be attempted again.
    deliver_after(&app, 2 * DAY).await;
    assert_eq!(texts(&app, URL).len(), 2);
}

#[tokio::test]
async fn a_strict_endpoint_waits_for_the_head_until_it_is_a_dead_letter() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "strict").await;
    app.receiver.refuse_texts(&["poison"]);
    write(&app, &["poison", "after"]).await;
    // Another contact does not wait.
    app.customer_writes(NEW_RECIPIENT, "other").await;
    for _ in 0..6 {
        app.deliver_events().await;
        app.advance(DAY / 4);
    }
    let received = texts(&app, URL);
    assert_eq!(received.iter().filter(|text| *text == "other").count(), 1);
    assert!(received.iter().filter(|text| *text == "poison").count() >= 6);
    assert!(!received.contains(&"after".to_owned()));
    // A new event follows the dead letter. The event that waited behind it is as old, and a dead letter as well.
    write(&app, &["new"]).await;
    deliver_after(&app, DAY / 4).await;
    assert_eq!(texts(&app, URL).last().unwrap(), "new");
    let dead = deliveries(&app, id(&endpoint), "status=dead").await;
    let reasons: Vec<_> = dead.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["the endpoint did not accept the event within 42 hours", "HTTP 403 Forbidden"]);
}

#[tokio::test]
async fn an_endpoint_that_becomes_best_effort_delivers_the_blocked_events_at_once() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "strict").await;
    app.receiver.refuse_texts(&["poison"]);
    write(&app, &["poison", "after"]).await;
    app.customer_writes(NEW_RECIPIENT, "poison").await;
    for seconds in [0, 13, 73, 361] {
        deliver_after(&app, seconds).await;
    }
    app.receiver.clear();
    order(&app, &endpoint, "best_effort").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["after"]);
    // The heads keep their schedule.
    let failed = deliveries(&app, id(&endpoint), "status=failed").await;
    assert!(failed.len() == 2 && failed.iter().all(|row| row["next_attempt_at"].is_string()), "{failed:?}");
    deliver_after(&app, 1_800 * 4 / 5 - 10).await;
    assert_eq!(texts(&app, URL), ["after"]);
    deliver_after(&app, 1_800).await;
    assert_eq!(texts(&app, URL), ["after", "poison", "poison"]);
}

#[tokio::test]
async fn an_endpoint_that_becomes_strict_blocks_the_next_head_and_retries_the_passed_ones() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "best_effort").await;
    app.receiver.refuse_texts(&["poison", "second"]);
    write(&app, &["poison", "after", "second", "last"]).await;
    app.deliver_events().await;
    deliver_after(&app, 13).await;
    assert_eq!(texts(&app, URL), ["poison", "poison", "after", "second"]);
    order(&app, &endpoint, "strict").await;
    for _ in 0..4 {
        deliver_after(&app, 3_600).await;
    }
    let received = texts(&app, URL);
    let count = |wanted: &str| received.iter().filter(|text| *text == wanted).count();
    assert!(count("poison") >= 4 && count("second") >= 4 && count("last") == 0, "{received:?}");
    app.receiver.refuse_texts(&[]);
    app.receiver.clear();
    deliver_after(&app, DAY / 2).await;
    let received = texts(&app, URL);
    let position = |wanted: &str| received.iter().position(|text| text == wanted).unwrap();
    assert!(received.len() == 3 && position("second") < position("last"), "{received:?}");
}

#[tokio::test]
async fn a_change_of_the_ordering_during_an_attempt_counts_for_its_result() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "strict").await;
    app.receiver.respond_with(URL, 403);
    write(&app, &["poison", "after"]).await;
    for seconds in [0, 13] {
        deliver_after(&app, seconds).await;
    }
    app.receiver.stop_responding(URL);
    app.advance(73);
    engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
    while texts(&app, URL).len() < 3 {
        tokio::task::yield_now().await;
    }
    order(&app, &endpoint, "best_effort").await;
    app.receiver.release(URL);
    app.finish_tasks().await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["poison", "poison", "poison", "after"]);
}

#[tokio::test]
async fn the_retries_of_passed_events_do_not_delay_other_contacts_or_endpoints() {
    let app = TestApp::with(|settings| settings.deliveries.concurrency = 1).await;
    add_with(&app, "best_effort").await;
    add(&app, OTHER, json!({"events": ["message.incoming"]})).await;
    app.receiver.refuse_texts(&["a", "b", "c"]);
    write(&app, &["a", "b", "c"]).await;
    for _ in 0..4 {
        app.deliver_events().await;
        app.advance(13);
    }
    app.receiver.clear();
    // Three passed events, the second attempt of another contact and a first attempt are due.
    app.receiver.refuse_texts(&["a", "b", "c", "retry"]);
    app.customer_writes(NEW_RECIPIENT, "retry").await;
    app.deliver_events().await;
    app.advance(73);
    app.customer_writes("+15550101239", "fresh").await;
    app.receiver.clear();
    app.deliver_events().await;
    for url in [URL, OTHER] {
        assert_eq!(texts(&app, url)[..2], ["fresh", "retry"]);
        assert_eq!(texts(&app, url).len(), 5);
    }
}

#[tokio::test]
async fn a_replay_passes_an_event_that_is_refused() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "best_effort").await;
    app.advance(1);
    let since = app.deps.now().to_string();
    write(&app, &["poison", "after"]).await;
    app.deliver_events().await;
    app.receiver.clear();
    app.receiver.refuse_texts(&["poison"]);
    app.post(&format!("/api/webhooks/{}/replay", id(&endpoint)), &json!({"since": since})).await.expect(202);
    app.deliver_events().await;
    deliver_after(&app, 13).await;
    assert_eq!(texts(&app, URL), ["poison", "poison", "after"]);
    assert!(app.receiver.received().iter().all(|received| received.is_redelivery));
}

#[tokio::test]
async fn the_sequence_is_the_same_in_deliveries_and_in_the_event_log() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "best_effort").await;
    write(&app, &["one", "two"]).await;
    app.deliver_events().await;
    let first = app.receiver.received();
    let page = app.get("/api/events?events=message.incoming").await.expect(200);
    let logged = page.data()["events"].as_array().unwrap();
    assert_eq!(logged[logged.len() - 2..], [first[0].body.clone(), first[1].body.clone()]);
    assert!(first[0].body["sequence"].as_i64() < first[1].body["sequence"].as_i64());
    let rows = deliveries(&app, id(&endpoint), "").await;
    app.post(&format!("/api/deliveries/{}/redeliver", id(&rows[1])), &json!({})).await.expect(202);
    app.deliver_events().await;
    assert_eq!(app.receiver.received()[2].text, first[0].text);
}

#[tokio::test]
async fn the_ordering_is_one_of_two_values_and_null_is_the_default() {
    let app = TestApp::new().await;
    let endpoint = add_with(&app, "strict").await;
    assert_eq!(webhook(&app, id(&endpoint)).await["ordering"], "strict");
    let path = format!("/api/webhooks/{}", id(&endpoint));
    for wrong in [json!("fifo"), json!(1), json!(true)] {
        let refused = app.request("PUT", &path, json!({"ordering": wrong}).to_string()).await.expect(400);
        assert_eq!(refused.pointers(), ["/ordering"]);
    }
    // Another change keeps the ordering.
    app.request("PUT", &path, r#"{"name":"till"}"#).await.expect(200);
    assert_eq!(webhook(&app, id(&endpoint)).await["ordering"], "strict");
    app.request("PUT", &path, r#"{"ordering":null}"#).await.expect(200);
    assert_eq!(webhook(&app, id(&endpoint)).await["ordering"], "best_effort");
}
