//! `cargo xtask bench webhooks-in`: cost of Meta's webhooks, and their latency at a fixed rate.
//!
//! First the gateway sends messages to the mock of Meta's API. Then signed webhooks report the statuses sent, delivered
//! and read of these messages:
//! * one status in a webhook, and 100 and 1,000 of them, as fast as 16 connections allow: the cost of an event;
//! * one status in a webhook at a fixed rate, 3,300 per second: 1,000 messages per second with their statuses and some
//!   replies, the load for which Meta asks that 99 % of the webhooks are answered within a second
//!   (<https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput>). A latency begins at the time at
//!   which the webhook was due, so that a stall counts for each webhook that it delays.
//!
//! The gateway responds after the commit. nginx as a reverse proxy to the mock, which stores nothing, is the baseline.

use super::load::{Content, LoadPlan, Message, RECIPIENTS, STATUSES, Webhooks};
use super::mock::WEBHOOK_PATH;
use super::report::Report;
use super::targets::{self, Kind, MockServer, Setting, Target, waypost};
use super::{CommonOptions, Measurement, database_folder, in_turn, run_load};
use crate::terminal::unix_seconds;
use anyhow::{Context, Result, ensure};
use clap::Args;

/// Numbers of connections of the two kinds of load.
const CONNECTIONS: u32 = 16;
/// Connections of the load at a fixed rate: a stall must not use them up.
const PACED_CONNECTIONS: u32 = 256;
/// Maximum duration of a load in seconds.
const MAX_SECONDS: u32 = 600;

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct WebhooksInOptions {
    #[command(flatten)]
    common: CommonOptions,
    /// Number of events of one measurement.
    #[arg(long, default_value_t = 30_000)]
    events: u32,
    /// Numbers of events in a webhook; one measurement for each value.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1_000])]
    batches: Vec<u32>,
    /// Events per second of the measurement at a fixed rate.
    #[arg(long, default_value_t = 3_300)]
    per_second: u32,
    /// Targets to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Nginx, Kind::Waypost])]
    targets: Vec<Kind>,
}

/// Measures, prints the table, and fails if the run is not valid.
pub(crate) fn webhooks_in(options: &WebhooksInOptions) -> Result<()> {
    let common = &options.common;
    let programs = common.programs()?;
    let kinds = targets::available(&options.targets)?;
    ensure!(
        kinds.iter().all(|kind| matches!(kind, Kind::Mock | Kind::Nginx | Kind::Proxy | Kind::Waypost)),
        "the targets of Node.js receive no webhooks"
    );
    let (upstream, parent) = (MockServer::start(&programs)?, database_folder()?);
    let setting =
        Setting { programs: &programs, parent: &parent, upstream: &upstream, settings: &common.settings };
    let mut report = Report::new(common.rounds, &parent)?;
    for round in 0..common.rounds {
        for kind in in_turn(&kinds, round) {
            measure(options, &setting, kind, round, &mut report)
                .with_context(|| format!("measuring {}", kind.name()))?;
        }
    }
    common.finish(&report)
}

/// Measures one target in one round.
fn measure(
    options: &WebhooksInOptions,
    setting: &Setting<'_>,
    kind: Kind,
    round: u32,
    report: &mut Report,
) -> Result<()> {
    let target = setting.start(kind)?;
    let measurement =
        Measurement { programs: setting.programs, upstream: setting.upstream, target: &target, kind, round };
    let closed = options.batches.iter().map(|batch| (*batch, None));
    for (batch, per_second) in closed.chain([(1, Some(options.per_second))]) {
        let statuses = u32::try_from(STATUSES.len()).unwrap_or(1);
        let first_message = send_messages(options.events.div_ceil(statuses), setting, &target)?;
        let webhooks = Webhooks { first_message, batch, at: unix_seconds()?, account: waypost::account() };
        let plan = LoadPlan {
            address: target.address,
            path: WEBHOOK_PATH.to_owned(),
            headers: Vec::new(),
            connections: if per_second.is_some() { PACED_CONNECTIONS } else { CONNECTIONS },
            seconds: MAX_SECONDS,
            requests: options.events.checked_div(batch).unwrap_or(0).max(1),
            per_second,
            content: Content::Webhooks(webhooks),
        };
        let case = match per_second {
            Some(per_second) => format!("1, {per_second}/s"),
            None => format!("{batch} per webhook"),
        };
        report.samples.push(measurement.run(case, &plan)?);
    }
    Ok(())
}

/// Sends at least `n_messages` messages, equally many to each recipient, so that the mock's numbers of the messages are
/// known. Returns the number of the first one.
pub(super) fn send_messages(n_messages: u32, setting: &Setting<'_>, target: &Target) -> Result<u64> {
    let first = setting.upstream.received()?;
    let plan = LoadPlan {
        address: target.address,
        path: target.path.clone(),
        headers: target.headers.clone(),
        connections: 64,
        seconds: MAX_SECONDS,
        requests: n_messages.next_multiple_of(RECIPIENTS),
        per_second: None,
        content: Content::Messages(Message::Text),
    };
    let sent = run_load(setting.programs, &plan)?;
    ensure!(sent.errors.is_empty(), "the messages could not be sent: {:?}", sent.errors);
    Ok(first)
}
