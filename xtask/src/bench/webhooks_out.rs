//! `cargo xtask bench webhooks-out`: rate and cost of deliveries to one webhook endpoint.
//!
//! Webhooks of Meta report that messages to 1,000 contacts were delivered and read, while the endpoint is paused, so that
//! the events wait. Then the endpoint is enabled, and the gateway delivers them. The receiver accepts every delivery at
//! once, and counts events that arrive after a later event of the same contact: the run is valid only if there are none,
//! and if every event arrived. The receiver and the gateway share the cores.

use super::load::{Content, LoadPlan, RECIPIENTS, STATUSES, Webhooks};
use super::mock::WEBHOOK_PATH;
use super::receiver::{Receiver, Summary};
use super::report::Report;
use super::targets::{Kind, MockServer, Setting, Target, waypost};
use super::webhooks_in::send_messages;
use super::{CommonOptions, database_folder, float, run_load};
use crate::call::call;
use crate::process::Usage;
use crate::terminal::{now, print_line, unix_seconds};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::thread;
use std::time::Duration;

/// Maximum time for all deliveries.
const PATIENCE: Duration = Duration::from_secs(600);
/// Interval between two looks at the receiver.
const INTERVAL: Duration = Duration::from_millis(100);
/// Number of statuses in a webhook of Meta.
const BATCH: u32 = 100;

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct WebhooksOutOptions {
    #[command(flatten)]
    common: CommonOptions,
    /// Number of messages; each has two events.
    #[arg(long, default_value_t = 10_000)]
    messages: u32,
}

/// Measures, prints the figures, and fails if the run is not valid.
pub(crate) fn webhooks_out(options: &WebhooksOutOptions) -> Result<()> {
    let common = &options.common;
    let programs = common.programs()?;
    let (upstream, parent) = (MockServer::start(&programs)?, database_folder()?);
    let mut settings = common.settings.clone();
    settings.push("WAYPOST_WEBHOOKS__ALLOW_HTTP=true".to_owned());
    settings.push("WAYPOST_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true".to_owned());
    let setting = Setting { programs: &programs, parent: &parent, upstream: &upstream, settings: &settings };
    print_line(Report::new(common.rounds, &parent)?.heading());
    let mut lines = Vec::new();
    for round in 1..=common.rounds {
        let line = format!("round {round}: {}", measure(options, &setting)?);
        print_line(&line);
        lines.push(line);
    }
    if let Some(path) = &common.json {
        fs::write(path, serde_json::to_string_pretty(&lines)?)?;
    }
    Ok(())
}

/// Measures one round. Returns its figures in one line.
fn measure(options: &WebhooksOutOptions, setting: &Setting<'_>) -> Result<String> {
    let target = setting.start(Kind::Waypost)?;
    let receiver = Receiver::start(setting.programs)?;
    let n_messages = options.messages.next_multiple_of(RECIPIENTS);
    let first_message = send_messages(n_messages, setting, &target)?;
    let endpoint = json!({
        "name": "bench",
        "url": format!("http://{}/", receiver.address),
        "events": ["message.delivered", "message.read"],
        "enabled": false,
    });
    let created = post(&target, "POST", "/api/webhooks", &endpoint, 201)?;
    let id = created.pointer("/data/id").and_then(Value::as_str).context("creating the endpoint")?;

    let statuses = u32::try_from(STATUSES.len()).unwrap_or(1);
    let webhooks = Webhooks { first_message, batch: BATCH, at: unix_seconds()?, account: waypost::account() };
    let plan = LoadPlan {
        address: target.address,
        path: WEBHOOK_PATH.to_owned(),
        headers: Vec::new(),
        connections: 1,
        seconds: u32::try_from(PATIENCE.as_secs()).unwrap_or(u32::MAX),
        requests: n_messages.saturating_mul(statuses).div_ceil(BATCH),
        per_second: None,
        content: Content::Webhooks(webhooks),
    };
    let received = run_load(setting.programs, &plan)?;
    ensure!(received.errors.is_empty(), "the webhooks of Meta failed: {:?}", received.errors);

    let expected = u64::from(n_messages) * 2;
    let before = Usage::of(target.pid)?;
    post(&target, "PUT", &format!("/api/webhooks/{id}"), &json!({ "enabled": true }), 200)?;
    let deadline = now() + PATIENCE;
    let mut summary = Summary::default();
    while summary.events < expected {
        ensure!(now() < deadline, "{} of {expected} events arrived in time", summary.events);
        thread::sleep(INTERVAL);
        summary = receiver.summary()?;
    }
    let after = Usage::of(target.pid)?;
    ensure!(summary.out_of_order == 0, "{} events arrived out of order", summary.out_of_order);
    Ok(format!(
        "{:>6.0} events per second, {:>6.1} CPU µs per event, {} repeated, {:>5.1} MiB peak",
        float(expected) / summary.seconds.max(f64::EPSILON),
        after.cpu_us_since(&before) / float(expected),
        summary.requests - summary.events,
        float(after.peak_rss_kib) / 1024.0,
    ))
}

/// Calls the API of the gateway. Fails if the status is not the expected one.
fn post(target: &Target, method: &str, path: &str, body: &Value, expected: u16) -> Result<Value> {
    let mut headers = target.headers.clone();
    headers.push("Content-Type: application/json".to_owned());
    let answer = call(target.address, method, path, &headers, body.to_string().as_bytes())?;
    ensure!(answer.status == expected, "{method} {path}: {}: {}", answer.status, answer.body);
    serde_json::from_str(&answer.body).with_context(|| format!("reading the answer of {method} {path}"))
}
