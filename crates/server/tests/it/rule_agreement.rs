//! Agreement of the rules: a dry run and a send in the same state have the same result, and a queued message that is due
//! is decided by the same rules.

use proptest::prelude::*;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::support::TestApp;

/// Seconds between the end of the customer service window and the time of the request, in the state `Ending`.
const SECONDS_LEFT: u64 = 30;

/// Customer service window of the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WindowState {
    NeverOpened,
    Open,
    Ending,
    Closed,
}

/// State in which a message is sent.
#[derive(Clone, Copy, Debug)]
struct State {
    window: WindowState,
    has_opted_out: bool,
    is_marketing_limited: bool,
    is_throttled: bool,
    is_queue_full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TemplateKind {
    Utility,
    Marketing,
}

#[derive(Clone, Copy, Debug)]
enum ContentKind {
    Text { fallback: Option<TemplateKind> },
    Template(TemplateKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    Sync,
    Queue,
    /// Scheduled, in seconds from now.
    Scheduled(u64),
}

/// Change of the state while a message is in the queue.
#[derive(Clone, Copy, Debug)]
enum Change {
    Nothing,
    OptOut,
    /// The window closes.
    DayPasses,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    state: State,
    content: ContentKind,
    timing: Timing,
    change: Change,
}

fn cases() -> impl Strategy<Value = Case> {
    let window = prop::sample::select(vec![
        WindowState::NeverOpened,
        WindowState::Open,
        WindowState::Ending,
        WindowState::Closed,
    ]);
    let kind = || prop::sample::select(vec![TemplateKind::Utility, TemplateKind::Marketing]);
    let content = prop_oneof![
        prop::option::of(kind()).prop_map(|fallback| ContentKind::Text { fallback }),
        kind().prop_map(ContentKind::Template),
    ];
    let timing = prop_oneof![
        Just(Timing::Sync),
        Just(Timing::Queue),
        prop::sample::select(vec![SECONDS_LEFT - 25, SECONDS_LEFT + 25, 100_000]).prop_map(Timing::Scheduled),
    ];
    let change = prop::sample::select(vec![Change::Nothing, Change::OptOut, Change::DayPasses]);
    let rarely = || prop::bool::weighted(0.25);
    let state = (window, rarely(), rarely(), rarely(), rarely()).prop_map(
        |(window, has_opted_out, is_marketing_limited, is_throttled, is_queue_full)| State {
            window,
            has_opted_out,
            is_marketing_limited,
            is_throttled,
            is_queue_full,
        },
    );
    (state, content, timing, change).prop_map(|(state, content, timing, change)| Case {
        state,
        content,
        timing,
        change,
    })
}

fn template(kind: TemplateKind) -> Value {
    match kind {
        TemplateKind::Utility => json!({"name": "hello_world", "language": "en_US"}),
        TemplateKind::Marketing => json!({"name": "sandbox_marketing", "language": "en",
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "Maya"}]}]}),
    }
}

fn template_message(to: &str, kind: TemplateKind) -> Value {
    json!({"to": to, "type": "template", "template": template(kind)})
}

/// Returns the request of a case, sent with this timing.
fn request(app: &TestApp, to: &str, content: ContentKind, timing: Timing) -> Value {
    let mut request = match content {
        ContentKind::Text { fallback: None } => json!({"to": to, "type": "text", "text": "Hi"}),
        ContentKind::Text { fallback: Some(kind) } => {
            json!({"to": to, "type": "text", "text": "Hi", "fallback_template": template(kind)})
        }
        ContentKind::Template(kind) => template_message(to, kind),
    };
    match timing {
        Timing::Sync => {}
        Timing::Queue => request["mode"] = json!("queue"),
        Timing::Scheduled(seconds) => {
            let send_at = app.deps.now() + jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap());
            request["send_at"] = json!(send_at.to_string());
        }
    }
    request
}

/// Result of a dry run.
#[derive(Debug)]
struct Prediction {
    would_send: bool,
    /// Code of the first check that failed.
    code: Option<String>,
    /// `template` if the message, or its fallback, is a template.
    kind: String,
}

/// One gateway, in which each case has a recipient of its own.
struct Scene {
    app: TestApp,
    key: String,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::with(|settings| settings.queue_per_account = 1).await;
        app.request("POST", "/api/templates/sync", "").await.expect(200);
        let key =
            app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(1_000_000), Some(1_000_000))).await;
        Self { app, key }
    }

    async fn send(&self, body: &Value) -> (u16, Value) {
        let call = self.app.request_as(&self.key, "POST", "/api/messages/send", body.to_string());
        let response = self.app.run_with_clock(call).await;
        (response.status.as_u16(), response.body)
    }

    /// Sends a message that Meta refuses with a code, each of `times` times.
    async fn send_refused(&self, body: &Value, code: i64, times: u32) {
        let response = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
        let fault = Fault::on("/messages", FaultAction::Status(response));
        self.app.sim.fail(Fault { times, ..fault });
        let (status, body) = self.send(body).await;
        assert_eq!(body["details"]["meta"]["code"], code, "{status}: {body:#}");
        self.app.clear_faults().await;
    }

    /// Brings the gateway into a state.
    async fn enter(&self, state: State, to: &str) {
        let app = &self.app;
        match state.window {
            WindowState::NeverOpened => {
                app.post("/api/contacts", &json!({"phone_number": to})).await.expect(201);
            }
            WindowState::Open | WindowState::Ending | WindowState::Closed => {
                app.customer_writes(to, "Hello").await;
            }
        }
        match state.window {
            WindowState::NeverOpened | WindowState::Open => {}
            WindowState::Ending => app.advance(24 * 3_600 - SECONDS_LEFT),
            WindowState::Closed => app.advance(25 * 3_600),
        }
        if state.is_marketing_limited {
            self.send_refused(&template_message(to, TemplateKind::Marketing), 131_049, 1).await;
        }
        if state.has_opted_out {
            self.opt_out(to).await;
        }
        if state.is_throttled {
            // The pair of number and recipient waits longer after each refusal, at last more than five seconds.
            self.send_refused(&template_message(to, TemplateKind::Utility), 131_056, 100).await;
        }
        if state.is_queue_full {
            let other = template_message("+447700900999", TemplateKind::Utility);
            let mut other = other.as_object().unwrap().clone();
            let send_at = app.deps.now() + jiff::SignedDuration::from_hours(24 * 20);
            other.insert("send_at".to_owned(), json!(send_at.to_string()));
            assert_eq!(self.send(&Value::Object(other)).await.0, 202);
        }
    }

    async fn opt_out(&self, to: &str) {
        let path = format!("/api/contacts?phone_number={}", to.trim_start_matches('+'));
        let contacts = self.app.get(&path).await.expect(200);
        let id = contacts.data()["contacts"][0]["id"].as_str().unwrap().to_owned();
        let body = json!({"opted_out": true}).to_string();
        self.app.request("PUT", &format!("/api/contacts/{id}"), body).await.expect(200);
    }

    async fn dry_run(&self, mut body: Value) -> Prediction {
        body["dry_run"] = json!(true);
        let (status, body) = self.send(&body).await;
        assert_eq!(status, 200, "{body:#}");
        let data = &body["data"];
        let failed = data["checks"].as_array().unwrap().iter().find(|check| check["ok"] == false);
        Prediction {
            would_send: data["would_send"].as_bool().unwrap(),
            code: failed.map(|check| check["code"].as_str().unwrap().to_owned()),
            kind: data["request"]["type"].as_str().unwrap().to_owned(),
        }
    }

    /// Cancels all queued messages.
    async fn empty_queue(&self) {
        let page = self.app.get("/api/messages?status=queued&per_page=200").await.expect(200);
        for message in page.data()["messages"].as_array().unwrap() {
            let path = format!("/api/messages/{}/cancel", message["id"].as_str().unwrap());
            self.app.request("POST", &path, "").await.expect(200);
        }
    }

    async fn play(&self, case: Case, to: &str) {
        let app = &self.app;
        self.enter(case.state, to).await;
        let body = request(app, to, case.content, case.timing);
        let prediction = self.dry_run(body.clone()).await;
        let n_before = app.n_accepted();
        let (status, sent) = self.send(&body).await;
        let is_accepted = status == 200 || status == 202;
        assert_eq!(prediction.would_send, is_accepted, "{case:?}: {prediction:?}, {status}: {sent:#}");
        if !is_accepted {
            assert_eq!(prediction.code.as_deref(), sent["code"].as_str(), "{case:?}: {sent:#}");
            assert_eq!(app.n_accepted(), n_before, "{case:?}");
        } else if case.timing == Timing::Sync {
            assert_eq!(app.accepted_message(n_before)["type"], prediction.kind.as_str(), "{case:?}");
        } else if case.timing == Timing::Queue && !case.state.is_throttled {
            self.send_due(case, to, sent["data"]["id"].as_str().unwrap()).await;
        }
        self.empty_queue().await;
    }

    /// A queued message is due after a change. A dry run of the same message, sent now, predicts its end.
    async fn send_due(&self, case: Case, to: &str, id: &str) {
        let app = &self.app;
        match case.change {
            Change::Nothing => {}
            Change::OptOut => self.opt_out(to).await,
            Change::DayPasses => app.advance(25 * 3_600),
        }
        let prediction = self.dry_run(request(app, to, case.content, Timing::Sync)).await;
        let n_before = app.n_accepted();
        app.tick_queue().await;
        let message = app.message(id).await;
        if prediction.would_send {
            assert_eq!(message["status"], "sent", "{case:?}: {message:#}");
            assert_eq!(app.accepted_message(n_before)["type"], prediction.kind.as_str(), "{case:?}");
        } else {
            assert_eq!(message["status"], "failed", "{case:?}: {prediction:?}, {message:#}");
            assert_eq!(message["error"]["code"].as_str(), prediction.code.as_deref(), "{case:?}");
            assert_eq!(app.n_accepted(), n_before, "{case:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_dry_run_a_send_and_a_due_message_are_decided_by_the_same_rules(cases in prop::collection::vec(cases(), 20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scene = Scene::new().await;
            for (n, case) in cases.into_iter().enumerate() {
                scene.play(case, &format!("+447700900{n:03}")).await;
            }
        });
    }
}
