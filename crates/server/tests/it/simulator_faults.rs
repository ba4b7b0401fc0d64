//! Every fault of the simulator × every kind of call: nothing lost, nothing doubled, nothing stuck, and no invitation to
//! send again what Meta has taken.

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
use crate::invariants::{Fate, come_to_rest, fates, invites, is_kept, judge};
use crate::support::{Answer, CUSTOMER, TestApp};

/// Longer than the client waits, in real time.
const TOO_LONG: Duration = Duration::from_secs(3600);
/// How long it waits.
const PATIENCE: Duration = Duration::from_millis(100);

const MESSAGES: &str = "/messages";
const TEMPLATES: &str = "/message_templates";

/// Something that goes wrong, and what a sync send is answered when it does once, and when it does again and again.
struct Case {
    name: String,
    action: Option<FaultAction>,
    once: u16,
    always: u16,
}

fn cases() -> Vec<Case> {
    let case = |name: &str, action, once, always| Case { name: name.to_owned(), action, once, always };
    let mut cases = vec![
        // There is nobody at the address: the request never left.
        case("no connection", None, 200, 503),
        case("cut before", Some(FaultAction::CutBefore), 202, 202),
        case("cut after", Some(FaultAction::CutAfter), 202, 202),
        case("delay", Some(FaultAction::Delay(TOO_LONG)), 202, 202),
    ];
    let mut with = |name: String, answer: FaultAnswer, once, always| {
        cases.push(Case { name, action: Some(FaultAction::Status(answer)), once, always });
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
        let answer = FaultAnswer { status: Some(status), ..FaultAnswer::default() };
        with(format!("HTTP {status} without an error"), answer, once, always);
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
        let answer = FaultAnswer { status: Some(status), code: Some(code), ..FaultAnswer::default() };
        with(format!("code {code} with HTTP {status}"), answer, once, always);
    }
    cases
}

/// One fault at one kind of call.
struct Scene<'a> {
    app: &'a TestApp,
    fork: &'a SwitchedUpstream,
    key: &'a str,
    /// Says which, in a failure.
    what: String,
    /// `client_reference` of its messages.
    reference: String,
    /// Whom it concerns: nobody else is.
    to: String,
    /// A part of the path of the requests that the fault hits.
    path: &'static str,
    action: Option<FaultAction>,
    times: u32,
    /// The answer of a sync send to expect.
    expected: u16,
}

impl Scene<'_> {
    /// The trouble begins.
    fn begin(&self) {
        match &self.action {
            Some(action) => {
                self.app.sim.fail(Fault { times: self.times, ..Fault::on(self.path, action.clone()) });
            }
            None => self.fork.n_broken.store(self.times, Ordering::Relaxed),
        }
    }

    /// The trouble is over, and everything comes to rest. Returns what became of the messages.
    async fn end(&self) -> Vec<Fate> {
        self.fork.n_broken.store(0, Ordering::Relaxed);
        come_to_rest(self.app).await;
        self.fates().await
    }

    async fn fates(&self) -> Vec<Fate> {
        fates(self.app, &self.reference).await
    }

    fn text(&self) -> Value {
        json!({"to": self.to, "type": "text", "text": "Hi", "client_reference": self.reference})
    }

    fn template(&self, name: &str) -> Value {
        json!({"to": self.to, "type": "template", "template": {"name": name, "language": "en_US"},
            "client_reference": self.reference})
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.app.request_as(self.key, "POST", path, body.to_string());
        self.app.patiently(request).await
    }

    async fn send(&self, body: &Value) -> Answer {
        self.post("/api/messages/send", body).await
    }

    async fn send_with_key(&self, body: &Value) -> Answer {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", self.key)
            .header("Idempotency-Key", &self.reference)
            .body(Body::from(body.to_string()))
            .unwrap();
        self.app.patiently(self.app.call(request)).await
    }
}

/// The gateway's client, quick to lose patience.
fn client(base_url: &str) -> Arc<GraphClient> {
    let config =
        GraphConfig { sandbox_base_url: base_url.to_owned(), timeout: PATIENCE, ..GraphConfig::default() };
    Arc::new(GraphClient::new(&config).unwrap())
}

/// Plays the scene for each case, with a fault on `path` that hits once, and one that hits until it is taken away.
async fn each(path: &'static str, play: impl AsyncFn(&Scene<'_>)) {
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
                what: format!("{} × {times}", case.name),
                reference: format!("case-{i}-{times}"),
                to,
                path,
                action: case.action.clone(),
                times,
                expected,
            };
            let n_before = app.n_taken();
            play(&scene).await;
            let n_known: usize = scene.end().await.iter().map(|fate| fate.n_taken).sum();
            assert_eq!(app.n_taken() - n_before, n_known, "{}: nobody knows of it", scene.what);
        }
    }
}

/// A sync send: the answer is the table's, and it is true.
async fn sync(scene: &Scene<'_>, body: &Value) {
    let what = &scene.what;
    scene.begin();
    let answer = scene.send(body).await;
    assert_eq!(answer.status.as_u16(), scene.expected, "{what}: {:#}", answer.body);
    assert!(!invites(&answer) || answer.headers.contains_key("retry-after"), "{what}");
    let n_taken: usize = scene.fates().await.iter().map(|fate| fate.n_taken).sum();
    assert!(n_taken == 0 || answer.status.is_success(), "{what}: {:#}", answer.body);
    let fates = scene.end().await;
    is_kept(&answer, &fates, what);
    assert_eq!(judge(&fates, 1, what), n_taken, "{what}: sent after the answer");
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
        let what = &scene.what;
        scene.begin();
        let first = scene.send_with_key(&scene.text()).await;
        assert_eq!(first.status.as_u16(), scene.expected, "{what}: {:#}", first.body);
        // The trouble may last.
        let second = scene.send_with_key(&scene.text()).await;
        scene.end().await;
        let third = scene.send_with_key(&scene.text()).await;
        for (earlier, later) in [(&first, &second), (&second, &third)] {
            let is_replayed = later.headers.contains_key("idempotent-replayed");
            assert_eq!(is_replayed, !invites(earlier), "{what}: {:#}", later.body);
            assert!(!is_replayed || earlier.body == later.body, "{what}: {:#}", later.body);
        }
        assert!(!invites(&third), "{what}: {:#}", third.body);
        let fates = scene.end().await;
        assert!(judge(&fates, 1, what) <= 1, "{what}: {fates:?}");
        is_kept(&third, &fates, what);
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
            let answer = scene.send(&body).await;
            scene.app.tick_queue().await;
            let before = scene.fates().await;
            let last = before.last().map_or(0, |fate| fate.n_taken);
            assert!(!invites(&answer) || last == 0, "{}: {:#}", scene.what, answer.body);
            let fates = scene.end().await;
            is_kept(&answer, &fates, &scene.what);
            judge(&fates, 2, &scene.what);
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
        let answer = scene.send(&body).await.expect(202);
        for _ in 0..3 {
            scene.app.tick_queue().await;
            scene.app.advance(2);
        }
        let fates = scene.end().await;
        is_kept(&answer, &fates, &scene.what);
        judge(&fates, 1, &scene.what);
        // What Meta did not take for a reason that passes, it has taken by now.
        let is_passing = matches!(scene.expected, 200 | 429 | 503);
        assert!(!is_passing || fates[0].status == "read", "{}: {fates:?}", scene.what);
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
        let answer = scene.post("/api/messages/batch", &batch).await.expect(202);
        let results = answer.data()["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == "queued"), "{:#}", answer.body);
        scene.app.tick_queue().await;
        let fates = scene.end().await;
        assert_eq!(fates.len(), 3);
        judge(&fates, 1, &scene.what);
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
        let answer = scene.post(&path, &resend).await;
        assert!(!invites(&answer), "{}: {:#}", scene.what, answer.body);
        scene.end().await;
        scene.post(&path, &resend).await.expect(409);
        let fates = scene.end().await;
        is_kept(&unknown, &fates, &scene.what);
        judge(&fates, most, &scene.what);
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
        let answer = scene.post(&path, &json!({})).await;
        assert!([400, 429, 503].contains(&answer.status.as_u16()), "{}: {:#}", scene.what, answer.body);
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
        let answer = scene.post("/api/templates/sync", &json!({})).await;
        assert!([400, 429, 503].contains(&answer.status.as_u16()), "{}: {:#}", scene.what, answer.body);
        assert_eq!(known().await, before, "{}", scene.what);
        scene.end().await;
        let synced = scene.app.post("/api/templates/sync", &json!({})).await.expect(200);
        assert_eq!(synced.data()["total"], before, "{}", scene.what);
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
        let answer = scene.send(&scene.template(&name)).await;
        assert!([400, 429, 503].contains(&answer.status.as_u16()), "{}: {:#}", scene.what, answer.body);
        assert!(scene.end().await.is_empty(), "{}", scene.what);
        scene.send(&scene.template(&name)).await.expect(200);
    })
    .await;
}
