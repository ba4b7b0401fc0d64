//! `cargo xtask bench queue`: how exactly the queue keeps the throughput of a phone number, and what a message costs.
//!
//! Batches of text messages are queued for a phone number whose throughput is set to 80 and to 1,000 messages per second,
//! the two values of Meta. The mock of Meta's API records when each message arrives. Reported are the mean rate between
//! the first and the last message, and the largest number of messages in any window of one second: Meta refuses what is
//! above the throughput.

use super::load::{RECIPIENTS, recipient};
use super::report::Report;
use super::targets::{Kind, MockServer, Setting, Target};
use super::{CommonOptions, database_folder, float};
use crate::call::call;
use crate::process::Usage;
use crate::terminal::{now, print_line};
use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;
use std::fs;
use std::thread;
use std::time::Duration;

/// Maximum number of messages of a batch.
const BATCH: u32 = 1_000;
/// Interval between two looks at the mock.
const INTERVAL: Duration = Duration::from_millis(100);

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct QueueOptions {
    #[command(flatten)]
    common: CommonOptions,
    /// Throughputs of the phone number in messages per second; one measurement for each value.
    #[arg(long, value_delimiter = ',', default_values_t = [80, 1_000])]
    throughputs: Vec<u32>,
    /// Duration of a measurement in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=600))]
    seconds: u32,
}

/// Measures and prints the figures.
pub(crate) fn queue(options: &QueueOptions) -> Result<()> {
    let common = &options.common;
    let (programs, parent) = (common.programs()?, database_folder()?);
    print_line(Report::new(common.rounds, &parent)?.heading());
    let mut lines = Vec::new();
    for round in 1..=common.rounds {
        for throughput in &options.throughputs {
            let mut settings = common.settings.clone();
            settings.push(format!("WAYPOST_PACING__THROUGHPUT={throughput}"));
            let upstream = MockServer::start(&programs)?;
            let setting =
                Setting { programs: &programs, parent: &parent, upstream: &upstream, settings: &settings };
            let line =
                format!("round {round}: {throughput:>4}/s: {}", measure(options, &setting, *throughput)?);
            print_line(&line);
            lines.push(line);
        }
    }
    if let Some(path) = &common.json {
        fs::write(path, serde_json::to_string_pretty(&lines)?)?;
    }
    Ok(())
}

/// Measures one throughput. Returns the figures in one line.
fn measure(options: &QueueOptions, setting: &Setting<'_>, throughput: u32) -> Result<String> {
    let target = setting.start(Kind::Waypost)?;
    let n_messages = throughput.saturating_mul(options.seconds);
    let before = Usage::of(target.pid)?;
    enqueue(&target, n_messages)?;
    let deadline = now() + Duration::from_secs(u64::from(options.seconds) * 3 + 30);
    while setting.upstream.received()? < u64::from(n_messages) {
        ensure!(now() < deadline, "{} of {n_messages} messages left", setting.upstream.received()?);
        thread::sleep(INTERVAL);
    }
    let after = Usage::of(target.pid)?;
    let times = setting.upstream.times()?;
    ensure!(times.len() == usize::try_from(n_messages)?, "{} of {n_messages} messages left", times.len());
    let rate = mean_rate(&times);
    Ok(format!(
        "mean {rate:>7.2}/s ({:>6.2} %), at most {} in one second, {:>6.1} CPU µs per message, {:>5.1} MiB peak",
        rate * 100.0 / f64::from(throughput),
        busiest_second(&times),
        after.cpu_us_since(&before) / f64::from(n_messages),
        float(after.peak_rss_kib) / 1024.0,
    ))
}

/// Queues the messages in batches.
fn enqueue(target: &Target, n_messages: u32) -> Result<()> {
    let mut headers = target.headers.clone();
    headers.push("Content-Type: application/json".to_owned());
    let mut start = 0;
    while start < n_messages {
        let end = n_messages.min(start.saturating_add(BATCH));
        let message = |n: u32| json!({ "to": recipient(n % RECIPIENTS), "type": "text", "text": "Your table is ready." });
        let body = json!({ "messages": (start..end).map(message).collect::<Vec<_>>() }).to_string();
        let answer = call(target.address, "POST", "/api/messages/batch", &headers, body.as_bytes())?;
        ensure!(answer.status == 202, "a batch was answered with {}: {}", answer.status, answer.body);
        start = end;
    }
    Ok(())
}

/// Returns the number of messages per second between the first and the last one.
fn mean_rate(times: &[u64]) -> f64 {
    let span = times.last().unwrap_or(&0).saturating_sub(*times.first().unwrap_or(&0));
    let intervals = u64::try_from(times.len()).unwrap_or(u64::MAX).saturating_sub(1);
    float(intervals) * 1e6 / float(span.max(1))
}

/// Returns the largest number of messages in any window of one second.
fn busiest_second(times: &[u64]) -> usize {
    let mut first = 0;
    let mut busiest = 0;
    for (index, time) in times.iter().enumerate() {
        while times.get(first).is_some_and(|start| time.saturating_sub(*start) >= 1_000_000) {
            first += 1;
        }
        busiest = busiest.max(index.saturating_sub(first).saturating_add(1));
    }
    busiest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_one_second_contains_its_start_and_not_its_end() {
        let times = [0, 400_000, 999_999, 1_000_000, 1_399_999];
        assert_eq!(busiest_second(&times), 4);
        assert!((mean_rate(&[0, 500_000, 1_000_000]) - 2.0).abs() < 1e-9);
        assert_eq!(busiest_second(&[]), 0);
    }
}
