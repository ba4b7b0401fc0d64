//! Every fault of the simulator in every kind of call: no message is lost, duplicated or stuck, and no response invites
//! the caller to send a message again that Meta has accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use engine::background;
use engine::deps::Ports;
use graph::{GraphClient, GraphConfig};
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::fault_ports::SwitchedUpstream;
use crate::invariants::{
    EndState, assert_invariants, assert_message_exists, complete_all_work, end_states, invites_retry,
};
use crate::support::{CUSTOMER, TestApp, TestResponse};

/// Longer than the timeout of the client, in real time.
const TOO_LONG: Duration = Duration::from_secs(3600);
/// Timeout of the client.
const CLIENT_TIMEOUT: Duration = Duration::from_millis(100);

const MESSAGES: &str = "/messages";
const TEMPLATES: &str = "/message_templates";

/// A fault, and the responses to a sync send if the fault occurs once and if it persists.
struct Case {
    name: String,
    action: Option<FaultAction>,
    once: u16,
    always: u16,
}

fn cases() -> Vec<Case> {
    let case = |name: &str, action, once, always| Case { name: name.to_owned(), action, once, always };
    let mut cases = vec![
        // No server listens at the address: the request was not sent.
        case("no connection", None, 200, 503),
        case("cut before", Some(FaultAction::CutBefore), 202, 202),
        case("cut after", Some(FaultAction::CutAfter), 202, 202),
        case("delay", Some(FaultAction::Delay(TOO_LONG)), 202, 202),
    ];
    let mut with = |name: String, response: FaultAnswer, once, always| {
        cases.push(Case { name, action: Some(FaultAction::Status(response)), once, always });
    };
    for (status, once, always) in [
        (200, 202, 202),
        (302, 503, 503),
        (400, 503, 503),
        (403, 503, 503),
        (404, 503, 503),
        (429, 200, 429),
        (500, 202, 202),
        (502, 202, 202),
        (503, 202, 202),
    ] {
        let response = FaultAnswer { status: Some(status), ..FaultAnswer::default() };
        with(format!("HTTP {status} without an error"), response, once, always);
    }
    for (code, status, once, always) in [
        (1, 500, 202, 202),
        (2, 503, 202, 202),
        (1, 400, 200, 503),
        (131_000, 500, 200, 503),
        (131_016, 503, 200, 503),
        (130_429, 429, 200, 429),
        (131_056, 400, 200, 429),
        (190, 401, 503, 503),
        (132_015, 400, 400, 400),
        (131_050, 400, 400, 400),
        (131_049, 400, 400, 400),
        (131_047, 400, 400, 400),
        (131_009, 400, 400, 400),
    ] {
        let response = FaultAnswer { status: Some(status), code: Some(code), ..FaultAnswer::default() };
        with(format!("code {code} with HTTP {status}"), response, once, always);
    }
    cases
}

/// One fault in one kind of call.
struct Scene<'a> {
    app: &'a TestApp,
    fork: &'a SwitchedUpstream,
    key: &'a str,
    /// Description for failures of assertions.
    description: String,
    /// `client_reference` of the messages of the scene.
    reference: String,
    /// The only recipient.
    to: String,
    /// Part of the path of the requests that the fault affects.
    path: &'static str,
    action: Option<FaultAction>,
    times: u32,
    /// Expected status of the response to a sync send.
    expected: u16,
}

impl Scene<'_> {
    /// Starts the fault.
    fn begin(&self) {
        match &self.action {
            Some(action) => {
                self.app.sim.fail(Fault { times: self.times, ..Fault::on(self.path, action.clone()) });
            }
            None => self.fork.n_broken.store(self.times, Ordering::Relaxed),
        }
    }

    /// Ends the fault, completes all pending work, and returns the final states of the messages.
    async fn end(&self) -> Vec<EndState> {
        self.fork.n_broken.store(0, Ordering::Relaxed);
        complete_all_work(self.app).await;
        self.end_states().await
    }

    async fn end_states(&self) -> Vec<EndState> {
        end_states(self.app, &self.reference).await
    }

    fn text(&self) -> Value {
        json!({"to": self.to, "type": "text", "text": "Hi", "client_reference": self.reference})
    }

    fn template(&self, name: &str) -> Value {
        json!({"to": self.to, "type": "template", "template": {"name": name, "language": "en_US"},
            "client_reference": self.reference})
    }

    async fn post(&self, path: &str, body: &Value) -> TestResponse {
        let request = self.app.request_as(self.key, "POST", path, body.to_string());
        self.app.run_with_clock(request).await
    }

    async fn send(&self, body: &Value) -> TestResponse {
        self.post("/api/messages/send", body).await
    }

    async fn send_with_key(&self, body: &Value) -> TestResponse {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", self.key)
            .header("Idempotency-Key", &self.reference)
            .body(Body::from(body.to_string()))
            .unwrap();
        self.app.run_with_clock(self.app.call(request)).await
    }
}

/// Returns the gateway's client with a short timeout.
fn client(base_url: &str) -> Arc<GraphClient> {
    let config = GraphConfig {
        sandbox_base_url: base_url.to_owned(),
        timeout: CLIENT_TIMEOUT,
        ..GraphConfig::default()
    };
    Arc::new(GraphClient::new(&config).unwrap())
}

/// Runs the scene for each case, with a fault on `path` that occurs once, and with one that persists until it is
/// removed.
async fn each(path: &'static str, run: impl AsyncFn(&Scene<'_>)) {
    let mut app = TestApp::new().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(100_000), Some(100_000))).await;
    let (working, broken) = (client(&app.sim_url), client("http://127.0.0.1:9"));
    let fork = Arc::new(SwitchedUpstream { working, broken, n_broken: AtomicU32::new(0) });
    let upstream = fork.clone();
    app.restart_with(|ports| Ports { upstream, ..ports }).await;
    background::tick_recovery(&app.deps).await.unwrap();
    let hello = json!({"name": "hello_world", "language": "en_US"});
    app.send(json!({"to": CUSTOMER, "type": "template", "template": hello})).await.expect(200);
    for (i, case) in cases().into_iter().enumerate() {
        for (times, expected) in [(1, case.once), (1000, case.always)] {
            let to = format!("+4477009{i:02}{:03}", times % 1000);
            app.customer_writes(&to, "Hi").await;
            let scene = Scene {
                app: &app,
                fork: &fork,
                key: &key,
                description: format!("{} × {times}", case.name),
                reference: format!("case-{i}-{times}"),
                to,
                path,
                action: case.action.clone(),
                times,
                expected,
            };
            let n_before = app.n_accepted();
            run(&scene).await;
            let n_known: usize = scene.end().await.iter().map(|end_state| end_state.n_accepted).sum();
            assert_eq!(app.n_accepted() - n_before, n_known, "{}: nobody knows of it", scene.description);
        }
    }
}

/// Checks that the response to a sync send is the expected one and is true.
async fn sync(scene: &Scene<'_>, body: &Value) {
    let description = &scene.description;
    scene.begin();
    let response = scene.send(body).await;
    assert_eq!(response.status.as_u16(), scene.expected, "{description}: {:#}", response.body);
    assert!(!invites_retry(&response) || response.headers.contains_key("retry-after"), "{description}");
    let n_accepted: usize = scene.end_states().await.iter().map(|end_state| end_state.n_accepted).sum();
    assert!(n_accepted == 0 || response.status.is_success(), "{description}: {:#}", response.body);
    let end_states = scene.end().await;
    assert_message_exists(&response, &end_states, description);
    assert_eq!(
        assert_invariants(&end_states, 1, description),
        n_accepted,
        "{description}: sent after the answer"
    );
}

#[tokio::test]
async fn no_fault_loses_or_duplicates_a_sync_text() {
    each(MESSAGES, async |scene| sync(scene, &scene.text()).await).await;
}

#[tokio::test]
async fn no_fault_loses_or_duplicates_a_sync_template() {
    each(MESSAGES, async |scene| sync(scene, &scene.template("hello_world")).await).await;
}

#[tokio::test]
async fn no_fault_duplicates_a_sync_send_with_a_repeated_key() {
    each(MESSAGES, async |scene| {
        let description = &scene.description;
        scene.begin();
        let first = scene.send_with_key(&scene.text()).await;
        assert_eq!(first.status.as_u16(), scene.expected, "{description}: {:#}", first.body);
        // The fault may persist.
        let second = scene.send_with_key(&scene.text()).await;
        scene.end().await;
        let third = scene.send_with_key(&scene.text()).await;
        for (earlier, later) in [(&first, &second), (&second, &third)] {
            let is_replayed = later.headers.contains_key("idempotent-replayed");
            assert_eq!(is_replayed, !invites_retry(earlier), "{description}: {:#}", later.body);
            assert!(!is_replayed || earlier.body == later.body, "{description}: {:#}", later.body);
        }
        assert!(!invites_retry(&third), "{description}: {:#}", third.body);
        let end_states = scene.end().await;
        assert!(assert_invariants(&end_states, 1, description) <= 1, "{description}: {end_states:?}");
        assert_message_exists(&third, &end_states, description);
    })
    .await;
}

#[tokio::test]
async fn no_fault_sends_a_resendable_message_more_than_twice() {
    each(MESSAGES, async |scene| {
        for mode in ["sync", "queue"] {
            let mut body = scene.text();
            body["on_unknown"] = json!("resend");
            body["mode"] = json!(mode);
            scene.begin();
            let response = scene.send(&body).await;
            scene.app.tick_queue().await;
            let before = scene.end_states().await;
            let last = before.last().map_or(0, |end_state| end_state.n_accepted);
            assert!(!invites_retry(&response) || last == 0, "{}: {:#}", scene.description, response.body);
            let end_states = scene.end().await;
            assert_message_exists(&response, &end_states, &scene.description);
            assert_invariants(&end_states, 2, &scene.description);
        }
    })
    .await;
}

#[tokio::test]
async fn no_fault_loses_or_duplicates_a_queued_message() {
    each(MESSAGES, async |scene| {
        let mut body = scene.text();
        body["mode"] = json!("queue");
        scene.begin();
        let response = scene.send(&body).await.expect(202);
        for _ in 0..3 {
            scene.app.tick_queue().await;
            scene.app.advance(2);
        }
        let end_states = scene.end().await;
        assert_message_exists(&response, &end_states, &scene.description);
        assert_invariants(&end_states, 1, &scene.description);
        // After a temporary rejection, Meta has accepted the message by now.
        let is_passing = matches!(scene.expected, 200 | 429 | 503);
        assert!(!is_passing || end_states[0].status == "read", "{}: {end_states:?}", scene.description);
    })
    .await;
}

#[tokio::test]
async fn no_fault_loses_or_duplicates_a_message_of_a_batch() {
    each(MESSAGES, async |scene| {
        let item = |to: &str| {
            let mut item = scene.template("hello_world");
            item["to"] = json!(to);
            item
        };
        let batch = json!({"messages": [item(&scene.to), item("+447700900777"), item("+447700900778")]});
        scene.begin();
        let response = scene.post("/api/messages/batch", &batch).await.expect(202);
        let results = response.data()["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == "queued"), "{:#}", response.body);
        scene.app.tick_queue().await;
        let end_states = scene.end().await;
        assert_eq!(end_states.len(), 3);
        assert_invariants(&end_states, 1, &scene.description);
    })
    .await;
}

#[tokio::test]
async fn no_fault_resends_an_unknown_message_that_meta_did_not_take_more_than_once() {
    resend_by_hand(FaultAction::CutBefore, 1).await;
}

#[tokio::test]
async fn no_fault_resends_an_unknown_message_that_meta_took_more_than_once() {
    resend_by_hand(FaultAction::CutAfter, 2).await;
}

async fn resend_by_hand(first: FaultAction, most: usize) {
    each(MESSAGES, async |scene| {
        scene.app.customer_writes(&scene.to, "Hi").await;
        scene.app.sim.fail(Fault::on(MESSAGES, first.clone()));
        let unknown = scene.send(&scene.text()).await.expect(202);
        scene.begin();
        let path = format!("/api/messages/{}/resolve", unknown.data()["id"].as_str().unwrap());
        let resend = json!({"action": "resend"});
        let response = scene.post(&path, &resend).await;
        assert!(!invites_retry(&response), "{}: {:#}", scene.description, response.body);
        scene.end().await;
        scene.post(&path, &resend).await.expect(409);
        let end_states = scene.end().await;
        assert_message_exists(&unknown, &end_states, &scene.description);
        assert_invariants(&end_states, most, &scene.description);
    })
    .await;
}

#[tokio::test]
async fn a_failed_read_receipt_is_an_error_and_the_next_one_works() {
    each(MESSAGES, async |scene| {
        let wamid = scene.app.customer_writes(&scene.to, "Read this").await;
        let wamid: String = url::form_urlencoded::byte_serialize(wamid.as_bytes()).collect();
        let path = format!("/api/messages/{wamid}/read");
        scene.begin();
        let response = scene.post(&path, &json!({})).await;
        assert!(
            [400, 429, 503].contains(&response.status.as_u16()),
            "{}: {:#}",
            scene.description,
            response.body
        );
        scene.end().await;
        scene.post(&path, &json!({})).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn no_fault_of_a_template_sync_loses_a_template() {
    each(TEMPLATES, async |scene| {
        let known = async || scene.app.get("/api/templates").await.expect(200).data()["total"].clone();
        scene.app.post("/api/templates/sync", &json!({})).await.expect(200);
        let before = known().await;
        scene.begin();
        let response = scene.post("/api/templates/sync", &json!({})).await;
        assert!(
            [400, 429, 503].contains(&response.status.as_u16()),
            "{}: {:#}",
            scene.description,
            response.body
        );
        assert_eq!(known().await, before, "{}", scene.description);
        scene.end().await;
        let synced = scene.app.post("/api/templates/sync", &json!({})).await.expect(200);
        assert_eq!(synced.data()["total"], before, "{}", scene.description);
    })
    .await;
}

#[tokio::test]
async fn no_fault_of_a_template_look_up_stores_or_sends_a_message() {
    each(TEMPLATES, async |scene| {
        let name = scene.reference.replace('-', "_");
        let template = json!({"name": name, "language": "en_US", "category": "UTILITY",
            "components": [{"type": "BODY", "text": "Your order is ready."}]});
        scene.app.sim.add_template(None, template.as_object().unwrap(), "APPROVED").unwrap();
        scene.begin();
        let response = scene.send(&scene.template(&name)).await;
        assert!(
            [400, 429, 503].contains(&response.status.as_u16()),
            "{}: {:#}",
            scene.description,
            response.body
        );
        assert!(scene.end().await.is_empty(), "{}", scene.description);
        scene.send(&scene.template(&name)).await.expect(200);
    })
    .await;
}
