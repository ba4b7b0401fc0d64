//! The control API.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use sim::{Cut, Delay};

use crate::harness::{MAYA, World, ok};

const GET: Method = Method::GET;
const POST: Method = Method::POST;

async fn fault(world: &World, body: Value) -> u64 {
    let answer = world.control(POST, "/faults", Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["id"].as_u64().unwrap()
}

#[tokio::test]
async fn accounts_are_constant() {
    let world = World::new();
    let answer = ok(world.control(GET, "/accounts", None).await);
    expect_test::expect![[r#"
        [
          {
            "access_token": "EAAsandbox1AccessTokenOfTheSimulatorItOpensNothingElse",
            "app_id": "555010000000001",
            "app_secret": "sandbox-1-app-secret-of-the-simulator",
            "display_phone_number": "+1 555-010-9999",
            "name": "Sandbox Shop",
            "phone_number_id": "555010000000301",
            "verify_token": "sandbox-verify-token",
            "waba_id": "555010000000201"
          },
          {
            "access_token": "EAAsandbox2AccessTokenOfTheSimulatorItOpensNothingElse",
            "app_id": "555010000000002",
            "app_secret": "sandbox-2-app-secret-of-the-simulator",
            "display_phone_number": "+1 555-010-9998",
            "name": "Sandbox Clinic",
            "phone_number_id": "555010000000302",
            "verify_token": "sandbox-verify-token",
            "waba_id": "555010000000202"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&answer).unwrap());
}

#[tokio::test]
async fn more_accounts_can_be_made() {
    let mut world = World::new();
    let made = world.control(POST, "/accounts", Some(json!({"name": "Third", "app_secret": "s3"}))).await;
    assert_eq!(made.status, 200);
    assert_eq!(made.body["app_secret"], "s3");
    let more = json!({"waba_id": made.body["waba_id"], "app_id": made.body["app_id"]});
    let second_number = ok(world.control(POST, "/accounts", Some(more)).await);
    assert_eq!(second_number["access_token"], made.body["access_token"], "the app's token");
    assert_ne!(second_number["phone_number_id"], made.body["phone_number_id"]);
    assert_eq!(world.sim.accounts().len(), 4);
    world.account = world.sim.accounts()[3].clone();
    ok(world.text(MAYA).await);
    ok(world.template(json!({"name": "hello_world", "language": {"code": "en_US"}})).await);
    for wrong in [
        json!({"phone_number_id": "555010000000301"}),
        json!({"display_phone_number": "+1 555 010 9999"}),
        json!({"waba_id": "my waba"}),
        json!({"secret": "x"}),
    ] {
        assert_eq!(world.control(POST, "/accounts", Some(wrong.clone())).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn messages_are_an_array_with_filters() {
    let world = World::new();
    assert_eq!(ok(world.control(GET, "/messages", None).await), json!([]));
    let body = json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text", "text": {"body": "x"},
        "biz_opaque_callback_data": "ref"});
    let id = world.post("/v24.0/{number}/messages", body.clone()).await.wamid();
    ok(world.text("+1 555 010 0001").await);
    let all = ok(world.control(GET, "/messages", None).await);
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(
        all[0],
        json!({"message_id": id, "phone_number_id": world.account.phone_number_id, "to": MAYA,
        "recipient": null, "wa_id": "447700900123", "type": "text", "body": body, "accepted_at": "2026-01-01T00:00:00.000Z",
        "status": "accepted", "biz_opaque_callback_data": "ref", "errors": null})
    );
    for (query, n) in [
        ("to=447700900123", 1),
        ("to=%2B44%207700%20900123", 1),
        ("to=15550100001", 1),
        ("to=1", 0),
        (
            &format!(
                "message_id={}",
                url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>()
            )[..],
            1,
        ),
        ("biz_opaque_callback_data=ref", 1),
        ("phone_number_id=555010000000302", 0),
    ] {
        let some = ok(world.control(GET, &format!("/messages?{query}"), None).await);
        assert_eq!(some.as_array().unwrap().len(), n, "{query}");
    }
    assert_eq!(world.control(GET, "/messages?colour=red", None).await.status, 400);
}

#[tokio::test]
async fn a_customer_writes_and_reads() {
    let world = World::new();
    let body = json!({"account": world.account.phone_number_id, "from": "+1 555 010 0001", "name": "Ann",
        "message": {"type": "text", "text": {"body": "hi"}}});
    let id = ok(world.control(POST, "/inbound", Some(body)).await)["message_id"].clone();
    let webhook = world.sim.take_webhooks().remove(0).json();
    assert_eq!(webhook["entry"][0]["changes"][0]["value"]["messages"][0]["id"], id);
    let sent = world.text("+1 555 010 0001").await.wamid();
    ok(world.control(POST, "/statuses", Some(json!({"message_id": sent, "status": "read"}))).await);
    let webhook = world.sim.take_webhooks().remove(0).json();
    assert_eq!(webhook["entry"][0]["changes"][0]["value"]["statuses"][0]["status"], "read");
    for (path, body, status) in [
        ("/inbound", json!({"from": MAYA}), 400),
        ("/inbound", json!({"from": MAYA, "message": {"type": "text"}, "colour": "red"}), 400),
        ("/statuses", json!({"message_id": "wamid.none", "status": "read"}), 404),
        ("/statuses", json!({"message_id": sent, "status": "eaten"}), 400),
        ("/statuses", json!({"status": "read"}), 400),
    ] {
        let answer = world.control(POST, path, Some(body.clone())).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.body["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn a_status_fault_answers_instead_and_only_so_often() {
    let world = World::new();
    let body = json!({"match": {"path": "/messages", "to": MAYA}, "action": "status", "code": 130429, "times": 2,
        "retry_after": 7});
    let id = fault(&world, body).await;
    assert!(id > 0);
    assert_eq!(world.text("+44 7700 900124").await.status, 200, "another recipient");
    assert_eq!(world.get("/v24.0/{number}").await.status, 200, "another path");
    for _ in 0..2 {
        let answer = world.text(MAYA).await;
        assert_eq!((answer.status, answer.code()), (400, 130_429));
        assert_eq!(answer.headers["retry-after"], "7");
        assert_eq!(
            answer.details(),
            "Message not sent: this number has sent too many messages in a short time."
        );
    }
    assert_eq!(world.text(MAYA).await.status, 200);
    assert_eq!(world.sim.messages().len(), 2);
}

#[tokio::test]
async fn a_status_fault_can_say_anything() {
    let world = World::new();
    for (body, status, code) in [
        (json!({"action": "status", "status": 429, "code": 80007}), 429, 80_007),
        (json!({"action": "status", "code": 190, "subcode": 460, "details": "changed"}), 401, 190),
        (json!({"action": "status", "status": 418, "code": 4242}), 418, 4242),
        (json!({"action": "status", "status": 502}), 502, 0),
        (json!({"action": "status", "status": 200, "body": {"strange": true}}), 200, 0),
        (
            json!({"action": "status", "status": 500, "body": {"error": {"code": 2}}, "headers": {"x-a": "b"}}),
            500,
            2,
        ),
    ] {
        fault(&world, body.clone()).await;
        let answer = world.text(MAYA).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{body}");
        if body.get("headers").is_some() {
            assert_eq!(answer.headers["x-a"], "b");
        }
        if body.get("subcode").is_some() {
            assert_eq!((&answer.body["error"]["error_subcode"], answer.details()), (&json!(460), "changed"));
        }
    }
    assert!(world.sim.messages().is_empty(), "none of them was processed");
}

#[tokio::test]
async fn cuts_delays_and_refusals_are_marked_in_process() {
    let world = World::new();
    fault(&world, json!({"match": {"path": "/messages", "to": "ignored"}, "action": "cut_before"})).await;
    let answer = world.text(MAYA).await;
    assert_eq!((answer.status, answer.cut), (599, Some(Cut::Before)));
    assert!(world.sim.messages().is_empty());

    fault(&world, json!({"match": {"path": "/messages"}, "action": "cut_after"})).await;
    assert_eq!(world.text(MAYA).await.cut, Some(Cut::After));
    assert_eq!(world.sim.messages().len(), 1);

    for (n, body) in [
        (1_500, json!({"action": "delay", "delay_ms": 1500})),
        (20, json!({"action": "delay", "ms": 20})),
        (2_500, json!({"action": "delay", "delay_seconds": 2.5})),
        (3_000, json!({"action": "delay", "seconds": 3})),
    ] {
        fault(&world, body).await;
        let answer = world.text(MAYA).await;
        assert_eq!(answer.delay, Some(Delay(std::time::Duration::from_millis(n))));
        answer.wamid();
    }

    fault(&world, json!({"action": "refuse", "times": 2})).await;
    assert_eq!(world.text(MAYA).await.cut, Some(Cut::Refused));
    assert_eq!(world.get("/v24.0/{number}").await.cut, Some(Cut::Refused));
    assert_eq!(world.text(MAYA).await.cut, None);

    fault(&world, json!({"action": "refuse", "seconds": 10})).await;
    assert_eq!(world.text(MAYA).await.cut, Some(Cut::Refused));
    world.sim.advance(std::time::Duration::from_secs(10));
    assert_eq!(world.text(MAYA).await.cut, None);
}

#[tokio::test]
async fn faults_are_listed_and_cleared() {
    let world = World::new();
    fault(&world, json!({"match": {"method": "GET"}, "action": "status", "status": 500, "times": 3})).await;
    assert_eq!(world.text(MAYA).await.status, 200, "a POST");
    assert_eq!(world.get("/v24.0/{number}").await.status, 500);
    let listed = ok(world.control(GET, "/faults", None).await);
    assert_eq!((&listed[0]["action"], &listed[0]["times_left"]), (&json!("status"), &json!(2)));
    ok(world.control(Method::DELETE, "/faults", None).await);
    assert_eq!(ok(world.control(GET, "/faults", None).await), json!([]));
    assert_eq!(world.get("/v24.0/{number}").await.status, 200);
}

#[tokio::test]
async fn wrong_faults_say_why() {
    let world = World::new();
    for (body, part) in [
        (json!({"action": "explode"}), "unknown variant `explode`"),
        (json!({"match": {}}), "missing field `action`"),
        (json!({"action": "status"}), "needs a status, a code or both"),
        (json!({"action": "status", "status": 99}), "between 200 and 599"),
        (json!({"action": "status", "code": 4242}), "not in the table"),
        (json!({"action": "delay"}), "needs one of"),
        (json!({"action": "delay", "ms": 1, "seconds": 1}), "give one of"),
        (json!({"action": "delay", "seconds": -1}), "is not a time"),
        (json!({"action": "cut_after", "seconds": 1}), "goes with"),
        (json!({"action": "cut_after", "status": 500}), "go with action status"),
        (json!({"action": "cut_after", "times": 0}), "at least 1"),
        (json!({"action": "cut_after", "colour": "red"}), "unknown field `colour`"),
        (json!({"action": "cut_after", "match": {"url": "/"}}), "unknown field `url`"),
    ] {
        let answer = world.control(POST, "/faults", Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{body}");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[tokio::test]
async fn the_clock_moves_and_tells() {
    use std::sync::{Arc, Mutex};
    let told: Arc<Mutex<Vec<sim::ClockChange>>> = Arc::default();
    let listener = Arc::clone(&told);
    let world = World::with(sim::Options {
        on_clock_change: Some(Arc::new(move |change| listener.lock().unwrap().push(change))),
        ..sim::Options::default()
    });
    assert_eq!(
        ok(world.control(GET, "/clock", None).await),
        json!({"now": "2026-01-01T00:00:00.000Z", "unix": 1_767_225_600})
    );
    let moved = ok(world.control(POST, "/clock", Some(json!({"advance_seconds": 86400}))).await);
    assert_eq!(moved["now"], "2026-01-02T00:00:00.000Z");
    for wrong in [
        json!({}),
        json!({"advance_seconds": -1}),
        json!({"advance_seconds": 1e300}),
        json!({"advance": 1}),
        json!({"reset": false}),
        json!({"reset": true, "advance_seconds": 1}),
    ] {
        assert_eq!(world.control(POST, "/clock", Some(wrong)).await.status, 400);
    }
    let back = ok(world.control(POST, "/clock", Some(json!({"reset": true}))).await);
    assert_eq!(back["now"], "2026-01-01T00:00:00.000Z");
    let advanced = sim::ClockChange::Advanced(std::time::Duration::from_secs(86_400));
    assert_eq!(*told.lock().unwrap(), [advanced, sim::ClockChange::Reset]);
}

#[tokio::test]
async fn settings_are_changed_one_by_one() {
    let world = World::new();
    let changed =
        ok(world.control(POST, "/settings", Some(json!({"auto_statuses": false, "throughput": 1000}))).await);
    assert_eq!((&changed["auto_statuses"], &changed["throughput"]), (&json!(false), &json!(1000)));
    assert_eq!(changed["escape"], "meta");
    assert_eq!(ok(world.control(GET, "/settings", None).await), changed);
    assert_eq!(ok(world.get("/v24.0/{number}").await)["throughput"]["level"], "HIGH");
    for wrong in [json!({"colour": "red"}), json!({"throughput": -1}), json!({"escape": "html"}), json!([])] {
        assert_eq!(world.control(POST, "/settings", Some(wrong)).await.status, 400);
    }
}

#[tokio::test]
async fn steps_go_one_status_at_a_time_unless_asked() {
    let world = World::new();
    world.writes(MAYA);
    ok(world.text(MAYA).await);
    assert_eq!(ok(world.control(POST, "/step", None).await), json!({"statuses": 1}));
    assert_eq!(
        ok(world.control(POST, "/step", Some(json!({"statuses": "all"}))).await),
        json!({"statuses": 2})
    );
    assert_eq!(
        ok(world.control(POST, "/step", Some(json!({"statuses": "due"}))).await),
        json!({"statuses": 0})
    );
    assert_eq!(world.control(POST, "/step", Some(json!({"statuses": "some"}))).await.status, 400);
}

#[tokio::test]
async fn templates_are_added_and_reviewed() {
    let world = World::new();
    let made = |name: &str| {
        json!({"name": name, "language": "en", "category": "UTILITY",
            "components": [{"type": "BODY", "text": "Hello there"}]})
    };
    let many: Vec<Value> = (0..150).map(|n| made(&format!("many_{n}"))).collect();
    let ids = ok(world.control(POST, "/templates", Some(json!(many))).await)["ids"].clone();
    assert_eq!(ids.as_array().unwrap().len(), 150, "past the hourly limit");
    let id = ids[0].as_str().unwrap();
    ok(world.control(POST, &format!("/templates/{id}/review"), Some(json!({"status": "REJECTED"}))).await);
    assert_eq!(
        ok(world.get(&format!("/v24.0/{id}?fields=status,rejected_reason")).await)["rejected_reason"],
        "INVALID_FORMAT"
    );
    let mut pending = made("pending");
    pending["status"] = json!("PENDING");
    ok(world.control(POST, "/templates", Some(pending)).await);
    for (path, body, status) in [
        ("/templates/1/review", json!({"status": "APPROVED"}), 404),
        (&format!("/templates/{id}/review")[..], json!({"status": "LOVELY"}), 400),
        (&format!("/templates/{id}/review"), json!({}), 400),
        ("/templates", json!({"name": "x"}), 400),
        ("/templates", json!({"waba_id": "1", "name": "x"}), 400),
    ] {
        assert_eq!(world.control(POST, path, Some(body.clone())).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn webhooks_are_logged_redelivered_and_made_up() {
    let world = World::new();
    world.sim.inbound(&sim::InboundMessage::text(MAYA, "hi")).unwrap();
    let pending = ok(world.control(GET, "/webhooks?pending=true", None).await);
    assert_eq!(pending[0]["body"]["object"], "whatsapp_business_account");
    world.sim.take_webhooks();
    assert_eq!(ok(world.control(GET, "/webhooks?pending=true", None).await), json!([]));
    assert_eq!(ok(world.control(GET, "/webhooks", None).await).as_array().unwrap().len(), 1);

    let wish = json!({"order": "shuffled", "times": 3, "batch": 2});
    assert_eq!(
        ok(world.control(POST, "/webhooks/redeliver", Some(wish)).await),
        json!({"webhooks": 2, "updates": 3})
    );
    assert_eq!(
        ok(world.control(POST, "/webhooks/redeliver", None).await),
        json!({"webhooks": 1, "updates": 1})
    );
    assert_eq!(world.sim.take_webhooks().len(), 3);
    for wrong in [json!({"order": "random"}), json!({"times": 0}), json!({"batch": 1001}), json!({"n": 1})] {
        assert_eq!(world.control(POST, "/webhooks/redeliver", Some(wrong)).await.status, 400);
    }

    let value = json!({"messaging_product": "whatsapp", "errors": [{"code": 130429}]});
    for body in [
        json!({"body": {"any": "thing"}}),
        json!({"text": "no json"}),
        json!({"field": "messages", "value": value}),
    ] {
        ok(world.control(POST, "/webhooks/raw", Some(body)).await);
    }
    let made = world.sim.take_webhooks();
    assert_eq!(made[0].json(), json!({"any": "thing"}));
    assert_eq!(made[1].body.as_ref(), b"no json");
    assert_eq!(made[2].json()["entry"][0]["changes"][0]["value"], value);
    assert!(made[1].signature.starts_with("sha256="));
    assert_eq!(world.control(POST, "/webhooks/raw", Some(json!({}))).await.status, 400);
    assert_eq!(
        world.control(POST, "/webhooks/raw", Some(json!({"account": "1", "text": "x"}))).await.status,
        400
    );
}

#[tokio::test]
async fn a_reset_forgets_everything_but_the_accounts() {
    let world = World::new();
    let first = world.text(MAYA).await.wamid();
    fault(&world, json!({"action": "cut_before"})).await;
    ok(world.control(POST, "/settings", Some(json!({"throughput": 1}))).await);
    ok(world.control(POST, "/accounts", None).await);
    ok(world.control(POST, "/reset", None).await);
    assert!(world.sim.messages().is_empty());
    assert_eq!(world.sim.accounts().len(), 2);
    assert_eq!(world.sim.settings().throughput, 80);
    let second = world.text(MAYA).await.wamid();
    assert_ne!(first, second, "no id comes twice");
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let world = World::new();
    let request = |host: &str, origin: Option<&str>| {
        let mut request = Request::builder().method(POST).uri("/_sim/reset").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.body(Body::empty()).unwrap()
    };
    for (host, origin, status) in [
        ("127.0.0.1:8090", None, 200),
        ("localhost:8090", Some("http://localhost:8080"), 200),
        ("[::1]:8090", Some("http://127.0.0.1:8080"), 200),
        ("evil.example", None, 403),
        ("evil.example:8090", None, 403),
        ("127.0.0.1:8090", Some("http://evil.example"), 403),
        ("127.0.0.1:8090", Some("null"), 403),
    ] {
        assert_eq!(world.request(request(host, origin)).await.status, status, "{host} {origin:?}");
    }
    let graph =
        Request::builder().uri("/v24.0/1").header("host", "graph.facebook.com").body(Body::empty()).unwrap();
    assert_eq!(world.request(graph).await.status, 401, "the Graph API has no such rule");
}

#[tokio::test]
async fn unknown_control_calls_are_not_found() {
    let world = World::new();
    for path in ["/nonsense", "", "/templates/1/2/3"] {
        assert_eq!(world.control(GET, path, None).await.status, 404, "{path}");
    }
    assert_eq!(world.control(GET, "/reset", None).await.status, 405);
}
