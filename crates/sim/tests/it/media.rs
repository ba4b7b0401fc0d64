//! Media and resumable uploads.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::harness::{Answer, World, ok};

async fn download(world: &World, url: &str, token: Option<&str>, agent: Option<&str>) -> Answer {
    let path = url.strip_prefix("http://127.0.0.1:8090").unwrap();
    let mut request = Request::builder().method(Method::GET).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(agent) = agent {
        request = request.header("user-agent", agent);
    }
    world.request(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_file_goes_up_and_comes_down() {
    let world = World::new();
    let id = world.upload("image/png", b"hello").await.id();
    assert!(id.parse::<u64>().is_ok());
    let node = ok(world.get(&format!("/v24.0/{id}")).await);
    assert_eq!(node["messaging_product"], "whatsapp");
    assert_eq!(node["mime_type"], "image/png");
    assert_eq!(node["file_size"], 5);
    assert_eq!(node["sha256"], "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!(node["id"], id);
    let url = node["url"].as_str().unwrap();
    let token = world.account.access_token.as_str();

    let answer = download(&world, url, Some(token), Some("curl/8")).await;
    assert_eq!((answer.status, answer.bytes.as_slice()), (200, &b"hello"[..]));
    assert_eq!(answer.headers["content-type"], "image/png");
    assert!(answer.headers["content-disposition"].to_str().unwrap().contains("a.bin"));

    assert_eq!(download(&world, url, None, Some("curl/8")).await.status, 401);
    assert_eq!(download(&world, url, Some("EAAwrong"), Some("curl/8")).await.status, 401);
    assert_eq!(download(&world, url, Some(token), None).await.status, 400, "some user agent is needed");
    let other = world.sim.accounts()[1].access_token.clone();
    assert_eq!(download(&world, url, Some(&other), Some("curl/8")).await.status, 404);
    assert_eq!(
        download(&world, &url.replace("hash=AT", "hash=AX"), Some(token), Some("curl/8")).await.status,
        404
    );
    world.sim.advance(Duration::from_secs(300));
    assert_eq!(download(&world, url, Some(token), Some("curl/8")).await.status, 404, "after five minutes");
    let fresh = ok(world.get(&format!("/v24.0/{id}")).await)["url"].as_str().unwrap().to_owned();
    assert_eq!(download(&world, &fresh, Some(token), Some("curl/8")).await.status, 200);
}

#[tokio::test]
async fn an_id_lives_30_days_or_until_it_is_deleted() {
    let world = World::new();
    let id = world.upload("image/png", b"hello").await.id();
    world.sim.advance(Duration::from_secs(30 * 86_400 - 1));
    ok(world.get(&format!("/v24.0/{id}")).await);
    world.sim.advance(Duration::from_secs(1));
    let gone = world.get(&format!("/v24.0/{id}")).await;
    assert_eq!((gone.status, gone.code()), (400, 100));
    assert_eq!(gone.body["error"]["error_subcode"], 33);

    let id = world.upload("image/png", b"hello").await.id();
    assert_eq!(ok(world.delete(&format!("/v24.0/{id}")).await), json!({"success": true}));
    assert_eq!(world.get(&format!("/v24.0/{id}")).await.code(), 100);
    assert_eq!(world.delete(&format!("/v24.0/{id}")).await.code(), 100);
}

#[tokio::test]
async fn a_number_may_be_named_and_must_be_the_owner() {
    let world = World::new();
    let id = world.upload("image/png", b"hello").await.id();
    ok(world.get(&format!("/v24.0/{id}?phone_number_id={{number}}")).await);
    assert_eq!(world.get(&format!("/v24.0/{id}?phone_number_id=1")).await.code(), 100);
}

#[tokio::test]
async fn a_foreign_file_cannot_be_sent() {
    let mut world = World::new();
    let id = world.upload("image/png", b"hello").await.id();
    ok(world.typed("image", json!({"id": id})).await);
    world.account = world.sim.accounts()[1].clone();
    assert_eq!(world.typed("image", json!({"id": id})).await.code(), 100);
}

#[tokio::test]
async fn types_and_sizes_are_checked() {
    let world = World::new();
    let answer = world.upload("image/gif", b"GIF89a").await;
    assert_eq!((answer.status, answer.code()), (400, 100));
    assert!(
        answer.message().starts_with(
            "(#100) Param file must be a file with one of the following types: audio/aac, audio/mp4, audio/mpeg, "
        ),
        "{}",
        answer.message()
    );
    assert!(
        answer.message().ends_with("video/3gpp. Received file of type 'image/gif'."),
        "{}",
        answer.message()
    );
    assert_eq!(world.upload("image/webp", &vec![0; (500 << 10) + 1]).await.code(), 100);
    assert_eq!(world.upload("image/webp", &vec![0; 500 << 10]).await.status, 200);
    assert_eq!(world.upload("image/png", b"").await.code(), 100);
    ok(world.upload("audio/ogg; codecs=opus", b"OggS").await);
    ok(world.upload("application/pdf", &vec![0; 6 << 20]).await);
    assert_eq!(
        world.post("/v24.0/{number}/media", json!({"messaging_product": "whatsapp"})).await.code(),
        100
    );
}

#[tokio::test]
async fn an_upload_can_be_resumed_and_its_handle_used() {
    let world = World::new();
    let start = "/v24.0/{app}/uploads?file_name=a.png&file_length=10&file_type=image/png";
    let id = ok(world.post(start, json!({})).await)["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("upload:") && id.contains("?sig="), "{id}");
    let send = async |offset: usize, bytes: &'static [u8], scheme: &str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v24.0/{id}"))
            .header("authorization", format!("{scheme} {}", world.account.access_token))
            .header("file_offset", offset.to_string())
            .body(Body::from(bytes));
        world.request(request.unwrap()).await
    };
    ok(send(0, b"01234", "OAuth").await);
    assert_eq!(ok(world.get(&format!("/v24.0/{id}")).await)["file_offset"], 5);
    assert_eq!(send(3, b"56789", "OAuth").await.code(), 100, "at the wrong place");
    let handle = ok(send(5, b"56789", "Bearer").await)["h"].as_str().unwrap().to_owned();
    assert!(handle.starts_with("4:"), "{handle}");

    let profile = json!({"messaging_product": "whatsapp", "profile_picture_handle": handle});
    ok(world.post("/v24.0/{number}/whatsapp_business_profile", profile).await);
    let read = ok(world.get("/v24.0/{number}/whatsapp_business_profile?fields=profile_picture_url").await);
    assert!(read["data"][0]["profile_picture_url"].as_str().unwrap().starts_with("https://"));

    let wrong = "/v24.0/{app}/uploads?file_name=a.gif&file_length=10&file_type=image/gif";
    assert_eq!(world.post(wrong, json!({})).await.code(), 100);
}
