//! Output of `waypost dev` when the sandbox is ready.

use engine::access::api_key::DEV_KEY;
use serde_json::{Value, json};

use super::super::terminal::Palette;
use super::seed::CUSTOMER;
use crate::config::Config;

/// Returns the output as text.
pub(super) fn text(config: &Config, palette: Palette) -> String {
    let (api, simulator) = (config.local_url(), config.simulator_url());
    let title = palette.bold(&format!("waypost {}", env!("CARGO_PKG_VERSION")));
    let row = |name: &str, value: &str, more: &str| {
        let name = palette.dim(&format!("{name:9}"));
        let more = if more.is_empty() { String::new() } else { format!("  {}", palette.dim(more)) };
        format!("  {name}  {value}{more}\n")
    };
    let send = palette.green(&format!(
        "curl {api}/api/messages/send -H 'X-API-Key: {DEV_KEY}' -H 'Content-Type: application/json' \
         -d '{{\"to\":\"{CUSTOMER}\",\"type\":\"text\",\"text\":\"Hello from Waypost\"}}'"
    ));
    let mut text = format!("\n{title}  with a simulated WhatsApp on this machine; no message leaves it\n\n");
    text.push_str(&row("API", &api, ""));
    text.push_str(&row("Docs", &format!("{api}/docs"), "browse the API and try it"));
    text.push_str(&row("Simulator", &simulator, "replaces graph.facebook.com"));
    text.push_str(&row("Database", &config.database.display().to_string(), ""));
    text.push_str(&row("API key", DEV_KEY, ""));
    text.push_str(&format!("\nSend your first message:\n\n  {send}\n\nThen try:\n"));
    for (what, how) in [
        (
            "send a template to a person who never wrote",
            format!(
                "curl {api}/api/messages/send -H 'X-API-Key: {DEV_KEY}' -H 'Content-Type: application/json' -d \
                 '{{\"to\":\"+15550100002\",\"type\":\"template\",\"template\":{{\"name\":\"hello_world\",\"language\":\"en_US\"}}}}'"
            ),
        ),
        (
            "list your messages with their statuses",
            format!("curl '{api}/api/messages?direction=outbound' -H 'X-API-Key: {DEV_KEY}'"),
        ),
        (
            "receive a message from the customer",
            format!(
                "curl {simulator}/_sim/inbound -H 'Content-Type: application/json' -d \
                 '{{\"from\":\"{CUSTOMER}\",\"message\":{{\"type\":\"text\",\"text\":{{\"body\":\"Hi!\"}}}}}}'"
            ),
        ),
        (
            "simulate failures",
            "send the template to +15550101026 (undeliverable), +15550100504 (outcome unknown), +15550100190 (token expired; the error shows how to resume)"
                .to_owned(),
        ),
    ] {
        text.push_str(&format!("  {}\n    {}\n", what, palette.dim(&how)));
    }
    text.push_str("\nPress Ctrl-C to stop. All data is kept for the next start.");
    text
}

/// Returns the output in JSON.
pub(super) fn json(config: &Config) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "api": config.local_url(),
        "simulator": config.simulator_url(),
        "database": config.database.display().to_string(),
        "key": DEV_KEY,
    })
}
