//! Checks of template parameters before Meta is called.

use serde_json::{Value, json};

use crate::support::{NEW_RECIPIENT, TestApp};

fn send(template: &Value) -> Value {
    json!({"to": NEW_RECIPIENT, "type": "template", "template": template})
}

fn order(parameters: &Value) -> Value {
    send(&json!({"name": "order_confirmation", "language": {"code": "en"},
        "components": [{"type": "body", "parameters": parameters}]}))
}

#[tokio::test]
async fn missing_extra_and_wrong_parameters_are_reported() {
    let app = TestApp::new().await;
    let text = |text: &str| json!({"type": "text", "text": text});
    for (body, problem) in [
        (order(&json!([text("John")])), "missing"),
        (order(&json!([text("John"), text("ORD-789"), text("more")])), "extra"),
        (
            order(&json!([text("John"), {"type": "image", "image": {"link": "https://example.com/a.png"}}])),
            "wrong_kind",
        ),
        (send(&json!({"name": "order_confirmation", "language": "en"})), "missing"),
    ] {
        let response = app.send(body.clone()).await.expect(400);
        assert_eq!(response.code(), "template_parameters", "{body}");
        let errors = response.body["details"]["errors"].as_array().unwrap();
        assert!(
            errors.iter().any(|error| error["problem"] == problem && error["component"] == "body"),
            "{body} gave {:#}",
            response.body
        );
        assert!(response.pointers().iter().all(|pointer| pointer.starts_with("/template")));
    }
    assert_eq!(app.n_accepted(), 0);
    app.send(order(&json!([text("John"), text("ORD-789")]))).await.expect(200);
}

#[tokio::test]
async fn meta_accepts_every_seeded_template_that_the_gateway_accepts() {
    let app = TestApp::new().await;
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    let listed = app.get("/api/templates?status=approved&per_page=200").await.expect(200);
    assert!(listed.data()["total"].as_i64().unwrap() >= 2);
    for name in ["hello_world", "order_confirmation"] {
        assert!(listed.data()["templates"].as_array().unwrap().iter().any(|one| one["name"] == name));
    }
}

#[tokio::test]
async fn an_unknown_template_is_looked_up_once_per_minute() {
    let app = TestApp::new().await;
    let body = || send(&json!({"name": "spring_sale", "language": "en"}));
    let response = app.send(body()).await.expect(404);
    assert_eq!(response.code(), "template_not_found");
    let template = json!({"name": "spring_sale", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Spring is here."}]});
    app.sim.add_template(None, template.as_object().unwrap(), "APPROVED").unwrap();
    // A failed look-up is cached for a minute.
    app.send(body()).await.expect(404);
    app.advance(61);
    app.send(body()).await.expect(200);
}

#[tokio::test]
async fn a_language_that_the_template_does_not_have_is_not_found() {
    let app = TestApp::new().await;
    let response = app.send(send(&json!({"name": "hello_world", "language": "fr"}))).await.expect(404);
    assert_eq!(response.code(), "template_not_found");
    assert_eq!(response.body["details"]["language"], "fr");
}

#[tokio::test]
async fn a_sync_reports_its_changes() {
    let app = TestApp::new().await;
    let first = app.post("/api/templates/sync", &json!({"whatsapp_account": "sandbox"})).await.expect(200);
    assert!(first.data()["added"].as_i64().unwrap() >= 2);
    assert_eq!(first.data()["added"], first.data()["total"]);
    let second = app.request("POST", "/api/templates/sync", "").await.expect(200);
    assert_eq!((&second.data()["added"], &second.data()["removed"]), (&json!(0), &json!(0)));
    let one = app.get("/api/templates?name=hello_world").await;
    let id = one.data()["templates"][0]["id"].as_str().unwrap();
    let shown = app.get(&format!("/api/templates/{id}")).await.expect(200);
    assert_eq!(shown.data()["language"], "en_US");
    assert!(shown.data()["components"].is_array());
    app.get("/api/templates/nothing").await.expect(404);
    app.post("/api/templates/sync", &json!({"whatsapp_account": "nowhere"})).await.expect(404);
}
