//! Contacts over HTTP: create, change and find; access.

use axum::body::Body;
use axum::http::Request;
use domain::access::api_key::KeyScope;
use engine::access::api_key::DEV_KEY;
use serde_json::{Value, json};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, TestResponse};

const MAYA: &str = "+447700900111";

async fn create(app: &TestApp, body: Value) -> TestResponse {
    app.post("/api/contacts", &body).await
}

async fn put(app: &TestApp, id: &str, body: Value) -> TestResponse {
    app.request("PUT", &format!("/api/contacts/{id}"), body.to_string()).await
}

fn id(response: &TestResponse) -> String {
    response.data()["id"].as_str().unwrap().to_owned()
}

async fn total(app: &TestApp, query: &str) -> i64 {
    let path = format!("/api/contacts?{query}");
    app.get(&path).await.expect(200).data()["total"].as_i64().unwrap()
}

/// Returns the events about contacts, oldest first.
async fn contact_events(app: &TestApp) -> Vec<Value> {
    let page = app.get("/api/events?per_page=200&events=contact.created,contact.updated").await.expect(200);
    let events = page.data()["events"].as_array().unwrap().clone();
    events.into_iter().filter(|event| event["data"]["phone_number"] != CUSTOMER).collect()
}

#[tokio::test]
async fn a_contact_is_created_shown_and_changed() {
    let app = TestApp::new().await;
    let body = json!({
        "phone_number": "+44 7700 900-111", "name": "Maya Osei", "tags": ["vip", "berlin", "vip"], "stage": "lead",
        "email": "maya@example.com", "custom_fields": {"plan": "gold", "seats": 3, "trial": false, "none": null}
    });
    let created = create(&app, body).await.expect(201);
    let shown = json!({
        "id": id(&created), "phone_number": MAYA, "user_id": null, "name": "Maya Osei", "username": null,
        "tags": ["vip", "berlin"],
        "stage": "lead", "email": "maya@example.com",
        "custom_fields": {"plan": "gold", "seats": 3, "trial": false}, "last_inbound_at": null,
        "opted_out": false, "opted_out_reason": null, "opted_out_at": null, "created_at": "2026-01-01T00:00:00.000Z"
    });
    assert_eq!(*created.data(), shown);
    assert_eq!(*app.get(&format!("/api/contacts/{}", id(&created))).await.expect(200).data(), shown);
    app.advance(60);
    let changed = put(&app, &id(&created), json!({"stage": null, "tags": ["vip"], "opted_out": true})).await;
    let changed = changed.expect(200);
    assert_eq!(changed.data()["stage"], Value::Null);
    assert_eq!(changed.data()["name"], "Maya Osei");
    assert_eq!(changed.data()["opted_out_reason"], "api");
    assert_eq!(changed.data()["opted_out_at"], "2026-01-01T00:01:00.000Z");
    // A change without effect is not recorded.
    app.advance(60);
    let same = put(&app, &id(&created), json!({"opted_out": true, "tags": ["vip"]})).await.expect(200);
    assert_eq!(same.data(), changed.data());

    let events = contact_events(&app).await;
    assert_eq!(events.len(), 2, "{events:#?}");
    assert_eq!(events[0]["event"], "contact.created");
    assert_eq!(events[0]["data"]["tags"], json!(["vip", "berlin"]));
    assert_eq!(events[0]["data"]["custom_fields"]["seats"], 3);
    assert_eq!(events[1]["data"]["changes"], json!(["tags", "stage", "opted_out"]));
    assert_eq!(events[1]["data"]["opted_out_reason"], "api");
}

#[tokio::test]
async fn a_number_belongs_to_one_contact_in_every_format() {
    let app = TestApp::new().await;
    for (first, other) in [
        ("+447700900111", "44 7700 900111"),
        ("+5511987654321", "+551187654321"),
        ("+525512345678", "+5215512345678"),
        ("+541123456789", "+5491123456789"),
    ] {
        let created = create(&app, json!({"phone_number": first})).await.expect(201);
        let refused = create(&app, json!({"phone_number": other, "name": "Again"})).await.expect(409);
        assert_eq!(refused.code(), "contact_exists");
        assert_eq!(refused.body["details"]["contact_id"], created.data()["id"]);
        let body = json!({"phone_number": other, "name": "Again"});
        let upserted = app.post("/api/contacts?upsert=true", &body).await.expect(200);
        assert_eq!(upserted.data()["id"], created.data()["id"]);
        assert_eq!(upserted.data()["name"], "Again");
        // The stored format of the number remains.
        assert_eq!(upserted.data()["phone_number"], first);
        let query: String = url::form_urlencoded::byte_serialize(other.as_bytes()).collect();
        assert_eq!(total(&app, &format!("phone_number={query}")).await, 1);
    }
    let fresh = json!({"phone_number": "+447700900112"});
    app.post("/api/contacts?upsert=true", &fresh).await.expect(201);
    app.post("/api/contacts?upsrt=true", &fresh).await.expect(400);
    app.post("/api/contacts?upsert=maybe", &fresh).await.expect(400);
}

#[tokio::test]
async fn a_number_can_move_to_another_contact_and_be_cleared() {
    let app = TestApp::new().await;
    let maya = create(&app, json!({"phone_number": MAYA})).await.expect(201);
    let ann = create(&app, json!({"user_id": "GB.77120394857261034", "name": "Ann"})).await.expect(201);
    let refused = put(&app, &id(&ann), json!({"phone_number": MAYA})).await.expect(409);
    assert_eq!(refused.body["details"]["contact_id"], maya.data()["id"]);
    let refused = put(&app, &id(&maya), json!({"user_id": "GB.77120394857261034"})).await.expect(409);
    assert_eq!(refused.body["details"]["contact_id"], ann.data()["id"]);
    assert_eq!(
        put(&app, &id(&maya), json!({"phone_number": null})).await.expect(400).pointers(),
        ["/phone_number"]
    );
    put(&app, &id(&maya), json!({"phone_number": "+447700900113"})).await.expect(200);
    // The old number is available again.
    let moved = put(&app, &id(&ann), json!({"phone_number": MAYA})).await.expect(200);
    assert_eq!(moved.data()["phone_number"], MAYA);
    app.customer_writes("+447700900113", "It is me").await;
    let found = app.get(&format!("/api/contacts/{}", id(&maya))).await.expect(200);
    assert!(found.data()["last_inbound_at"].is_string());
    // A contact with a BSUID does not need a number.
    let cleared = put(&app, &id(&ann), json!({"phone_number": null})).await.expect(200);
    assert_eq!(cleared.data()["phone_number"], Value::Null);
    let stranger = app.send_text(MAYA).await;
    assert_eq!(stranger.code(), "outside_window");
}

#[tokio::test]
async fn all_errors_are_reported_and_nothing_is_written() {
    let app = TestApp::new().await;
    let refused = create(
        &app,
        json!({"phone_number": "12", "name": "", "tags": "vip", "stage": 5, "email": "maya", "custom_fields": {"a": []},
               "opted_out": "no", "last_inbound_at": "2026-01-01T00:00:00.000Z", "nam": "x"}),
    )
    .await
    .expect(400);
    assert_eq!(
        refused.pointers(),
        [
            "/phone_number",
            "/name",
            "/tags",
            "/stage",
            "/email",
            "/custom_fields/a",
            "/opted_out",
            "/last_inbound_at",
            "/nam"
        ]
    );
    assert!(refused.reasons().contains("did you mean `name`?"));
    assert_eq!(create(&app, json!({})).await.expect(400).pointers(), ["/phone_number"]);
    assert_eq!(total(&app, "").await, 1);
    let unknown = "018f2f3e-0c1d-7a3b-9c55-0242ac120002";
    assert_eq!(put(&app, unknown, json!({"name": "x"})).await.expect(404).code(), "contact_not_found");
    put(&app, "nobody", json!({"name": "x"})).await.expect(404);
    for path in ["", "/messages", "/window"] {
        app.get(&format!("/api/contacts/{unknown}{path}")).await.expect(404);
    }
    app.request("DELETE", &format!("/api/contacts/{unknown}"), Body::empty()).await.expect(404);
}

#[tokio::test]
async fn contacts_are_filtered_by_tag_stage_opt_out_number_and_text() {
    let app = TestApp::new().await;
    for (number, name, tags, stage) in [
        ("+447700900111", "Maya Osei", json!(["vip", "a%b"]), "lead"),
        ("+447700900112", "Ann_Other", json!(["vip"]), "customer"),
        ("+447700900113", "Bo", json!([]), "lead"),
    ] {
        let body = json!({"phone_number": number, "name": name, "tags": tags, "stage": stage});
        create(&app, body).await.expect(201);
    }
    for (query, n) in [
        ("tag=vip", 2),
        ("tag=a%25b", 1),
        ("tag=vi", 0),
        ("stage=lead", 2),
        ("tag=vip&stage=lead", 1),
        ("opted_out=false", 4),
        ("opted_out=true", 0),
        ("search=osei", 1),
        ("search=_", 1),
        ("search=7700%20900-11", 3),
        ("search=%2B44%207700%20900112", 1),
    ] {
        assert_eq!(total(&app, query).await, n, "{query}");
    }
    app.get("/api/contacts?tags=vip").await.expect(400);
}

#[tokio::test]
async fn the_name_of_the_application_overrides_the_profile_name() {
    let app = TestApp::new().await;
    let write = |name: &str, text: &str| {
        let mut message = sim::InboundMessage::text(MAYA, text);
        message.name = Some(name.to_owned());
        message
    };
    app.inbound(&write("maya ✨", "Hi")).await;
    let found = app.get(&format!("/api/contacts?phone_number={}", MAYA.replace('+', "%2B"))).await;
    let contact = found.data()["contacts"][0].clone();
    assert_eq!(contact["name"], "maya ✨");
    let id = contact["id"].as_str().unwrap();
    put(&app, id, json!({"name": "Maya Osei"})).await.expect(200);
    app.inbound(&write("MAYA", "Hi again")).await;
    let shown = app.get(&format!("/api/contacts/{id}")).await;
    assert_eq!(shown.data()["name"], "Maya Osei");
    let cleared = put(&app, id, json!({"name": null})).await.expect(200);
    assert_eq!(cleared.data()["name"], "MAYA");
}

#[tokio::test]
async fn a_contacts_messages_and_windows_are_shown() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    app.customer_writes(MAYA, "Hello").await;
    app.send_text(MAYA).await.expect(200);
    app.send_text(CUSTOMER).await.expect(200);
    let found = app.get("/api/contacts?search=900111").await;
    let id = found.data()["contacts"][0]["id"].as_str().unwrap().to_owned();
    let messages = app.get(&format!("/api/contacts/{id}/messages?per_page=1")).await.expect(200);
    assert_eq!(messages.data()["total"], 2);
    let cursor = messages.data()["next_cursor"].as_str().unwrap();
    let next = app.get(&format!("/api/contacts/{id}/messages?cursor={cursor}")).await.expect(200);
    assert_eq!(next.data()["messages"][0]["direction"], "inbound");
    let inbound = app.get(&format!("/api/contacts/{id}/messages?direction=inbound")).await.expect(200);
    assert_eq!(inbound.data()["total"], 1);
    app.get(&format!("/api/contacts/{id}/messages?contact={id}")).await.expect(400);

    let window = app.get(&format!("/api/contacts/{id}/window")).await.expect(200);
    assert_eq!(
        (&window.data()["is_open"], &window.data()["last_inbound_at"], &window.data()["closes_at"]),
        (&json!(true), &json!("2026-01-01T00:00:00.000Z"), &json!("2026-01-02T00:00:00.000Z"))
    );
    assert_eq!(window.data()["windows"].as_array().unwrap().len(), 2);
    let other = app.get(&format!("/api/contacts/{id}/window?account=clinic")).await.expect(200);
    assert_eq!(other.data()["whatsapp_account_id"], clinic.to_string());
    assert_eq!((&other.data()["is_open"], &other.data()["closes_at"]), (&json!(false), &Value::Null));
    app.get(&format!("/api/contacts/{id}/window?account=nowhere")).await.expect(404);
    app.advance(24 * 3600);
    let closed = app.get(&format!("/api/contacts/{id}/window")).await.expect(200);
    assert_eq!(closed.data()["is_open"], false);
}

#[tokio::test]
async fn one_bad_item_of_many_fails_alone() {
    let app = TestApp::new().await;
    create(&app, json!({"phone_number": MAYA, "user_id": "GB.1"})).await.expect(201);
    let items = json!({"contacts": [
        {"phone_number": "+447700900120", "name": "New"},
        {"phone_number": "12", "email": "x"},
        {"phone_number": MAYA, "name": "Known"},
        7,
        {"phone_number": "+447700900120", "name": "New"},
        {"phone_number": "+447700900120", "user_id": "GB.1"},
    ]});
    let response = app.post("/api/contacts/bulk", &items).await.expect(200);
    let results = response.data()["results"].as_array().unwrap();
    let outcomes: Vec<_> =
        results.iter().map(|one| one["status"].as_str().or(one["code"].as_str()).unwrap()).collect();
    assert_eq!(
        outcomes,
        ["created", "invalid_request", "updated", "invalid_request", "unchanged", "contact_exists"]
    );
    let places: Vec<_> = results.iter().map(|one| one["index"].as_i64().unwrap()).collect();
    assert_eq!(places, [0, 1, 2, 3, 4, 5]);
    assert_eq!(results[1]["errors"][0]["pointer"], "/phone_number");
    assert_eq!(results[1]["errors"][1]["pointer"], "/email");
    assert_eq!(results[0]["id"], results[4]["id"]);
    assert_eq!(total(&app, "").await, 3);
    app.post("/api/contacts/bulk", &json!({"contacts": []})).await.expect(400);
    app.post("/api/contacts/bulk", &json!({"contact": [{}]})).await.expect(400);
    let many = json!({"contacts": vec![json!({}); 1_001]});
    assert_eq!(app.post("/api/contacts/bulk", &many).await.expect(400).pointers(), ["/contacts"]);
}

#[tokio::test]
async fn read_access_and_limited_keys_cannot_change_contacts() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let created = create(&app, json!({"phone_number": MAYA})).await.expect(201);
    let one = format!("/api/contacts/{}", id(&created));
    let calls = [
        ("POST", "/api/contacts".to_owned(), json!({"phone_number": NEW_RECIPIENT}).to_string()),
        ("PUT", one.clone(), json!({"name": "x"}).to_string()),
        (
            "POST",
            "/api/contacts/bulk".to_owned(),
            json!({"contacts": [{"phone_number": NEW_RECIPIENT}]}).to_string(),
        ),
        ("POST", "/api/contacts/import".to_owned(), "phone_number\n".to_owned()),
        ("DELETE", one.clone(), String::new()),
    ];
    let readers = app.key(|key| key.scopes = vec![KeyScope::Read, KeyScope::Send]).await;
    let bound = app.key(|key| key.accounts = vec![clinic]).await;
    for (method, path, body) in calls {
        for key in [&readers, &bound] {
            let refused = app.request_as(key, method, &path, body.clone()).await.expect(403);
            assert_eq!(refused.code(), "forbidden", "{method} {path}");
        }
    }
    app.request_as(&readers, "GET", &one, "").await.expect(200);
    app.request_as(&readers, "GET", "/api/contacts/export", "").await.expect(200);
    app.request_as(&bound, "GET", &one, "").await.expect(403);
    let seen = app.request_as(&bound, "GET", "/api/contacts", "").await.expect(200);
    assert_eq!(seen.data()["total"], 0);
    let senders = app.key(|key| key.scopes = vec![KeyScope::Send]).await;
    app.request_as(&senders, "GET", &one, "").await.expect(403);
}

#[tokio::test]
async fn a_live_key_sees_all_contacts_of_its_workspace_except_sandbox_contacts() {
    let app = TestApp::new().await;
    let created = create(&app, json!({"phone_number": MAYA})).await.expect(201);
    // A live key has access to contacts that belong to no sandbox account.
    let live = app.key(|key| key.is_test = false).await;
    let one = format!("/api/contacts/{}", id(&created));
    app.request_as(&live, "GET", &one, "").await.expect(200);
    app.request_as(&live, "PUT", &one, json!({"name": "Maya"}).to_string()).await.expect(200);
    let seen = app.request_as(&live, "GET", "/api/contacts", "").await.expect(200);
    assert_eq!(seen.data()["total"], 1);
    let found = app.get(&format!("/api/contacts?phone_number={}", &CUSTOMER[1..])).await;
    let customer = format!("/api/contacts/{}", found.data()["contacts"][0]["id"].as_str().unwrap());
    app.request_as(&live, "GET", &customer, "").await.expect(403);
    app.request_as(&live, "DELETE", &customer, "").await.expect(403);
}

#[tokio::test]
async fn the_audit_log_names_contacts_by_their_ids_only() {
    let app = TestApp::new().await;
    let maya = id(&create(&app, json!({"phone_number": MAYA, "name": "Maya Osei"})).await.expect(201));
    put(&app, &maya, json!({"stage": "lead"})).await.expect(200);
    // A change without effect is not audited.
    put(&app, &maya, json!({"stage": "lead"})).await.expect(200);
    let items =
        json!({"contacts": [{"phone_number": MAYA, "stage": "won"}, {"phone_number": "+447700900112"}]});
    app.post("/api/contacts/bulk", &items).await.expect(200);
    for path in ["/api/contacts/import?dry_run=true", "/api/contacts/import"] {
        let request = Request::post(path).header("X-API-Key", DEV_KEY).header("Content-Type", "text/csv");
        let table = "phone_number,name\n+447700900113,Ann\n";
        app.call(request.body(Body::from(table)).unwrap()).await.expect(200);
    }
    app.request("DELETE", &format!("/api/contacts/{maya}"), "").await.expect(204);
    let entries = app.get("/api/audit").await.expect(200);
    let entries: Vec<&Value> = entries.data()["audit"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["request_id"].is_string())
        .collect();
    let done: Vec<_> = entries.iter().map(|entry| (&entry["action"], &entry["details"])).collect();
    let nothing = json!({});
    assert_eq!(
        done,
        [
            (&json!("contact.delete"), &nothing),
            (&json!("contact.import"), &json!({"created": 1, "updated": 0})),
            (&json!("contact.bulk"), &json!({"created": 1, "updated": 1})),
            (&json!("contact.update"), &nothing),
            (&json!("contact.create"), &nothing),
        ]
    );
    for (entry, is_one) in entries.iter().zip([true, false, false, true, true]) {
        assert_eq!(
            (entry["subject"]["id"] == json!(maya), &entry["subject"]["name"]),
            (is_one, &Value::Null)
        );
        assert!(!entry.to_string().contains("4477009") && !entry.to_string().contains("Maya"), "{entry}");
    }
}
