//! Template management: lists, edits, deletion, review.

use std::{collections::BTreeSet, time::Duration};

use http::Method;
use serde_json::{Value, json};
use sim::{Options, Review, Sim};

use crate::harness::{World, fields, ok, values};

const PATH: &str = "/v24.0/{waba}/message_templates";

fn made(name: &str) -> Value {
    json!({"name": name, "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hello there"}]})
}

fn add(sim: &Sim, name: &str) -> String {
    sim.add_template(None, made(name).as_object().unwrap(), "APPROVED").unwrap()
}

fn names(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().unwrap();
    rows.iter()
        .map(|row| format!("{} {}", row["name"].as_str().unwrap(), row["language"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_seeded_templates_come_first_and_approved() {
    let world = World::new();
    let page = ok(world.get(PATH).await);
    assert_eq!(names(&page)[..2], ["hello_world en_US", "order_confirmation en"]);
    for row in page["data"].as_array().unwrap() {
        assert_eq!(row["status"], "APPROVED");
    }
    let keys: BTreeSet<&String> = page["data"][0].as_object().unwrap().keys().collect();
    let expected = ["category", "components", "id", "language", "name", "parameter_format", "status"];
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), expected);
    assert!(page["paging"]["cursors"]["after"].is_string());
    assert!(page["paging"].get("next").is_none());
}

#[tokio::test]
async fn paging_yields_each_template_once_also_while_some_are_added() {
    let world = World::new();
    for n in 0..60 {
        add(&world.sim, &format!("page_{n:02}"));
    }
    let mut seen = Vec::new();
    let mut path = format!("{PATH}?limit=7&fields=name,language");
    loop {
        let page = ok(world.get(&path).await);
        assert!(page["data"].as_array().unwrap().len() <= 7);
        seen.extend(names(&page));
        if seen.len() == 14 {
            add(&world.sim, "added_meanwhile");
        }
        let Some(next) = page["paging"]["next"].as_str() else { break };
        assert!(next.starts_with("http://127.0.0.1:8090/v24.0/"), "{next}");
        path = next.trim_start_matches("http://127.0.0.1:8090").to_owned();
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len());
    assert_eq!(seen.iter().filter(|name| name.starts_with("page_")).count(), 60);
}

#[tokio::test]
async fn paging_goes_back_too() {
    let world = World::new();
    let first = ok(world.get(&format!("{PATH}?limit=3")).await);
    assert!(first["paging"].get("previous").is_none());
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    let second = ok(world.get(&format!("{PATH}?limit=3&after={after}")).await);
    assert!(second["paging"]["previous"].is_string());
    let before = second["paging"]["cursors"]["before"].as_str().unwrap();
    let again = ok(world.get(&format!("{PATH}?limit=3&before={before}")).await);
    assert_eq!(names(&again), names(&first));
}

#[tokio::test]
async fn a_foreign_cursor_is_refused() {
    let world = World::new();
    let other = world.sim.accounts()[1].clone();
    let path = format!("/v24.0/{}/message_templates?limit=1", other.waba_id);
    let page = ok(world.call_as(&other.access_token, Method::GET, &path, None).await);
    let cursor = page["paging"]["cursors"]["after"].as_str().unwrap();
    assert_eq!(world.get(&format!("{PATH}?after={cursor}")).await.code(), 131_059);
    assert_eq!(world.get("/v23.0/{waba}/message_templates?after=rubbish").await.code(), 100);
    assert_eq!(world.get(&format!("{PATH}?limit=0")).await.code(), 100);
}

#[tokio::test]
async fn lists_are_filtered() {
    let world = World::new();
    let id = add(&world.sim, "probe");
    world.sim.review(
        &id,
        &Review { status: Some("PAUSED".to_owned()), quality: Some("RED".to_owned()), ..Review::default() },
    );
    for (query, expected) in [
        ("name=probe", vec!["probe en"]),
        ("name=hello", vec!["hello_world en_US"]),
        ("status=PAUSED", vec!["probe en"]),
        ("status=paused,REJECTED", vec!["probe en"]),
        ("status=[\"PAUSED\"]", vec!["probe en"]),
        ("language=en_GB", vec!["sandbox_named_parameters en_GB"]),
        ("category=AUTHENTICATION", vec!["sandbox_login_code en"]),
        ("quality_score=RED", vec!["probe en"]),
        ("content=Nobody%27s", vec!["hello_world en_US"]),
        ("name_or_content=order_conf", vec!["order_confirmation en"]),
        ("status=REJECTED", vec![]),
    ] {
        let query = query.replace('[', "%5B").replace(']', "%5D").replace('"', "%22");
        let page = ok(world.get(&format!("{PATH}?{query}")).await);
        assert_eq!(names(&page), expected, "{query}");
    }
    let empty = ok(world.get(&format!("{PATH}?status=REJECTED")).await);
    assert_eq!(empty, json!({"data": []}));
}

#[tokio::test]
async fn fields_and_summary_are_given_as_asked() {
    let world = World::new();
    let page = ok(world
        .get(&format!("{PATH}?fields=name,quality_score,nonsense&limit=1&summary=total_count,nonsense"))
        .await);
    assert_eq!(
        page["data"][0],
        json!({"id": page["data"][0]["id"], "name": "hello_world",
        "quality_score": {"score": "GREEN", "date": 1_767_225_600}})
    );
    let total = page["summary"]["total_count"].as_u64().unwrap();
    assert_eq!(page["summary"], json!({"total_count": total}));
    let page = ok(world
        .get(&format!("{PATH}?name=hello&summary=total_count,message_template_count,message_template_limit"))
        .await);
    assert_eq!(
        page["summary"],
        json!({"total_count": 1, "message_template_count": total, "message_template_limit": 6000})
    );

    world.set(|settings| settings.strict_fields = true);
    let strict = world.get(&format!("{PATH}?fields=name,nonsense")).await;
    assert_eq!(strict.code(), 100);
    assert_eq!(
        strict.message(),
        "(#100) Tried accessing nonexisting field (nonsense) on node type (WhatsAppMessageTemplate)"
    );
}

#[tokio::test]
async fn a_name_and_language_exist_once() {
    let world = World::new();
    ok(world.post(PATH, made("probe")).await);
    let again = world.post(PATH, made("probe")).await;
    assert_eq!(again.body["error"]["error_subcode"], 2_388_024);
    let mut german = made("probe");
    german["language"] = json!("de");
    ok(world.post(PATH, german).await);
}

#[tokio::test]
async fn a_deleted_approved_template_holds_its_name_for_30_days() {
    let world = World::new();
    add(&world.sim, "probe");
    ok(world.delete(&format!("{PATH}?name=probe")).await);
    let events = values(&world.sim.take_webhooks());
    assert_eq!((&events[0]["event"], &events[0]["reason"]), (&json!("PENDING_DELETION"), &Value::Null));
    assert_eq!(world.post(PATH, made("probe")).await.body["error"]["error_subcode"], 2_388_023);
    world.sim.advance(Duration::from_secs(30 * 86_400));
    ok(world.post(PATH, made("probe")).await);
}

#[tokio::test]
async fn deletion_is_by_name_or_by_name_and_id() {
    let world = World::new();
    let id = add(&world.sim, "probe");
    let mut german = made("probe");
    german["language"] = json!("de");
    world.sim.add_template(None, german.as_object().unwrap(), "APPROVED").unwrap();
    assert_eq!(world.delete(PATH).await.code(), 100);
    assert_eq!(world.delete(&format!("{PATH}?name=nobody")).await.code(), 100);
    assert_eq!(world.delete(&format!("{PATH}?name=other&hsm_id={id}")).await.code(), 100);
    ok(world.delete(&format!("{PATH}?name=probe&hsm_id={id}")).await);
    assert_eq!(names(&ok(world.get(&format!("{PATH}?name=probe")).await)), ["probe de"]);
    let disabled = world.sim.add_template(None, made("disabled").as_object().unwrap(), "DISABLED").unwrap();
    assert_eq!(
        world.delete(&format!("{PATH}?name=disabled&hsm_id={disabled}")).await.body["error"]["error_subcode"],
        2_388_039
    );
}

#[tokio::test]
async fn a_change_goes_through_review_and_is_limited() {
    let world = World::new();
    let id = add(&world.sim, "probe");
    let path = format!("/v24.0/{id}");
    let change = json!({"components": [{"type": "BODY", "text": "Another text"}]});
    let answer = ok(world.post(&path, change.clone()).await);
    assert_eq!(answer["success"], true);
    assert_eq!(ok(world.get(&path).await)["status"], "PENDING");
    assert_eq!(
        world.post(&path, change.clone()).await.body["error"]["error_subcode"],
        2_388_039,
        "while pending"
    );
    world.sim.review(&id, &Review { status: Some("APPROVED".to_owned()), ..Review::default() });
    assert_eq!(world.post(&path, change.clone()).await.code(), 100, "once a day");
    world.sim.advance(Duration::from_secs(86_400));
    ok(world.post(&path, change.clone()).await);
    world.sim.review(&id, &Review { status: Some("REJECTED".to_owned()), ..Review::default() });
    ok(world.post(&path, change.clone()).await);
    world.sim.review(&id, &Review { status: Some("APPROVED".to_owned()), ..Review::default() });
    world.sim.advance(Duration::from_secs(86_400));
    let category = world.post(&path, json!({"category": "MARKETING"})).await;
    assert_eq!(category.code(), 100, "the category of an approved template stays");
    let broken = world.post(&path, json!({"components": [{"type": "BODY", "text": "{{1}}"}]})).await;
    assert_eq!(broken.code(), 100);
}

#[tokio::test]
async fn a_review_sends_the_status_webhook() {
    let world = World::new();
    let id = ok(world.post(PATH, made("probe")).await)["id"].as_str().unwrap().to_owned();
    world.sim.take_webhooks();
    for (status, event, reason) in [
        ("APPROVED", "APPROVED", "NONE"),
        ("REJECTED", "REJECTED", "INVALID_FORMAT"),
        ("paused", "PAUSED", "NONE"),
    ] {
        assert_eq!(
            world.sim.review(&id, &Review { status: Some(status.to_owned()), ..Review::default() }),
            Some(Ok(()))
        );
        let webhooks = world.sim.take_webhooks();
        assert_eq!(fields(&webhooks), ["message_template_status_update"]);
        let body = webhooks[0].json();
        assert_eq!(body["entry"][0]["time"], 1_767_225_600);
        assert_eq!(body["entry"][0]["id"], world.account.waba_id.as_str());
        let value = &body["entry"][0]["changes"][0]["value"];
        assert_eq!(value["event"], event);
        assert_eq!(value["reason"], reason);
        assert_eq!(value["message_template_id"], json!(id.parse::<u64>().unwrap()), "an integer");
        assert_eq!(value["message_template_name"], "probe");
        assert_eq!(value["message_template_language"], "en");
        assert_eq!(value["message_template_category"], "UTILITY");
    }
    assert_eq!(world.sim.review("1", &Review::default()), None);
    assert!(world.sim.review(&id, &Review::default()).unwrap().is_err());
    assert!(
        world
            .sim
            .review(&id, &Review { status: Some("GREAT".to_owned()), ..Review::default() })
            .unwrap()
            .is_err()
    );
}

#[tokio::test]
async fn a_pause_ends_by_itself_and_the_third_is_for_good() {
    let world = World::new();
    let id = add(&world.sim, "probe");
    let pause = Review { status: Some("PAUSED".to_owned()), ..Review::default() };
    let status = async || ok(world.get(&format!("/v24.0/{id}?fields=status")).await)["status"].clone();
    for (hours, title) in [(3, "FIRST_PAUSE"), (6, "SECOND_PAUSE")] {
        world.sim.review(&id, &pause);
        assert_eq!(values(&world.sim.take_webhooks())[0]["other_info"]["title"], title);
        world.sim.advance(Duration::from_secs(hours * 3_600 - 1));
        assert!(world.step().await.is_empty());
        assert_eq!(status().await, "PAUSED");
        world.sim.advance(Duration::from_secs(1));
        assert_eq!(values(&world.step().await)[0]["other_info"]["title"], "UNPAUSE");
        assert_eq!(status().await, "APPROVED");
    }
    world.sim.review(&id, &pause);
    assert_eq!(status().await, "DISABLED");
    assert_eq!(values(&world.sim.take_webhooks())[0]["event"], "DISABLED");
}

#[tokio::test]
async fn a_pause_can_be_ended_by_a_call() {
    let world = World::new();
    let id = add(&world.sim, "probe");
    let path = format!("/v24.0/{id}/unpause");
    assert_eq!(world.post(&path, json!({})).await.body["success"], false);
    world.sim.review(&id, &Review { status: Some("PAUSED".to_owned()), ..Review::default() });
    assert_eq!(world.post(&path, json!({})).await.body["success"], true);
}

#[tokio::test]
async fn quality_and_category_have_their_webhooks() {
    let world = World::new();
    let id = add(&world.sim, "probe");
    let review = Review {
        quality: Some("YELLOW".to_owned()),
        category: Some("MARKETING".to_owned()),
        ..Review::default()
    };
    assert_eq!(world.sim.review(&id, &review), Some(Ok(())));
    let webhooks = world.sim.take_webhooks();
    assert_eq!(fields(&webhooks), ["message_template_quality_update", "template_category_update"]);
    let values = values(&webhooks);
    assert_eq!(
        (&values[0]["previous_quality_score"], &values[0]["new_quality_score"]),
        (&json!("GREEN"), &json!("YELLOW"))
    );
    assert_eq!(
        (&values[1]["previous_category"], &values[1]["new_category"]),
        (&json!("UTILITY"), &json!("MARKETING"))
    );
    assert_eq!(ok(world.get(&format!("/v24.0/{id}")).await)["category"], "MARKETING");
}

#[tokio::test]
async fn a_review_can_come_by_itself() {
    let world = World::with(Options::default());
    world.set(|settings| settings.review_seconds = Some(60));
    let id = ok(world.post(PATH, made("probe")).await)["id"].as_str().unwrap().to_owned();
    world.sim.advance(Duration::from_secs(59));
    assert!(world.step().await.is_empty());
    world.sim.advance(Duration::from_secs(1));
    assert_eq!(values(&world.step().await)[0]["event"], "APPROVED");
    assert_eq!(ok(world.get(&format!("/v24.0/{id}")).await)["status"], "APPROVED");
}

fn from_library(name: &str, from: &str, more: &Value) -> Value {
    let mut body =
        json!({"name": name, "language": "en_US", "category": "UTILITY", "library_template_name": from});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn the_library_is_listed_searched_and_paged() {
    let world = World::new();
    const LIBRARY: &str = "/v24.0/message_template_library";
    let all = ok(world.get(LIBRARY).await);
    assert_eq!(all["data"].as_array().unwrap().len(), 6);
    let first = &all["data"][0];
    assert_eq!((&first["name"], &first["language"]), (&json!("delivery_update_1"), &json!("en_US")));
    assert_eq!(
        first["body_params"].as_array().unwrap().len(),
        first["body_param_types"].as_array().unwrap().len()
    );
    for (query, n) in [
        ("?search=DELIVERY", 2),
        ("?topic=PAYMENTS", 2),
        ("?usecase=ORDER_PICK_UP", 1),
        ("?industry=FINANCIAL_SERVICES", 3),
        ("?language=es", 1),
        ("?name=verify_code_1", 1),
        ("?search=nothing", 0),
        ("?limit=4", 4),
    ] {
        let found = ok(world.get(&format!("{LIBRARY}{query}")).await);
        assert_eq!(found["data"].as_array().unwrap().len(), n, "{query}");
    }
    let page = ok(world.get(&format!("{LIBRARY}?limit=4")).await);
    let after = page["paging"]["cursors"]["after"].as_str().unwrap();
    let rest = ok(world.get(&format!("{LIBRARY}?limit=4&after={after}")).await);
    assert_eq!(rest["data"], json!(all["data"].as_array().unwrap()[4..]));
    assert_eq!(world.post(LIBRARY, json!({})).await.code(), 100);
}

#[tokio::test]
async fn a_template_from_the_library_is_approved_at_once() {
    let world = World::new();
    // Lists may be written as JSON in a string, too.
    let inputs = r#"[{"type":"URL","url":{"base_url":"https://shop.example/{{1}}","url_suffix_example":"https://shop.example/7"}}]"#;
    let body =
        from_library("my_update", "delivery_update_1", &json!({"library_template_button_inputs": inputs}));
    let made = ok(world.post(PATH, body).await);
    assert_eq!((&made["status"], &made["category"]), (&json!("APPROVED"), &json!("UTILITY")));
    let path = format!("/v24.0/{}?fields=library_template_name,components", made["id"].as_str().unwrap());
    let node = ok(world.get(&path).await);
    assert_eq!(node["library_template_name"], "delivery_update_1");
    let kinds: Vec<_> = node["components"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds, ["HEADER", "BODY", "BUTTONS"]);
    assert_eq!(node["components"][2]["buttons"][0]["url"], "https://shop.example/{{1}}");
    assert!(
        ok(world.get("/v24.0/{waba}/message_templates?name=my_update").await)["data"][0]
            .get("library_template_name")
            .is_none()
    );
    let code =
        json!({"category": "AUTHENTICATION", "library_template_body_inputs": {"code_expiration_minutes": 5}});
    let made = ok(world.post(PATH, from_library("code", "verify_code_1", &code)).await);
    let node = ok(world.get(&format!("/v24.0/{}", made["id"].as_str().unwrap())).await);
    let kinds: Vec<_> = node["components"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds, ["BODY", "FOOTER", "BUTTONS"]);
}

#[tokio::test]
async fn what_the_library_has_not_or_cannot_fill_is_refused() {
    let world = World::new();
    let phone = json!({"type": "PHONE_NUMBER", "phone_number": "+15550105555"});
    for (from, more, part) in [
        ("delivery_update_9", json!({}), "no template"),
        ("low_balance_warning_1", json!({"language": "fr"}), "in the language"),
        ("order_pick_up_1", json!({"category": "AUTHENTICATION"}), "must be UTILITY"),
        ("delivery_update_1", json!({}), "of type URL"),
        (
            "payment_due_reminder_1",
            json!({"library_template_button_inputs": [{"type": "URL"}]}),
            "of type PHONE_NUMBER",
        ),
        ("order_pick_up_1", json!({"library_template_button_inputs": [phone]}), "has no button"),
        ("order_pick_up_1", json!({"library_template_body_inputs": {"add_phone": true}}), "Unexpected key"),
    ] {
        let refused = world.post(PATH, from_library("a", from, &more)).await;
        assert_eq!(refused.code(), 100);
        assert!(refused.message().contains(part), "{from}: {}", refused.message());
    }
}
