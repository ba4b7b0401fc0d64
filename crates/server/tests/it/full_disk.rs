//! A full disk: the gateway accepts and sends nothing, and it recovers without intervention.

use std::process::Command;

use axum::body::Body;
use axum::http::Request;
use engine::background;
use engine::messages::queue;
use serde_json::json;

use crate::invariants::end_states;
use crate::support::{CUSTOMER, TestApp};

/// Limits the size of the files that this process writes.
fn limit_files(bytes: &str) {
    let pid = std::process::id().to_string();
    let status =
        Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().unwrap();
    assert!(status.success());
}

/// Returns `true` if this process runs a single test and ignores the signal of the file size limit.
fn is_prepared() -> bool {
    const XFSZ: u32 = 25;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let is_ignored = u64::from_str_radix(ignored.trim(), 16).unwrap() >> (XFSZ - 1) & 1 == 1;
    is_ignored && std::env::args().any(|arg| arg == "--exact")
}

/// A file size limit simulates the full disk. The test runs itself in a child process that ignores the limit's signal.
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
    let output = String::from_utf8_lossy(&end.stdout);
    assert!(
        end.status.success() && output.contains("1 passed"),
        "{output}{}",
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
    // Reads still work.
    assert_eq!(app.get("/api/messages?direction=outbound").await.expect(200).data()["total"], 2);
    assert_eq!(app.n_accepted(), 1);

    limit_files("unlimited");
    ready().await.expect(200);
    post().await.expect(200);
    assert_eq!(app.message(sent.data()["id"].as_str().unwrap()).await["status"], "sent");
    app.advance(1);
    background::tick_recovery(&app.deps).await.unwrap();
    app.tick_queue().await;
    app.send(text).await.expect(200);
    let end_states = end_states(&app, "it").await;
    assert!(
        end_states.iter().all(|end_state| end_state.n_accepted == 1 && end_state.status == "sent"),
        "{end_states:?}"
    );
    assert_eq!(end_states.len(), 3);
}
