//! Throughput, pair rate, calls per hour.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::harness::{MAYA, World, ok};

#[tokio::test]
async fn a_number_sends_80_messages_per_second() {
    let world = World::new();
    for n in 0..80 {
        assert_eq!(world.text(&format!("+44 7700 900{n:03}")).await.status, 200, "{n}");
    }
    let answer = world.text(MAYA).await;
    assert_eq!((answer.status, answer.code()), (400, 130_429));
    world.sim.advance(Duration::from_millis(999));
    assert_eq!(world.text(MAYA).await.code(), 130_429);
    world.sim.advance(Duration::from_millis(1));
    assert_eq!(world.text(MAYA).await.status, 200);
    assert_eq!(world.sim.messages().len(), 81, "refused messages do not count");
}

#[tokio::test]
async fn each_number_has_its_own_throughput() {
    let world = World::new();
    world.set(|settings| settings.throughput = 1);
    ok(world.text(MAYA).await);
    assert_eq!(world.text(MAYA).await.code(), 130_429);
    let second = world.sim.accounts()[1].clone();
    let path = format!("/{}/messages", second.phone_number_id);
    let body = json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text", "text": {"body": "x"}});
    assert_eq!(world.call_as(&second.access_token, Method::POST, &path, Some(body)).await.status, 200);
}

#[tokio::test]
async fn a_pair_borrows_45_messages_and_pays_one_per_six_seconds() {
    let world = World::new();
    for n in 0..45 {
        assert_eq!(world.text(MAYA).await.status, 200, "{n}");
    }
    let answer = world.text(MAYA).await;
    assert_eq!((answer.status, answer.code()), (400, 131_056));
    assert_eq!(world.text("+44 7700 900124").await.status, 200, "another person");
    world.sim.advance(Duration::from_secs(6));
    assert_eq!(world.text(MAYA).await.status, 200);
    assert_eq!(world.text(MAYA).await.code(), 131_056);
    world.sim.advance(Duration::from_secs(45 * 6));
    for n in 0..45 {
        assert_eq!(world.text(MAYA).await.status, 200, "{n}");
    }
    world.set(|settings| settings.pair_burst = 0);
    assert_eq!(world.text(MAYA).await.code(), 0, "the rule can be turned off");
}

#[tokio::test]
async fn management_calls_are_counted_per_hour() {
    let world = World::new();
    world.set(|settings| settings.calls_per_hour = 3);
    for _ in 0..3 {
        ok(world.get("/v24.0/{waba}/message_templates").await);
    }
    let answer = world.get("/v24.0/{waba}").await;
    assert_eq!((answer.status, answer.code()), (400, 80_007));
    assert_eq!(answer.body["error"]["is_transient"], true);
    assert_eq!(world.text(MAYA).await.status, 200, "messages are not management calls");
    world.sim.advance(Duration::from_secs(3_600));
    let answer = world.get("/v24.0/{waba}").await;
    let usage = answer.headers["x-business-use-case-usage"].to_str().unwrap().to_owned();
    assert!(usage.contains("\"call_count\":33"), "{usage}");
    ok(answer);
}

#[tokio::test]
async fn templates_created_are_counted_per_hour() {
    let world = World::new();
    world.set(|settings| settings.templates_per_hour = 1);
    let template = |name: &str| {
        json!({"name": name, "language": "en", "category": "UTILITY",
            "components": [{"type": "BODY", "text": "Hello there"}]})
    };
    ok(world.post("/v24.0/{waba}/message_templates", template("a")).await);
    assert_eq!(world.post("/v24.0/{waba}/message_templates", template("b")).await.code(), 80_007);
    world.sim.advance(Duration::from_secs(3_600));
    ok(world.post("/v24.0/{waba}/message_templates", template("b")).await);
}

#[tokio::test]
async fn a_number_is_registered_ten_times_in_72_hours() {
    let world = World::new();
    let body = json!({"messaging_product": "whatsapp", "pin": sim::PIN});
    for _ in 0..5 {
        ok(world.post("/v24.0/{number}/deregister", json!({})).await);
        ok(world.post("/v24.0/{number}/register", body.clone()).await);
    }
    assert_eq!(world.post("/v24.0/{number}/deregister", json!({})).await.code(), 133_016);
    world.sim.advance(Duration::from_secs(72 * 3_600));
    ok(world.post("/v24.0/{number}/deregister", json!({})).await);
}
