//! Messages with uploaded files: uploads to Meta, retries and crashes.

use engine::background;
use engine::media;
use jiff::SignedDuration;
use serde_json::json;
use sim::{Fault, FaultAction, FaultAnswer};

use super::{PDF, PNG, file, n_files};
use crate::fault_ports::with_faults;
use crate::inbound_media::CrashAt;
use crate::support::{CUSTOMER, TestApp};

#[tokio::test]
async fn two_sends_with_a_media_id_are_one_upload_to_meta() {
    let mut app = TestApp::new().await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let first = app.send_image(&id).await.expect(200);
    app.send_image(&id).await.expect(200);
    assert_eq!(counts.of("upload_media"), 1);
    assert_eq!(app.n_accepted(), 2);
    let meta_id = app.accepted_message(0)["image"]["id"].clone();
    assert!(meta_id.as_str().unwrap().parse::<u64>().is_ok(), "{meta_id}");
    assert_eq!(app.accepted_message(1)["image"]["id"], meta_id);
    let shown = app.message(first.data()["id"].as_str().unwrap()).await;
    assert_eq!(shown["image"]["id"], id, "the message says what its caller said");
    app.restart().await;
    app.send_image(&id).await.expect(200);
    assert_eq!(app.accepted_message(2)["image"]["id"], meta_id, "also after a restart");
}

#[tokio::test]
async fn sends_at_the_same_time_share_one_upload() {
    let mut app = TestApp::new().await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let sends = (app.send_image(&id), app.send_image(&id), app.send_image(&id));
    let (a, b, c) = tokio::join!(sends.0, sends.1, sends.2);
    for response in [a, b, c] {
        response.expect(200);
    }
    assert_eq!((counts.of("upload_media"), app.n_accepted()), (1, 3));
}

#[tokio::test]
async fn an_upload_is_repeated_before_it_expires_and_for_each_account() {
    let mut app = TestApp::with(|settings| settings.media.keep_uploads_for *= 10).await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let template = |account: &str| json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "whatsapp_account": account});
    app.send(template("sandbox")).await.expect(200);
    app.advance(29 * 86_400);
    app.customer_writes(CUSTOMER, "Still there?").await;
    app.send(template("sandbox")).await.expect(200);
    assert_eq!(counts.of("upload_media"), 2);
    assert_ne!(app.accepted_message(0)["image"]["id"], app.accepted_message(1)["image"]["id"]);
    let second = app.add_second_account().await.to_string();
    let writes = sim::InboundMessage {
        account: Some(app.sim.accounts()[1].phone_number_id.clone()),
        ..sim::InboundMessage::text(CUSTOMER, "Hi")
    };
    app.inbound(&writes).await;
    app.send(template(&second)).await.expect(200);
    assert_eq!(counts.of("upload_media"), 3, "Meta's ids hold for one number");
}

#[tokio::test]
async fn a_media_id_is_checked_before_anything_is_stored() {
    let app = TestApp::new().await;
    let pdf = app.uploaded("a.pdf", "application/pdf", PDF).await;
    let png = app.uploaded("a.png", "image/png", PNG).await;
    let unknown = "0197b3a0-0000-7000-8000-000000000000";
    for (body, pointer, reason) in [
        (json!({"type": "image", "image": {"id": unknown}}), "/image/id", "is not the ID of a file"),
        (
            json!({"type": "image", "image": {"id": pdf}}),
            "/image/id",
            "is application/pdf, but must be one of image/jpeg, image/png",
        ),
        (
            json!({"type": "sticker", "sticker": {"id": png}}),
            "/sticker/id",
            "is image/png, but must be one of image/webp",
        ),
        (
            json!({"type": "interactive", "interactive": {
                "type": "button", "header": {"type": "image", "image": {"id": unknown}}, "body": {"text": "?"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Yes"}}]}}}),
            "/interactive/header/image/id",
            "is not the ID of a file",
        ),
    ] {
        let mut body = body;
        body["to"] = json!(CUSTOMER);
        let response = app.send(body.clone()).await.expect(400);
        assert_eq!((response.code(), response.pointers()), ("invalid_request", vec![pointer]));
        assert!(response.reasons().starts_with(reason), "{}", response.reasons());
        body["dry_run"] = json!(true);
        let rehearsed = app.send(body).await.expect(200);
        assert_eq!(rehearsed.data()["would_send"], false);
        let checks = rehearsed.data()["checks"].as_array().unwrap();
        assert!(checks.iter().any(|check| check["name"] == "media" && check["ok"] == false));
    }
    assert_eq!(app.n_accepted(), 0);
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 0);
    let as_document =
        json!({"to": CUSTOMER, "type": "document", "document": {"id": pdf, "filename": "x.pdf"}});
    app.send(as_document).await.expect(200);
    assert_eq!(app.accepted_message(0)["document"]["filename"], "x.pdf");
}

#[tokio::test]
async fn media_ids_of_meta_are_passed_through() {
    let app = TestApp::new().await;
    let response = app.send_image("1402233445566778").await.expect(400);
    assert_eq!(response.code(), "meta_error", "it is Meta that does not know it");
}

#[tokio::test]
async fn the_file_of_a_queued_message_is_uploaded_when_it_is_sent() {
    let mut app = TestApp::new().await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue"});
    app.send(body).await.expect(202);
    assert_eq!(counts.of("upload_media"), 0, "not before its turn");
    app.tick_queue().await;
    assert_eq!((counts.of("upload_media"), app.n_accepted()), (1, 1));
}

#[tokio::test]
async fn a_file_of_a_queued_message_is_retained_until_it_is_sent() {
    let app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let image = json!({"type": "image", "image": {"id": id}});
    let components = json!([{"type": "header", "parameters": [image]}]);
    let poster = json!({"name": "poster", "language": "en", "category": "UTILITY", "components": [
        {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4:x"]}},
        {"type": "BODY", "text": "Look."}]});
    app.sim.add_template(None, poster.as_object().unwrap(), "APPROVED").unwrap();
    let body = json!({
        "to": CUSTOMER, "type": "template", "send_at": "2026-01-30T23:00:00.000Z",
        "template": {"name": "poster", "language": "en", "components": components},
    });
    app.send(body).await.expect(202);
    app.advance(30 * 86_400);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 0);
    background::tick_recovery(&app.deps).await.unwrap();
    app.tick_queue().await;
    let header = app.accepted_message(0)["template"]["components"][0]["parameters"][0]["image"]["id"].clone();
    assert!(header.as_str().unwrap().parse::<u64>().is_ok(), "{header}");
    app.advance(2 * 86_400);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1);
}

#[tokio::test]
async fn a_failed_upload_means_that_the_message_was_not_sent() {
    let app = TestApp::new().await;
    let code = |code| FaultAnswer { code: Some(code), ..FaultAnswer::default() };
    let status =
        |status| FaultAnswer { status: Some(status), body: Some(json!({})), ..FaultAnswer::default() };
    for (n, (fault, expected)) in [
        (code(131_000), (503, "meta_unavailable")),
        (status(500), (503, "meta_unavailable")),
        (code(1), (503, "meta_unavailable")),
        (code(131_056), (429, "meta_rate_limited")),
        (status(429), (429, "meta_rate_limited")),
        (code(100), (400, "meta_error")),
        (code(190), (503, "account_disconnected")),
    ]
    .into_iter()
    .enumerate()
    {
        let content = [PNG, n.to_string().as_bytes()].concat();
        let id = app.uploaded("a.png", "image/png", &content).await;
        app.fail_upload(fault.clone(), 1000);
        let response = app.send_image(&id).await;
        assert_eq!((response.status.as_u16(), response.code()), expected, "{fault:?}: {:#}", response.body);
        assert_eq!(app.n_accepted(), n, "{fault:?}");
        app.clear_faults().await;
        app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
        app.advance(3600);
        app.send_image(&id).await.expect(200);
    }
}

#[tokio::test]
async fn a_failed_upload_is_retried_and_the_message_is_sent_once() {
    let app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    app.fail_upload(FaultAnswer { code: Some(131_000), ..FaultAnswer::default() }, 2);
    app.send_image(&id).await.expect(200);
    app.sim.fail(Fault::on("/media", FaultAction::CutAfter));
    let other = app.uploaded("b.png", "image/png", &[PNG, b"2"].concat()).await;
    app.send_image(&other).await.expect(200);
    assert_eq!(app.n_accepted(), 2);
}

#[tokio::test]
async fn a_message_whose_file_is_missing_fails_with_the_reason() {
    let app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue"});
    let queued = app.send(body).await.expect(202);
    std::fs::remove_dir_all(app.folder.path().join("media")).unwrap();
    app.tick_queue().await;
    let shown = app.message(queued.data()["id"].as_str().unwrap()).await;
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["error"]["code"], 131_053);
    assert_eq!(shown["error"]["details"], "/image/id is the ID of a file whose content was deleted");
    let response = app.send_image(&id).await.expect(400);
    assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/image/id"]));
    assert_eq!(app.get(&format!("/api/media/{id}")).await.expect(410).code(), "media_failed");
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_crash_during_an_upload_duplicates_nothing() {
    let mut app = TestApp::new().await;
    for call in ["insert_media", "write_blob"] {
        let crash = CrashAt::after(call);
        let guard = crash.clone();
        app.restart_with(|ports| with_faults(ports, guard)).await;
        let parts = [file("a.png", "image/png", PNG)];
        tokio::select! {
            _ = app.upload(&parts) => unreachable!("{call}"),
            () = crash.wait_until_reached() => {}
        }
        app.restart().await;
        app.advance(6 * 3600);
        assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1, "{call}");
        assert_eq!(n_files(&app), 0, "{call}");
    }
    app.customer_writes(CUSTOMER, "Hi").await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    for call in ["get_media_upload", "read_blob", "upload_media", "insert_media_upload"] {
        let n_before = app.n_accepted();
        let crash = CrashAt::after(call);
        let guard = crash.clone();
        app.restart_with(|ports| with_faults(ports, guard)).await;
        background::tick_recovery(&app.deps).await.unwrap();
        let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue",
                          "client_reference": call});
        app.send(body).await.expect(202);
        engine::messages::queue::tick(&app.deps).await.unwrap();
        crash.wait_until_reached().await;
        app.restart().await;
        app.advance(11);
        background::tick_recovery(&app.deps).await.unwrap();
        app.tick_queue().await;
        // The message had the status `sending` during the crash. Its outcome is unknown, and the message is not sent
        // twice.
        assert_eq!(app.n_accepted(), n_before, "{call}");
        let listed = app.get(&format!("/api/messages?client_reference={call}")).await;
        assert_eq!(listed.data()["messages"][0]["status"], "unknown", "{call}");
    }
}

#[tokio::test]
async fn a_file_from_a_customer_can_be_forwarded() {
    let app = TestApp::new().await;
    let message = sim::InboundMessage {
        from: Some(CUSTOMER.to_owned()),
        message: json!({"type": "image", "image": {"mime_type": "image/jpeg"}}),
        ..sim::InboundMessage::default()
    };
    let wamid = app.inbound(&message).await;
    let id = app.message(&wamid).await["media"]["id"].as_str().unwrap().to_owned();
    let early = app.send_image(&id).await.expect(400);
    assert!(early.reasons().contains("still being downloaded"), "{}", early.reasons());
    app.fetch_media().await;
    app.send_image(&id).await.expect(200);
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_dry_run_does_not_extend_the_retention_of_a_file() {
    let app = TestApp::with(|settings| settings.media.keep_uploads_for = SignedDuration::from_hours(1)).await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let media = id.parse().unwrap();
    let kept_until =
        async || app.deps.media.records.get_media(app.workspace, media).await.unwrap().unwrap().expires_at;
    let before = kept_until().await;
    let mut body =
        json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue", "dry_run": true});
    assert_eq!(app.send(body.clone()).await.expect(200).data()["would_send"], true);
    assert_eq!(kept_until().await, before);
    body["dry_run"] = json!(false);
    app.send(body).await.expect(202);
    assert!(kept_until().await > before);
}
