//! `cargo xtask bench send`: cost of a message in the gateway, compared with other programs.
//!
//! The same requests (a message of about 300 bytes, a thousand recipients in turn) go over kept-alive connections on
//! loopback to each target, one after the other, in several rounds:
//! * `mock`: the mock of Meta's API, a hyper server on one thread: the baseline of every response;
//! * `nginx`: `proxy_pass` to the mock with kept-alive connections, one worker per core: the baseline of every gateway;
//! * `proxy`: a bare reverse proxy on hyper;
//! * `fastify-normal` and `fastify-full`: a gateway in Node.js as it is usually written (xtask/bench/fastify), with the
//!   two settings of SQLite's `synchronous`;
//! * `waypost`: the gateway with an empty SQLite database, `synchronous=FULL`, all checks on, in `sync` mode.
//!
//! The generator waits for a response before it sends the next request on a connection (closed loop), so that a stall
//! reduces the load. The mock must receive exactly as many messages as were answered.

use super::load::{Content, LoadPlan, Message};
use super::report::Report;
use super::targets::{self, Kind, MockServer, Setting};
use super::{CommonOptions, Measurement, database_folder, in_turn, run_load};
use anyhow::{Context, Result};
use clap::Args;

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct SendOptions {
    #[command(flatten)]
    common: CommonOptions,
    /// Duration of one measurement in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=120))]
    seconds: u32,
    /// Duration of the warm-up before a measurement in seconds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    warm_up_seconds: u32,
    /// Maximum number of requests of one measurement.
    #[arg(long, default_value_t = 500_000)]
    requests: u32,
    /// Number of connections; one measurement for each value.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4])]
    connections: Vec<u32>,
    /// Kinds of messages; one measurement for each value.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Message::Text])]
    messages: Vec<Message>,
    /// Targets to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Mock, Kind::Nginx, Kind::Waypost])]
    targets: Vec<Kind>,
}

/// Measures, prints the table, and fails if the run is not valid.
pub(crate) fn send(options: &SendOptions) -> Result<()> {
    let common = &options.common;
    let programs = common.programs()?;
    let kinds = targets::available(&options.targets)?;
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

/// Measures one target in one round: starts it, then measures once for each number of connections and kind of message.
fn measure(
    options: &SendOptions,
    setting: &Setting<'_>,
    kind: Kind,
    round: u32,
    report: &mut Report,
) -> Result<()> {
    let target = setting.start(kind)?;
    let measurement =
        Measurement { programs: setting.programs, upstream: setting.upstream, target: &target, kind, round };
    for message in &options.messages {
        for connections in &options.connections {
            let plan = |seconds| LoadPlan {
                address: target.address,
                path: target.path.clone(),
                headers: target.headers.clone(),
                connections: *connections,
                seconds,
                requests: options.requests,
                per_second: None,
                content: Content::Messages(*message),
            };
            run_load(setting.programs, &plan(options.warm_up_seconds))?;
            let case = format!("{} c={connections}", message.name());
            report.samples.push(measurement.run(case, &plan(options.seconds))?);
        }
    }
    Ok(())
}
