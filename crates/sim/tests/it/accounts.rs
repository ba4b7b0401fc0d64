//! Numbers, accounts, profiles, block lists, tokens.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{MAYA, World, ok, values};

#[tokio::test]
async fn a_number_shows_its_fields() {
    let world = World::new();
    let node = ok(world.get("/v24.0/{number}").await);
    assert_eq!(node["id"], world.account.phone_number_id.as_str());
    assert_eq!(node["display_phone_number"], "+1 555-010-9999");
    assert_eq!(node["verified_name"], "Sandbox Shop");
    assert_eq!(node["quality_rating"], "GREEN");
    assert_eq!(node["code_verification_status"], "VERIFIED");
    assert_eq!(node["platform_type"], "CLOUD_API");
    assert_eq!(node["throughput"], json!({"level": "STANDARD"}));
    let some = ok(world
        .get("/v24.0/{number}?fields=status,name_status,health_status{can_send_message},nonsense")
        .await);
    assert_eq!(some["status"], "CONNECTED");
    assert_eq!(some["health_status"]["can_send_message"], "AVAILABLE");
    assert_eq!(some.as_object().unwrap().len(), 4, "with the id, without the unknown one: {some}");
    world.set(|settings| settings.strict_fields = true);
    let strict = world.get("/v24.0/{number}?fields=nonsense").await;
    assert_eq!(
        strict.message(),
        "(#100) Tried accessing nonexisting field (nonsense) on node type (WhatsAppBusinessPhoneNumber)"
    );
}

#[tokio::test]
async fn numbers_and_accounts_tell_the_messaging_limit_that_was_set() {
    let world = World::new();
    world.set(|settings| settings.messaging_limit = "TIER_250".to_owned());
    for node in ["{number}", "{waba}"] {
        let path = format!("/v24.0/{node}?fields=whatsapp_business_manager_messaging_limit");
        let shown = ok(world.get(&path).await);
        assert_eq!(shown["whatsapp_business_manager_messaging_limit"], "TIER_250", "{node}");
    }
}

#[tokio::test]
async fn an_account_shows_its_fields_and_numbers() {
    let world = World::new();
    let node = ok(world.get("/v24.0/{waba}").await);
    assert_eq!(node["name"], "Sandbox Shop");
    assert_eq!(node.as_object().unwrap().len(), 4);
    let more =
        ok(world.get("/v24.0/{waba}?fields=currency,business_verification_status,owner_business_info").await);
    assert_eq!(more["business_verification_status"], "verified");
    let numbers = ok(world.get("/v24.0/{waba}/phone_numbers?fields=id,display_phone_number").await);
    assert_eq!(
        numbers["data"],
        json!([{"id": world.account.phone_number_id, "display_phone_number": "+1 555-010-9999"}])
    );
    assert!(numbers["paging"]["cursors"].is_object());
    ok(world.post("/v24.0/{waba}", json!({"is_enabled_for_insights": true})).await);
    assert_eq!(
        ok(world.get("/v24.0/{waba}?fields=is_enabled_for_insights").await)["is_enabled_for_insights"],
        true
    );
    assert_eq!(world.post("/v24.0/{waba}", json!({})).await.code(), 100);
}

#[tokio::test]
async fn a_new_number_is_verified_and_registered() {
    let mut world = World::new();
    let body = json!({"cc": "1", "phone_number": "555 010 9000", "verified_name": "New"});
    let id =
        ok(world.post("/v24.0/{waba}/phone_numbers", body.clone()).await)["id"].as_str().unwrap().to_owned();
    assert_eq!(world.post("/v24.0/{waba}/phone_numbers", body).await.code(), 100, "in use");
    world.account.phone_number_id = id;
    assert_eq!(ok(world.get("/v24.0/{number}?fields=status").await)["status"], "DISCONNECTED");
    let register = json!({"messaging_product": "whatsapp", "pin": "654321"});
    assert_eq!(world.post("/v24.0/{number}/register", register.clone()).await.code(), 133_006);

    let ask = json!({"code_method": "SMS", "language": "en_US"});
    assert_eq!(
        world.post("/v24.0/{number}/verify_code", json!({"code": "123456"})).await.code(),
        136_024,
        "not asked for"
    );
    assert_eq!(
        world
            .post("/v24.0/{number}/request_code", json!({"code_method": "PIGEON", "language": "en"}))
            .await
            .code(),
        100
    );
    ok(world.post("/v24.0/{number}/request_code", ask.clone()).await);
    assert_eq!(world.post("/v24.0/{number}/verify_code", json!({"code": "000000"})).await.code(), 136_024);
    ok(world.post("/v24.0/{number}/verify_code", json!({"code": sim::VERIFICATION_CODE})).await);
    assert_eq!(world.post("/v24.0/{number}/request_code", ask).await.code(), 136_024, "verified already");

    assert_eq!(
        world.post("/v24.0/{number}/register", json!({"messaging_product": "whatsapp"})).await.code(),
        100
    );
    assert_eq!(
        world
            .post("/v24.0/{number}/register", json!({"messaging_product": "whatsapp", "pin": "12"}))
            .await
            .code(),
        100
    );
    ok(world.post("/v24.0/{number}/register", register).await);
    assert_eq!(world.text(MAYA).await.status, 200);
}

#[tokio::test]
async fn a_wrong_pin_is_refused_and_too_many_are_too() {
    let world = World::new();
    ok(world.post("/v24.0/{number}/deregister", json!({})).await);
    let body = |pin: &str| json!({"messaging_product": "whatsapp", "pin": pin});
    for _ in 0..5 {
        assert_eq!(world.post("/v24.0/{number}/register", body("000000")).await.code(), 133_005);
    }
    assert_eq!(world.post("/v24.0/{number}/register", body(sim::PIN)).await.code(), 133_008);

    let world = World::new();
    ok(world.post("/v24.0/{number}", json!({"pin": "222222"})).await);
    ok(world.post("/v24.0/{number}/deregister", json!({})).await);
    assert_eq!(world.post("/v24.0/{number}/register", body(sim::PIN)).await.code(), 133_005);
    ok(world.post("/v24.0/{number}/register", body("222222")).await);
    let old_key = json!({"messaging_product": "whatsapp", "pin": "222222", "data_localization_region": "DE"});
    assert_eq!(world.post("/v24.0/{number}/register", old_key.clone()).await.code(), 100);
    ok(world.post("/v20.0/{number}/register", old_key).await);
}

#[tokio::test]
async fn a_profile_is_read_and_written() {
    let world = World::new();
    let path = "/v24.0/{number}/whatsapp_business_profile";
    let profile = json!({"messaging_product": "whatsapp", "about": "We mend boats", "email": "a@b.example",
        "websites": ["https://a.example", "https://b.example"], "vertical": "RETAIL"});
    ok(world.post(path, profile).await);
    let read = ok(world.get(&format!("{path}?fields=about,websites,vertical")).await);
    assert_eq!(
        read,
        json!({"data": [{"about": "We mend boats", "vertical": "RETAIL", "messaging_product": "whatsapp",
        "websites": ["https://a.example", "https://b.example"]}]})
    );
    ok(world
        .post(
            path,
            json!({"messaging_product": "whatsapp", "websites": "[\"https://c.example\"]", "email": ""}),
        )
        .await);
    let read = ok(world.get(path).await);
    assert_eq!(read["data"][0]["websites"], json!(["https://c.example"]), "a JSON string is taken too");
    assert_eq!(read["data"][0]["about"], "We mend boats", "what is left out stays");
    for (wrong, code) in [
        (json!({"about": ""}), 131_009),
        (json!({"about": "x".repeat(140)}), 131_009),
        (json!({"websites": ["a", "b", "c"]}), 100),
        (json!({"vertical": "PIRATES"}), 100),
        (json!({"profile_picture_handle": "4:none"}), 100),
    ] {
        let mut wrong = wrong;
        wrong["messaging_product"] = json!("whatsapp");
        assert_eq!(world.post(path, wrong.clone()).await.code(), code, "{wrong}");
    }
    assert_eq!(world.post(path, json!({"about": "x"})).await.code(), 100, "without messaging_product");
}

#[tokio::test]
async fn commerce_settings_are_query_parameters() {
    let world = World::new();
    let path = "/v24.0/{number}/whatsapp_commerce_settings";
    ok(world.post(&format!("{path}?is_cart_enabled=false&is_catalog_visible=true"), json!({})).await);
    let read = ok(world.get(path).await);
    assert_eq!(read["data"][0]["is_cart_enabled"], false);
    assert_eq!(read["data"][0]["is_catalog_visible"], true);
}

#[tokio::test]
async fn settings_and_automation_are_kept() {
    let world = World::new();
    ok(world.post("/v24.0/{number}/settings", json!({"calling": {"status": "ENABLED"}})).await);
    assert_eq!(ok(world.get("/v24.0/{number}/settings").await)["calling"]["status"], "ENABLED");
    assert_eq!(world.post("/v24.0/{number}/settings", json!({})).await.code(), 100);
    let automation = json!({"enable_welcome_message": true, "prompts": ["Prices?"],
        "commands": [{"command_name": "help", "command_description": "Helps"}]});
    ok(world.post("/v24.0/{number}/conversational_automation", automation.clone()).await);
    let node = ok(world.get("/v24.0/{number}?fields=conversational_automation").await);
    assert_eq!(node["conversational_automation"], automation);
    assert_eq!(
        world
            .post("/v24.0/{number}/conversational_automation", json!({"prompts": ["a", "b", "c", "d", "e"]}))
            .await
            .code(),
        100
    );
}

#[tokio::test]
async fn people_who_have_written_can_be_blocked() {
    let world = World::new();
    let path = "/v24.0/{number}/block_users";
    let body = |users: Value| json!({"messaging_product": "whatsapp", "block_users": users});
    world.writes(MAYA);
    let done = ok(world.post(path, body(json!([{"user": MAYA}]))).await);
    assert_eq!(done["block_users"]["added_users"], json!([{"input": MAYA, "wa_id": "447700900123"}]));
    let answer = world.text(MAYA).await;
    assert_eq!((answer.status, answer.code()), (400, 130_403));

    let mixed = world
        .post(path, body(json!([{"user": MAYA}, {"user": "+44 7700 900124"}, {"user": "+1 555 010 9999"}])))
        .await;
    assert_eq!((mixed.status, mixed.code()), (400, 139_100));
    assert_eq!(mixed.body["block_users"]["added_users"].as_array().unwrap().len(), 1);
    let failed = mixed.body["block_users"]["failed_users"].as_array().unwrap();
    assert_eq!(failed[0]["errors"][0]["code"], 131_047);
    assert_eq!(failed[1]["errors"][0]["code"], 131_021);

    let listed = ok(world.get(path).await);
    let blocked = json!({"messaging_product": "whatsapp", "input": "447700900123", "wa_id": "447700900123"});
    assert_eq!(listed["data"], json!([blocked]));
    let removed = ok(world.call(Method::DELETE, path, Some(body(json!([{"user": MAYA}])))).await);
    assert_eq!(removed["block_users"]["removed_users"][0]["wa_id"], "447700900123");
    assert_eq!(world.text(MAYA).await.status, 200);
    assert_eq!(world.post(path, body(json!([]))).await.code(), 131_008);
    assert_eq!(world.post(path, body(json!([{}]))).await.code(), 100);
}

#[tokio::test]
async fn a_token_is_described() {
    let world = World::new();
    let account = &world.account;
    let app_token = format!("{}|{}", account.app_id, account.app_secret);
    for caller in [&account.access_token, &app_token] {
        let path = format!("/v24.0/debug_token?input_token={}", account.access_token);
        let data = ok(world.call_as(caller, Method::GET, &path, None).await)["data"].clone();
        assert_eq!(data["is_valid"], true);
        assert_eq!(data["app_id"], account.app_id.as_str());
        assert_eq!(data["expires_at"], 0);
        assert_eq!(data["scopes"], json!(["whatsapp_business_management", "whatsapp_business_messaging"]));
        assert_eq!(data["granular_scopes"][0]["target_ids"], json!([account.waba_id]));
    }
    let data = ok(world.get("/debug_token?input_token=EAAwrong").await)["data"].clone();
    assert_eq!((&data["is_valid"], &data["error"]["code"]), (&json!(false), &json!(190)));
    let other = &world.sim.accounts()[1].access_token;
    assert_eq!(ok(world.get(&format!("/debug_token?input_token={other}")).await)["data"]["is_valid"], false);
    assert_eq!(world.get("/debug_token").await.code(), 100);
    let wrong = format!("{}|wrong", account.app_id);
    assert_eq!(world.call_as(&wrong, Method::GET, "/debug_token?input_token=x", None).await.code(), 190);
}

#[tokio::test]
async fn an_app_gets_its_token() {
    let world = World::new();
    let account = &world.account;
    let path = format!(
        "/oauth/access_token?client_id={}&client_secret={}&grant_type=client_credentials",
        account.app_id, account.app_secret
    );
    let answer = ok(world.call_as("", Method::GET, &path, None).await);
    assert_eq!(answer["access_token"], format!("{}|{}", account.app_id, account.app_secret));
    assert_eq!(answer["token_type"], "bearer");
    let code = path.replace("grant_type=client_credentials", "code=abc");
    assert_eq!(
        ok(world.call_as("", Method::GET, &code, None).await)["access_token"],
        account.access_token.as_str()
    );
    let wrong = path.replace("client_secret=sandbox", "client_secret=x");
    assert_eq!(world.call_as("", Method::GET, &wrong, None).await.code(), 100);
}

#[tokio::test]
async fn user_ids_belong_to_one_business() {
    let world = World::new();
    let mut ids = Vec::new();
    for account in world.sim.accounts() {
        let inbound = sim::InboundMessage {
            account: Some(account.phone_number_id.clone()),
            ..sim::InboundMessage::text(MAYA, "hi")
        };
        for _ in 0..2 {
            world.sim.inbound(&inbound).unwrap();
            ids.push(
                values(&world.sim.take_webhooks())[0]["contacts"][0]["user_id"].as_str().unwrap().to_owned(),
            );
        }
    }
    assert_eq!((&ids[0], &ids[2]), (&ids[1], &ids[3]));
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_token_ends_is_revoked_and_is_followed_by_another() {
    let world = World::new();
    let token = world.account.access_token.clone();
    let set = |body: Value| world.control(Method::POST, "/tokens", Some(body));
    ok(set(json!({"access_token": token, "expires_in_seconds": 3600})).await);
    let told = ok(world.get(&format!("/v24.0/debug_token?input_token={token}")).await);
    assert_eq!(told["data"]["expires_at"], 1_767_225_600 + 3600);
    assert_eq!(told["data"]["is_valid"], true);
    world.sim.advance(std::time::Duration::from_secs(3600));
    let refused = world.get("/v24.0/{number}").await;
    assert_eq!(
        (refused.code(), refused.message()),
        (190, "Error validating access token: Session has expired")
    );

    ok(set(json!({"access_token": "EAAsecond", "like": token, "expires_in_seconds": 0})).await);
    let seen = world.call_as("EAAsecond", Method::GET, "/v24.0/{number}", None).await;
    assert_eq!(ok(seen)["id"], world.account.phone_number_id.as_str());
    ok(set(json!({"access_token": "EAAsecond", "is_valid": false})).await);
    assert_eq!(world.call_as("EAAsecond", Method::GET, "/v24.0/{number}", None).await.code(), 190);
    for wrong in [json!({}), json!({"access_token": "EAAnone"}), json!({"access_token": token, "ends": 1})] {
        assert_eq!(set(wrong.clone()).await.status, 400, "{wrong}");
    }
}
