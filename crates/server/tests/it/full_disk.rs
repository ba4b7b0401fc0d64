//! A disk without room, seen from outside: nothing is accepted, nothing is sent, and it passes by itself.

use std::process::Command;

use axum::body::Body;
use axum::http::Request;
use engine::background;
use engine::messages::queue;
use serde_json::json;

use crate::invariants::fates;
use crate::support::{CUSTOMER, TestApp};

/// How large the files of this process may become from now on.
fn limit_files(bytes: &str) {
    let pid = std::process::id().to_string();
    let status =
        Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().unwrap();
    assert!(status.success());
}

/// Whether this process runs one test only, and takes a write beyond the limit for an error and not for its end.
fn is_prepared() -> bool {
    const XFSZ: u32 = 25;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let is_ignored = u64::from_str_radix(ignored.trim(), 16).unwrap() >> (XFSZ - 1) & 1 == 1;
    is_ignored && std::env::args().any(|arg| arg == "--exact")
}

/// The limit of a process stands for the disk, so the test runs itself in a process of its own, without the limit's signal.
#[tokio::test]
async fn a_full_disk_accepts_and_sends_nothing_and_recovers_automatically() {
    if is_prepared() {
        return with_a_disk_that_fills_up().await;
    }
    let end = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; exec "$0" --exact full_disk::a_full_disk_accepts_and_sends_nothing_and_recovers_automatically"#])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&end.stdout);
    assert!(
        end.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&end.stderr)
    );
}

async fn with_a_disk_that_fills_up() {
    let app = TestApp::new().await;
    let text = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "client_reference": "it"});
    let mut queued = text.clone();
    queued["mode"] = json!("queue");
    let ready = async || app.call(Request::get("/readyz").body(Body::empty()).unwrap()).await;
    let sent = app.send(text.clone()).await.expect(200);
    let waiting = app.send(queued.clone()).await.expect(202);
    app.sim.step().await;
    let webhook = app.sim.take_webhooks().remove(0);
    let post = async || {
        let mut request = Request::post("/webhooks/meta");
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        app.call(request.body(Body::from(webhook.body.clone())).unwrap()).await
    };
    ready().await.expect(200);

    app.advance(1);
    limit_files("0");
    for body in [&text, &queued] {
        let refused = app.send(body.clone()).await.expect(503);
        assert_eq!(refused.code(), "store_unavailable");
        assert!(refused.number("retry-after") >= 1);
    }
    let batch = app.post("/api/messages/batch", &json!({"messages": [text.clone()]})).await.expect(202);
    assert_eq!(batch.data()["results"][0]["code"], "store_unavailable");
    let path = format!("/api/messages/{}/cancel", waiting.data()["id"].as_str().unwrap());
    assert_eq!(app.request("POST", &path, "").await.expect(503).code(), "store_unavailable");
    post().await.expect(503);
    ready().await.expect(503);
    assert!(queue::tick(&app.deps).await.is_err());
    assert!(background::tick_recovery(&app.deps).await.is_err());
    // Reading goes on.
    assert_eq!(app.get("/api/messages?direction=outbound").await.expect(200).data()["total"], 2);
    assert_eq!(app.n_taken(), 1);

    limit_files("unlimited");
    ready().await.expect(200);
    post().await.expect(200);
    assert_eq!(app.message(sent.data()["id"].as_str().unwrap()).await["status"], "sent");
    app.advance(1);
    background::tick_recovery(&app.deps).await.unwrap();
    app.tick_queue().await;
    app.send(text).await.expect(200);
    let fates = fates(&app, "it").await;
    assert!(fates.iter().all(|fate| fate.n_taken == 1 && fate.status == "sent"), "{fates:?}");
    assert_eq!(fates.len(), 3);
}
