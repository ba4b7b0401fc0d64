//! Lists of files, and deletion of a file that no message needs.

use axum::body::Body;
use engine::media;
use serde_json::{Value, json};
use sim::InboundMessage;

use super::{PDF, PNG, file, n_files};
use crate::support::{CUSTOMER, TestApp, TestResponse};

impl TestApp {
    /// Receives an image, downloads it, and returns the ID of its file.
    async fn received_image(&self) -> String {
        use base64::Engine as _;
        let message = InboundMessage {
            from: Some(CUSTOMER.to_owned()),
            message: json!({"type": "image", "image": {}}),
            media_base64: Some(base64::engine::general_purpose::STANDARD.encode(PNG)),
            ..InboundMessage::default()
        };
        let wamid = self.inbound(&message).await;
        assert_eq!(self.fetch_media().await, 1);
        self.message(&wamid).await["media"]["id"].as_str().unwrap().to_owned()
    }

    async fn listed_files(&self, query: &str) -> Vec<String> {
        let found = self.get(&format!("/api/media?{query}")).await.expect(200);
        let files = found.data()["media"].as_array().unwrap();
        assert_eq!(found.data()["total"], files.len());
        files.iter().map(|file| file["id"].as_str().unwrap().to_owned()).collect()
    }

    async fn delete_file(&self, id: &str) -> TestResponse {
        self.request("DELETE", &format!("/api/media/{id}"), Body::empty()).await
    }
}

#[tokio::test]
async fn files_are_listed_newest_first_by_origin_state_account_and_time() {
    let app = TestApp::new().await;
    let upload = app.uploaded("a.pdf", "application/pdf", PDF).await;
    app.advance(60);
    let image = app.received_image().await;
    assert_eq!(app.listed_files("").await, [image.clone(), upload.clone()]);
    assert_eq!(app.listed_files("origin=inbound").await, std::slice::from_ref(&image));
    assert_eq!(app.listed_files("origin=upload").await, std::slice::from_ref(&upload));
    assert_eq!(app.listed_files("origin=link").await, Vec::<String>::new());
    assert_eq!(app.listed_files("state=ready").await.len(), 2);
    assert_eq!(app.listed_files("account=sandbox").await, std::slice::from_ref(&image));
    assert_eq!(app.listed_files("since=2026-01-01T00:00:30Z").await, std::slice::from_ref(&image));
    assert_eq!(app.listed_files("until=2026-01-01T00:00:30Z").await, std::slice::from_ref(&upload));
    let page = app.get("/api/media?per_page=1").await.expect(200);
    let cursor = page.data()["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/api/media?per_page=1&cursor={cursor}")).await.expect(200);
    assert_eq!(rest.data()["media"][0]["file_name"], "a.pdf");
    let refused = app.get("/api/media?origin=phone&state=gone").await.expect(400);
    assert_eq!(refused.pointers(), ["/origin", "/state"]);
    app.get("/api/media?account=none").await.expect(404);

    // A key for another account sees the files of the workspace, and no files of this account.
    let other = app.add_second_account().await;
    let key = app.key(|key| key.accounts = vec![other]).await;
    let seen = app.request_as(&key, "GET", "/api/media", Body::empty()).await.expect(200);
    assert_eq!((&seen.data()["total"], &seen.data()["media"][0]["id"]), (&json!(1), &json!(upload)));
    let hidden = app.request_as(&key, "DELETE", &format!("/api/media/{image}"), Body::empty()).await;
    assert_eq!(hidden.expect(404).code(), "media_not_found");
}

#[tokio::test]
async fn a_file_is_deleted_unless_a_waiting_message_needs_it() {
    let mut app = TestApp::new().await;
    let counts = app.count().await;
    app.customer_writes(CUSTOMER, "Hi").await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    app.send_image(&id).await.expect(200);
    let waiting = app
        .send(json!({"to": CUSTOMER, "type": "image", "image": {"id": id.to_uppercase()},
            "send_at": "2026-01-01T05:00:00Z"}))
        .await
        .expect(202);
    let waiting = waiting.data()["id"].as_str().unwrap();
    let refused = app.delete_file(&id).await.expect(409);
    assert_eq!((refused.code(), &refused.body["details"]["message_id"]), ("media_in_use", &json!(waiting)));
    app.get(&format!("/api/media/{id}")).await.expect(200);
    app.post(&format!("/api/messages/{waiting}/cancel"), &json!({})).await.expect(200);

    app.delete_file(&id).await.expect(204);
    app.get(&format!("/api/media/{id}")).await.expect(404);
    app.delete_file(&id).await.expect(404);
    assert_eq!(app.listed_files("").await, Vec::<String>::new());
    assert_eq!(app.send_image(&id).await.expect(400).pointers(), ["/image/id"]);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1);
    assert_eq!(n_files(&app), 0);
    let entries = app.get("/api/audit?action=media.delete").await.expect(200);
    let entry = &entries.data()["audit"][0];
    assert_eq!(
        (&entry["subject"]["kind"], &entry["subject"]["id"]),
        (&json!("media"), &json!(id)),
        "{entry:#}"
    );

    // The same content is a new file, which is uploaded to Meta again.
    let again = app.upload(&[file("a.png", "image/png", PNG)]).await.expect(201);
    assert_ne!(again.data()["id"], id);
    app.advance(60);
    app.send_image(again.data()["id"].as_str().unwrap()).await.expect(200);
    assert_eq!(counts.of("upload_media"), 2);
}

#[tokio::test]
async fn a_deleted_file_of_a_customer_stays_visible_with_the_reason() {
    let app = TestApp::new().await;
    let id = app.received_image().await;
    app.delete_file(&id).await.expect(204);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1);
    assert_eq!(n_files(&app), 0);
    let gone = app.get(&format!("/api/media/{id}")).await.expect(410);
    assert_eq!(
        (gone.code(), &gone.body["details"]["reason"]),
        ("media_failed", &json!("the file was deleted"))
    );
    let listed = app.get("/api/media").await.expect(200);
    assert_eq!(listed.data()["media"][0]["state"], "failed");
    assert_eq!(app.fetch_media().await, 0, "the file is not downloaded again");
    let shown: Value = app.get("/api/messages?type=image").await.expect(200).body;
    assert_eq!(shown["data"]["messages"][0]["media_id"], json!(id));
}

#[tokio::test]
async fn a_file_whose_download_is_due_is_deleted_without_a_download() {
    let app = TestApp::new().await;
    let message = InboundMessage {
        from: Some(CUSTOMER.to_owned()),
        message: json!({"type": "image", "image": {}}),
        ..InboundMessage::default()
    };
    let wamid = app.inbound(&message).await;
    let id = app.message(&wamid).await["media"]["id"].as_str().unwrap().to_owned();
    app.delete_file(&id).await.expect(204);
    assert_eq!(app.fetch_media().await, 0);
    media::delete_expired(&app.deps).await.unwrap();
    assert_eq!(app.message(&wamid).await["media"]["state"], "failed");
}
