//! A live account is created only with an access token that can read its phone number at Meta.

use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, TokenChange};

use crate::support::{TestApp, TestResponse};

/// Returns the body of a live account: the second account of the simulator, which takes the place of Meta.
fn live_account(app: &TestApp) -> Value {
    let seeded = app.sim.accounts().into_iter().nth(1).unwrap();
    json!({"name": "desk", "phone_number_id": seeded.phone_number_id, "waba_id": seeded.waba_id,
        "access_token": seeded.access_token, "sandbox": false})
}

async fn create(app: &TestApp, key: &str, body: &Value) -> TestResponse {
    app.request_as(key, "POST", "/api/accounts", body.to_string()).await
}

#[tokio::test]
async fn a_live_account_is_verified_at_meta_and_shows_its_number() {
    let app = TestApp::new().await;
    let live = app.key(|new| new.is_test = false).await;
    let body = live_account(&app);
    for (field, wrong) in [
        ("access_token", "MARK-wrong-token"),
        ("phone_number_id", "330011220099001"),
        ("phone_number_id", app.seeded.phone_number_id.as_str()),
        ("waba_id", "210987650001001"),
        ("waba_id", app.seeded.waba_id.as_str()),
    ] {
        let mut body = body.clone();
        body[field] = json!(wrong);
        // The token of the other account cannot read the number.
        let refused = create(&app, &live, &body).await.expect(400);
        assert_eq!(refused.pointers(), [format!("/{field}")], "{wrong}: {:#}", refused.body);
        assert!(!refused.body.to_string().contains("MARK"), "{:#}", refused.body);
    }
    let listed = app.request_as(&live, "GET", "/api/accounts", "").await.expect(200);
    assert_eq!(listed.data()["total"], 0);
    let created = create(&app, &live, &body).await.expect(201);
    assert_eq!((&created.data()["status"], &created.data()["sandbox"]), (&json!("connected"), &json!(false)));
    assert!(created.data()["display_phone_number"].as_str().unwrap().starts_with('+'));
    let audit = app.get("/api/audit?action=account.create&subject=desk").await;
    // A test key does not read the audit log of a workspace with live accounts.
    audit.expect(403);
    let audit = app.request_as(&live, "GET", "/api/audit?action=account.create&subject=desk", "").await;
    assert_eq!(audit.expect(200).data()["audit"][0]["details"]["verified"], true);
}

#[tokio::test]
async fn a_live_account_is_not_created_while_meta_cannot_verify_it() {
    let app = TestApp::new().await;
    let live = app.key(|new| new.is_test = false).await;
    let body = live_account(&app);
    let waba = format!("/{}/phone_numbers", body["waba_id"].as_str().unwrap());
    let number = format!("/{}", body["phone_number_id"].as_str().unwrap());
    for path in [&number, &waba] {
        app.sim.fail(Fault { times: 1, ..Fault::on(path, FaultAction::CutBefore) });
        let away = create(&app, &live, &body).await.expect(503);
        assert_eq!((away.code(), away.number("retry-after")), ("meta_unavailable", 5), "{path}");
    }
    let limited = FaultAnswer { code: Some(80_008), ..FaultAnswer::default() };
    app.sim.fail(Fault { times: 1, ..Fault::on(&waba, FaultAction::Status(limited)) });
    let limited = create(&app, &live, &body).await.expect(429);
    assert_eq!(limited.code(), "meta_rate_limited");
    create(&app, &live, &body).await.expect(201);
}

#[tokio::test]
async fn a_sandbox_account_is_not_verified() {
    let app = TestApp::new().await;
    let mut body = live_account(&app);
    body["sandbox"] = json!(true);
    body["phone_number_id"] = json!("330011220099001");
    body["access_token"] = json!("any-token");
    let created = app.post("/api/accounts", &body).await.expect(201);
    assert_eq!(created.data()["display_phone_number"], Value::Null);
}

#[tokio::test]
async fn a_sandbox_account_with_the_same_number_does_not_block_the_live_account() {
    let app = TestApp::new().await;
    let live = app.key(|new| new.is_test = false).await;
    let body = live_account(&app);
    let mut sandbox = body.clone();
    sandbox["sandbox"] = json!(true);
    sandbox["name"] = json!("desk in the sandbox");
    app.post("/api/accounts", &sandbox).await.expect(201);
    create(&app, &live, &body).await.expect(201);
    let mut again = body.clone();
    again["name"] = json!("another desk");
    let conflict = create(&app, &live, &again).await.expect(409);
    assert_eq!(conflict.body["details"]["field"], "phone_number_id");
}

#[tokio::test]
async fn a_new_token_of_a_live_account_is_stored_only_if_meta_verifies_it() {
    let app = TestApp::new().await;
    let live = app.key(|new| new.is_test = false).await;
    let body = live_account(&app);
    create(&app, &live, &body).await.expect(201);
    let token = body["access_token"].as_str().unwrap();
    let like = Some(token.to_owned());
    let second = "EAAsecond-token";
    app.sim
        .change_token(&TokenChange { access_token: second.into(), like, ..TokenChange::default() })
        .unwrap();
    let change = async |token: &str| {
        let body = json!({"access_token": token}).to_string();
        app.request_as(&live, "PUT", "/api/accounts/desk", body).await
    };
    // This token is valid, and cannot read the number.
    let refused = change(&app.seeded.access_token).await.expect(400);
    assert_eq!(refused.pointers(), ["/access_token"]);
    let waba = format!("/{}/phone_numbers", body["waba_id"].as_str().unwrap());
    for path in ["/debug_token", &waba] {
        app.sim.fail(Fault { times: 1, ..Fault::on(path, FaultAction::CutBefore) });
        assert_eq!(change(second).await.expect(503).code(), "meta_unavailable", "{path}");
    }
    change(second).await.expect(200);
}
