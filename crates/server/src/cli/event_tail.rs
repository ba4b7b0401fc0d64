//! `waypost events tail`: prints events as they happen.

use std::process::ExitCode;

use serde_json::Value;

use super::event_log::{EventLog, LoggedEvent};
use super::gateway_client::GatewayClient;
use super::terminal::{one_line, print_line, print_note};
use crate::clock::SystemClock;

/// Members of `data` that a line for people shows, if they exist.
const SHOWN: [&str; 11] = [
    "event_status",
    "from",
    "to",
    "recipient",
    "phone_number",
    "name",
    "text",
    "change",
    "status",
    "reason",
    "client_reference",
];

/// Prints events until the process is stopped.
///
/// # Errors
/// If the gateway refuses the request, or does not respond to the first one.
pub(super) async fn run(
    client: &GatewayClient,
    filters: Vec<(String, String)>,
    is_json: bool,
) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::new();
    let mut log = EventLog::open(client, &clock, filters).await?;
    print_note(&format!("following the events of {}; press Ctrl-C to stop", client.base_url()));
    loop {
        for event in log.next().await? {
            if is_json {
                print_line(&event.body)?;
            } else {
                print_line(&line(&event))?;
            }
        }
    }
}

fn line(event: &LoggedEvent) -> String {
    let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
    let timestamp = body.get("timestamp").and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{timestamp}  {}  {}", event.id, event.kind);
    for name in SHOWN {
        if let Some(text) = body.pointer(&format!("/data/{name}")).and_then(Value::as_str) {
            line.push_str(&format!("  {name}={}", one_line(text)));
        }
    }
    line
}
