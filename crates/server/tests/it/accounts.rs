//! Accounts over HTTP: create, change, remove and test; checks in the background.

use domain::id::AccountId;
use engine::background;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, TokenChange};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{CUSTOMER, TestApp};

const SHOWN: [&str; 12] = [
    "id",
    "name",
    "phone_number_id",
    "waba_id",
    "display_phone_number",
    "quality_rating",
    "messaging_limit",
    "status",
    "status_reason",
    "default",
    "sandbox",
    "fetch_media",
];

fn new_account(name: &str) -> Value {
    json!({"name": name, "phone_number_id": "330011220099001", "waba_id": "210987650001001",
        "access_token": "MARK-token", "app_secret": "MARK-secret", "verify_token": "MARK-word"})
}

/// Returns a gateway that serves its callback URL over TCP, and the account's second token.
async fn served() -> (TestApp, JoinSet<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/meta", listener.local_addr().unwrap());
    let app = TestApp::with(|settings| settings.callback_url = url).await;
    let mut serving = JoinSet::new();
    let router = app.router.clone();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let second = "EAAsecond-token".to_owned();
    let like = Some(app.seeded.access_token.clone());
    app.sim
        .change_token(&TokenChange { access_token: second.clone(), like, ..TokenChange::default() })
        .unwrap();
    (app, serving, second)
}

async fn put(app: &TestApp, path: &str, body: &Value) -> crate::support::TestResponse {
    app.request("PUT", path, body.to_string()).await
}

#[tokio::test]
async fn an_account_is_created_shown_and_listed_without_its_secrets() {
    let app = TestApp::new().await;
    let created = app.post("/api/accounts", &new_account("desk")).await.expect(201);
    let account = created.data();
    let members: Vec<_> = account.as_object().unwrap().keys().map(String::as_str).collect();
    let mut shown = SHOWN.to_vec();
    shown.sort_unstable();
    assert_eq!(members, shown);
    assert_eq!((&account["name"], &account["status"]), (&json!("desk"), &json!("connected")));
    // A test key creates a sandbox account.
    assert_eq!((&account["sandbox"], &account["default"]), (&json!(true), &json!(false)));
    assert_eq!(app.get("/api/accounts").await.data()["total"], 2);
    let id = account["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/api/accounts/{id}")).await.expect(200).data(), account);
    app.get("/api/accounts/desk").await.expect(200);
    assert_eq!(account["fetch_media"], Value::Null);
}

#[tokio::test]
async fn an_account_can_be_created_with_its_own_fetch_media() {
    let app = TestApp::new().await;
    let mut new = new_account("desk");
    new["fetch_media"] = json!(true);
    assert_eq!(app.post("/api/accounts", &new).await.expect(201).data()["fetch_media"], true);
    put(&app, "/api/accounts/desk", &json!({"name": "shop"})).await.expect(200);
    assert_eq!(app.get("/api/accounts/shop").await.data()["fetch_media"], true);
}

#[tokio::test]
async fn a_name_and_a_phone_number_id_are_unique() {
    let app = TestApp::new().await;
    app.post("/api/accounts", &new_account("desk")).await.expect(201);
    let name = app.post("/api/accounts", &new_account("desk")).await.expect(409);
    assert_eq!((name.code(), &name.body["details"]["field"]), ("account_exists", &json!("name")));
    let number = app.post("/api/accounts", &new_account("other")).await.expect(409);
    assert_eq!(
        (number.code(), &number.body["details"]["field"]),
        ("account_exists", &json!("phone_number_id"))
    );
    let renamed = put(&app, "/api/accounts/desk", &json!({"name": "sandbox"})).await.expect(409);
    assert_eq!(renamed.code(), "account_exists");
    put(&app, "/api/accounts/desk", &json!({"name": "desk"})).await.expect(200);
}

#[tokio::test]
async fn all_errors_of_an_account_are_reported_at_once() {
    let app = TestApp::new().await;
    let empty = app.post("/api/accounts", &json!({})).await.expect(400);
    assert_eq!(empty.pointers(), ["/name", "/phone_number_id", "/waba_id", "/access_token"]);
    let wrong = json!({"name": " desk", "phone_number_id": "+1555", "waba_id": 7, "access_token": "MARK two",
        "app_secret": "", "verify_token": "MARK\n", "default": "yes", "sandbox": 1,
        "fetch_media": "on", "token": "MARK"});
    let response = app.post("/api/accounts", &wrong).await.expect(400);
    assert_eq!(
        response.pointers(),
        [
            "/name",
            "/phone_number_id",
            "/waba_id",
            "/access_token",
            "/app_secret",
            "/verify_token",
            "/default",
            "/sandbox",
            "/fetch_media",
            "/token"
        ]
    );
    assert!(!response.body.to_string().contains("MARK"), "{:#}", response.body);
    for (change, pointer) in [
        (json!({"name": null}), "/name"),
        (json!({"access_token": null}), "/access_token"),
        (json!({"default": null}), "/default"),
        (json!({"phone_number_id": "1"}), "/phone_number_id"),
        (json!({"waba_id": "1"}), "/waba_id"),
        (json!({"sandbox": false}), "/sandbox"),
        (json!({"status": "held"}), "/status"),
        (json!({"fetch_media": 1}), "/fetch_media"),
    ] {
        assert_eq!(put(&app, "/api/accounts/sandbox", &change).await.expect(400).pointers(), [pointer]);
    }
    assert_eq!(app.get("/api/accounts").await.data()["total"], 1);
}

#[tokio::test]
async fn a_key_creates_only_accounts_that_it_can_use() {
    let app = TestApp::new().await;
    let of_kind = |is_sandbox: bool| {
        let mut new = new_account("desk");
        new["sandbox"] = json!(is_sandbox);
        new.to_string()
    };
    let live = app.key(|new| new.is_test = false).await;
    let narrow = app.key(|new| new.accounts = vec![AccountId::from_parts(1, &[1; 10])]).await;
    app.request("POST", "/api/accounts", of_kind(false)).await.expect(403);
    app.request_as(&live, "POST", "/api/accounts", of_kind(true)).await.expect(403);
    app.request_as(&narrow, "POST", "/api/accounts", of_kind(true)).await.expect(403);
    let sender = app.key(|new| new.scopes = vec![domain::access::api_key::KeyScope::Send]).await;
    app.request_as(&sender, "POST", "/api/accounts", of_kind(true)).await.expect(403);
    // Meta verifies a live account; the simulator takes its place.
    let seeded = app.sim.accounts().into_iter().nth(1).unwrap();
    let new = json!({"name": "desk", "phone_number_id": seeded.phone_number_id, "waba_id": seeded.waba_id,
        "access_token": seeded.access_token});
    let created = app.request_as(&live, "POST", "/api/accounts", new.to_string()).await.expect(201);
    assert_eq!(created.data()["sandbox"], false);
    // A test key cannot make a sandbox account the default, because customers' messages would go to the simulator.
    app.request_as(&live, "PUT", "/api/accounts/desk", json!({"default": true}).to_string())
        .await
        .expect(200);
    app.request("PUT", "/api/accounts/sandbox", json!({"default": true}).to_string()).await.expect(403);
    // The test key does not see the live account.
    assert_eq!(app.get("/api/accounts").await.data()["total"], 1);
    for (method, path) in [
        ("GET", "/api/accounts/desk"),
        ("PUT", "/api/accounts/desk"),
        ("DELETE", "/api/accounts/desk"),
        ("POST", "/api/accounts/desk/test"),
        ("POST", "/api/accounts/desk/subscribe"),
        ("GET", "/api/accounts/desk/profile"),
    ] {
        let body = if method == "PUT" { "{}" } else { "" };
        assert_eq!(app.request(method, path, body).await.expect(403).code(), "forbidden", "{method} {path}");
    }
}

#[tokio::test]
async fn the_default_account_can_be_changed() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let defaults = async || {
        let listed = app.get("/api/accounts").await;
        let accounts = listed.data()["accounts"].as_array().unwrap().clone();
        let defaults = accounts.iter().filter(|account| account["default"] == true);
        defaults.map(|account| account["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(defaults().await, ["sandbox"]);
    let changed = put(&app, "/api/accounts/clinic", &json!({"default": true})).await.expect(200);
    assert_eq!(changed.data()["id"], clinic.to_string());
    assert_eq!(defaults().await, ["clinic"]);
    let gone = app.request("DELETE", "/api/accounts/clinic", "").await.expect(204);
    assert_eq!(gone.body, json!(""));
    assert_eq!(defaults().await, ["sandbox"]);
    app.send_text(CUSTOMER).await.expect(200);
    put(&app, "/api/accounts/sandbox", &json!({"default": false})).await.expect(200);
    assert!(defaults().await.is_empty());
    app.request("DELETE", "/api/accounts/clinic", "").await.expect(404);
    app.request("DELETE", "/api/accounts/sandbox?force=maybe", "").await.expect(400);
}

#[tokio::test]
async fn an_account_with_a_queue_is_removed_only_with_force() {
    let app = TestApp::new().await;
    let body =
        json!({"to": CUSTOMER, "type": "text", "text": "Later", "send_at": "2026-01-01T01:00:00.000Z"});
    let queued = app.send(body).await.expect(202);
    let busy = app.request("DELETE", "/api/accounts/sandbox", "").await.expect(409);
    assert_eq!((busy.code(), &busy.body["details"]["waiting"]), ("account_busy", &json!(1)));
    app.get("/api/accounts/sandbox").await.expect(200);
    app.request("DELETE", "/api/accounts/sandbox?force=true", "").await.expect(204);
    let id = queued.data()["id"].as_str().unwrap();
    let live = app.get(&format!("/api/messages/{id}")).await.expect(200);
    assert_eq!(live.data()["status"], "canceled");
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_valid_new_token_ends_the_suspension_and_the_queue_continues() {
    let app = TestApp::new().await;
    let second = "EAAsecond-token";
    let like = Some(app.seeded.access_token.clone());
    app.sim
        .change_token(&TokenChange { access_token: second.into(), like, ..TokenChange::default() })
        .unwrap();
    let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"});
    let queued = app.send(body).await.expect(202);
    // The token expires at Meta while the message is in the queue.
    let revoked = TokenChange {
        access_token: app.seeded.access_token.clone(),
        is_valid: Some(false),
        ..TokenChange::default()
    };
    app.sim.change_token(&revoked).unwrap();
    app.tick_queue().await;
    let held = app.get("/api/accounts/sandbox").await;
    assert_eq!(held.data()["status"], "held");
    let id = queued.data()["id"].as_str().unwrap().to_owned();

    // A token that Meta rejects changes nothing.
    let refused =
        put(&app, "/api/accounts/sandbox", &json!({"access_token": "MARK-wrong", "name": "new"})).await;
    let refused = refused.expect(400);
    assert_eq!(refused.pointers(), ["/access_token"]);
    assert!(refused.reasons().contains("code 190") && !refused.body.to_string().contains("MARK"));
    // A token that cannot be checked is stored, and the suspension remains.
    app.sim.fail(Fault { times: 1, ..Fault::on("/debug_token", FaultAction::CutBefore) });
    let untried = put(&app, "/api/accounts/sandbox", &json!({"access_token": second})).await.expect(200);
    assert_eq!(untried.data()["status"], "held");

    let changed = put(&app, "/api/accounts/sandbox", &json!({"access_token": second})).await.expect(200);
    assert_eq!(
        (&changed.data()["status"], &changed.data()["status_reason"]),
        (&json!("connected"), &Value::Null)
    );
    app.tick_queue().await;
    app.send_text("+15550100001").await.expect(200);
    let waited = app.message(&id).await;
    assert_eq!(waited["status"], "sent", "{waited:#}");
}

#[tokio::test]
async fn a_new_token_does_not_end_a_suspension_with_another_cause() {
    let app = TestApp::new().await;
    let response = sim::FaultAnswer { code: Some(133_010), ..sim::FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
    app.send_text(CUSTOMER).await.expect(503);
    let body = json!({"access_token": app.seeded.access_token});
    assert_eq!(put(&app, "/api/accounts/sandbox", &body).await.expect(200).data()["status"], "held");
}

#[tokio::test]
async fn an_account_test_has_one_line_per_check() {
    let (app, _serving, _) = served().await;
    let names = ["token", "expiry", "scopes", "number", "quality", "webhook", "callback"];
    let tested = app.post("/api/accounts/sandbox/test", &json!({})).await.expect(200);
    let checks = tested.data()["checks"].as_array().unwrap();
    for (check, name) in checks.iter().zip(names) {
        assert_eq!((&check["name"], &check["ok"]), (&json!(name), &json!(true)), "{check}");
        assert!(!check["finding"].as_str().unwrap().is_empty());
    }
    assert_eq!((checks.len(), &tested.data()["ok"]), (names.len(), &json!(true)));

    // The account has no verify token, and the app is not subscribed.
    put(&app, "/api/accounts/sandbox", &json!({"verify_token": null})).await.expect(200);
    let path = format!("/v24.0/{}/subscribed_apps", app.seeded.waba_id);
    graph(&app, "DELETE", &path, None).await;
    let tested = app.request("POST", "/api/accounts/sandbox/test", "").await.expect(200);
    let wrong: Vec<_> = tested.data()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!((wrong, &tested.data()["ok"]), (vec!["webhook", "callback"], &json!(false)));
    let subscribed = app.post("/api/accounts/sandbox/subscribe", &json!({})).await.expect(200);
    assert_eq!(subscribed.data()["subscribed_apps"].as_array().unwrap().len(), 1);
    app.post("/api/accounts/nobody/test", &json!({})).await.expect(404);
}

#[tokio::test]
async fn an_account_test_shows_when_the_token_expires() {
    let (app, _serving, _) = served().await;
    let expiry = async || {
        let tested = app.post("/api/accounts/sandbox/test", &json!({})).await.expect(200);
        tested.data()["checks"].as_array().unwrap()[1].clone()
    };
    let never = json!({"name": "expiry", "ok": true, "finding": "never"});
    assert_eq!(expiry().await, never);
    let ends = TokenChange {
        access_token: app.seeded.access_token.clone(),
        expires_in_seconds: Some(3 * 86_400 + 60),
        ..TokenChange::default()
    };
    app.sim.change_token(&ends).unwrap();
    let soon = json!({"name": "expiry", "ok": true, "finding": "at 2026-01-04T00:01:00.000Z, in 3 days"});
    assert_eq!(expiry().await, soon);
}

/// Calls the simulated Graph API with the account's token.
async fn graph(app: &TestApp, method: &str, path: &str, body: Option<&Value>) -> Value {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header("Authorization", format!("Bearer {}", app.seeded.access_token))
        .header("Content-Type", "application/json")
        .body(axum::body::Body::from(body.map_or_else(String::new, Value::to_string)))
        .unwrap();
    let response = app.sim.router().oneshot(request).await.unwrap();
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_wrong_callback_is_reported_and_the_probe_token_grants_nothing_else() {
    let app = TestApp::new().await;
    let tested = app.post("/api/accounts/sandbox/test", &json!({})).await.expect(200);
    let callback = tested.data()["checks"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&callback["name"], &callback["ok"]), (&json!("callback"), &json!(false)));
    assert!(callback["finding"].as_str().unwrap().contains("http://127.0.0.1:9/webhooks/meta"));
    let verify_path = "/webhooks/meta?hub.mode=subscribe&hub.challenge=7&hub.verify_token=";
    let request = async |word: &str| {
        let request =
            axum::http::Request::get(format!("{verify_path}{word}")).body(axum::body::Body::empty()).unwrap();
        app.call(request).await.status.as_u16()
    };
    assert_eq!(request(&app.seeded.verify_token).await, 200);
    assert_eq!(request("something").await, 403);
    assert_eq!(request("").await, 403);
}

#[tokio::test]
async fn a_number_is_registered_with_six_digits() {
    let app = TestApp::new().await;
    for pin in [json!("12345"), json!("1234567"), json!("12345a"), json!(123_456), Value::Null] {
        let refused = app.post("/api/accounts/sandbox/register", &json!({"pin": pin})).await.expect(400);
        assert_eq!(refused.pointers(), ["/pin"]);
        assert_eq!(refused.code(), "invalid_request");
    }
    let wrong = app.post("/api/accounts/sandbox/register", &json!({"pin": "999999"})).await.expect(400);
    assert_eq!((wrong.code(), &wrong.body["details"]["meta"]["code"]), ("meta_error", &json!(133_005)));
    let done = app.post("/api/accounts/sandbox/register", &json!({"pin": sim::PIN})).await.expect(200);
    assert!(done.data()["display_phone_number"].is_string(), "{:#}", done.body);
}

#[tokio::test]
async fn a_profile_is_read_and_changed_within_metas_limits() {
    let app = TestApp::new().await;
    let path = "/api/accounts/sandbox/profile";
    let profile = app.get(path).await.expect(200);
    assert!(profile.data().as_object().unwrap().contains_key("about"));
    let change = json!({"about": "Ferries", "email": "desk@harbour.example", "websites": ["https://harbour.example"],
        "vertical": "travel", "address": "Pier 1"});
    let changed = put(&app, path, &change).await.expect(200);
    assert_eq!(
        (&changed.data()["about"], &changed.data()["vertical"]),
        (&json!("Ferries"), &json!("TRAVEL"))
    );
    let cleared = put(&app, path, &json!({"address": null, "websites": null})).await.expect(200);
    assert_eq!((&cleared.data()["address"], &cleared.data()["websites"]), (&json!(""), &json!([])));
    assert_eq!(cleared.data()["about"], "Ferries");
    let wrong = json!({"about": "", "description": "x".repeat(513), "email": "nobody", "websites": ["a", "b", "c"],
        "vertical": "SHIPS", "colour": "red"});
    let refused = put(&app, path, &wrong).await.expect(400);
    assert_eq!(
        refused.pointers(),
        [
            "/about",
            "/description",
            "/email",
            "/websites",
            "/websites/0",
            "/websites/1",
            "/vertical",
            "/colour"
        ]
    );
    assert_eq!(app.get(path).await.data()["about"], "Ferries");
}

#[tokio::test]
async fn an_expiring_token_is_reported_at_fourteen_seven_and_one_days() {
    let mut app = TestApp::new().await;
    let ends = TokenChange {
        access_token: app.seeded.access_token.clone(),
        expires_in_seconds: Some(16 * 86_400),
        ..TokenChange::default()
    };
    app.sim.change_token(&ends).unwrap();
    for hour in 0..(16 * 24) {
        background::tick_phone_numbers(&app.deps).await.unwrap();
        if hour == 100 {
            app.restart().await;
        }
        app.advance(3600);
    }
    let response = app.get("/api/events").await.expect(200);
    let days: Vec<_> = response.data()["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["data"]["change"] == "token_expiry")
        .map(|event| event["data"]["details"]["within_days"].as_i64().unwrap())
        .collect();
    assert_eq!(days, [14, 7, 1]);
}

#[tokio::test]
async fn secrets_are_write_only() {
    let app = TestApp::new().await;
    let mut responses = Vec::new();
    responses.push(app.post("/api/accounts", &new_account("desk")).await.expect(201));
    responses.push(app.post("/api/accounts", &new_account("desk")).await.expect(409));
    let change =
        json!({"access_token": "MARK-refused", "app_secret": "MARK-second", "verify_token": "MARK-third"});
    responses.push(put(&app, "/api/accounts/desk", &change).await.expect(400));
    let change = json!({"app_secret": "MARK-second", "verify_token": "MARK-third"});
    responses.push(put(&app, "/api/accounts/desk", &change).await.expect(200));
    responses.push(app.post("/api/accounts/desk/register", &json!({"pin": "MARK-1"})).await.expect(400));
    for (method, path) in [
        ("GET", "/api/accounts"),
        ("GET", "/api/accounts/desk"),
        ("POST", "/api/accounts/desk/test"),
        ("POST", "/api/accounts/desk/subscribe"),
        ("GET", "/api/accounts/desk/profile"),
        ("POST", "/api/accounts/desk/resume"),
        ("GET", "/api/events"),
    ] {
        responses.push(app.request(method, path, "").await);
    }
    for response in &responses {
        assert!(!response.body.to_string().contains("MARK"), "{:#}", response.body);
        assert!(response.headers.values().all(|value| !value.to_str().unwrap().contains("MARK")));
    }
    for entry in std::fs::read_dir(app.folder()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"MARK"));
    }
}
