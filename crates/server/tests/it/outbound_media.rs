//! Files for customers: upload, deduplication, and upload to Meta.

mod file_names;
mod links;
mod list_and_delete;
mod sending;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::ports::{FaultInjector, StoreError};
use serde_json::json;
use sim::{Fault, FaultAction, FaultAnswer};

use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, TestApp, TestResponse};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

const PDF: &[u8] = b"%PDF-1.7\n%%EOF";

const BOUNDARY: &str = "b0undary";

/// Returns a part of a form.
fn part(name: &str, more: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
    [head.as_bytes(), value, b"\r\n"].concat()
}

fn file(file_name: &str, mime_type: &str, content: &[u8]) -> Vec<u8> {
    part("file", &format!("; filename=\"{file_name}\"\r\nContent-Type: {mime_type}"), content)
}

impl TestApp {
    /// Calls `POST /api/media` with these parts.
    async fn upload_as(&self, key: &str, parts: &[Vec<u8>]) -> TestResponse {
        let body = [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat();
        let request = Request::post("/api/media")
            .header("X-API-Key", key)
            .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(Body::from(body))
            .unwrap();
        self.call(request).await
    }

    async fn upload(&self, parts: &[Vec<u8>]) -> TestResponse {
        self.upload_as(DEV_KEY, parts).await
    }

    async fn uploaded(&self, file_name: &str, mime_type: &str, content: &[u8]) -> String {
        let response = self.upload(&[file(file_name, mime_type, content)]).await.expect(201);
        response.data()["id"].as_str().unwrap().to_owned()
    }

    async fn send_image(&self, id: &str) -> TestResponse {
        self.send(json!({"to": CUSTOMER, "type": "image", "image": {"id": id}})).await
    }

    async fn count(&mut self) -> Arc<Counts> {
        let counts = Arc::new(Counts::default());
        let guard = counts.clone();
        self.restart_with(|ports| with_faults(ports, guard)).await;
        background::tick_recovery(&self.deps).await.unwrap();
        counts
    }

    fn fail_upload(&self, response: FaultAnswer, times: u32) {
        self.sim.fail(Fault { times, ..Fault::on("/media", FaultAction::Status(response)) });
    }
}

/// Counts calls of ports.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl Counts {
    fn of(&self, call: &str) -> usize {
        self.0.lock().unwrap().get(call).copied().unwrap_or(0)
    }
}

#[async_trait]
impl FaultInjector for Counts {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        *self.0.lock().unwrap().entry(call).or_default() += 1;
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
}

fn n_files(app: &TestApp) -> usize {
    let (mut n_files, mut folders) = (0, vec![app.folder.path().join("media")]);
    while let Some(folder) = folders.pop() {
        // The folder does not exist before the first file.
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                n_files += 1;
            }
        }
    }
    n_files
}
