//! Report of a run: a table, and all measurements as JSON.

use super::load::LoadResult;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// One measurement.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    pub(super) round: u32,
    pub(super) target: String,
    /// Name of the measurement, for example `text c=64`.
    pub(super) case: String,
    /// CPU time of the target's processes, user and system, in microseconds.
    pub(super) cpu_us: f64,
    pub(super) peak_rss_kib: u64,
    /// Number of events in a request; 1 for a message.
    pub(super) events_per_request: u32,
    /// Number of messages that the mock received during the measurement; `None` for webhooks.
    pub(super) reached_upstream: Option<u64>,
    pub(super) load: LoadResult,
}

impl Sample {
    /// Number of messages or events with the expected response.
    fn n_events(&self) -> f64 {
        float(self.load.responded) * f64::from(self.events_per_request)
    }

    /// Number of messages or events per second.
    fn rate(&self) -> f64 {
        self.n_events() / self.load.seconds.max(f64::EPSILON)
    }

    /// CPU time of a message or event in microseconds.
    fn cpu_us_per_event(&self) -> f64 {
        self.cpu_us / self.n_events().max(1.0)
    }

    /// Returns the measurement in one line.
    pub(super) fn line(&self) -> String {
        format!(
            "{:<14} {:<16} {:>8.0} /s  p50 {:>7.3} ms  p99 {:>7.3} ms  {:>6.1} CPU µs  {:>6.1} MiB",
            self.target,
            self.case,
            self.rate(),
            f64::from(self.load.p50_us) / 1e3,
            f64::from(self.load.p99_us) / 1e3,
            self.cpu_us_per_event(),
            float(self.peak_rss_kib) / 1024.0,
        )
    }

    /// Returns the reason why the measurement is not valid, if there is one.
    fn fault(&self) -> Option<String> {
        let parent = format!("round {}, {}, {}", self.round.saturating_add(1), self.target, self.case);
        if !self.load.errors.is_empty() {
            return Some(format!("{parent}: errors {:?}", self.load.errors));
        }
        if self.load.responded == 0 {
            return Some(format!("{parent}: nothing was answered"));
        }
        let reached = self.reached_upstream.filter(|reached| *reached != self.load.responded)?;
        Some(format!("{parent}: {} were answered, but {reached} reached upstream", self.load.responded))
    }
}

/// A complete run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Description of the machine.
    machine: String,
    /// Type of the file system of the database.
    file_system: String,
    rounds: u32,
    pub(super) samples: Vec<Sample>,
}

impl Report {
    /// Creates an empty report of a run whose database is below `parent`.
    pub(super) fn new(rounds: u32, parent: &Path) -> Result<Self> {
        let kind = Command::new("stat").args(["--file-system", "--format", "%T"]).arg(parent).output();
        let kind = kind.context("asking for the kind of file system")?;
        let file_system = String::from_utf8_lossy(&kind.stdout).trim().to_owned();
        let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let machine = format!("{cores} cores, {}", model.map_or("unknown CPU", |(_, model)| model));
        Ok(Self { machine, file_system, rounds, samples: Vec::new() })
    }

    /// Returns the description of the machine and the run in one line.
    pub(super) fn heading(&self) -> String {
        format!("{}, database on {}; {} rounds", self.machine, self.file_system, self.rounds)
    }

    /// Returns the medians of all rounds, and the medians of the ratios to nginx within each round.
    pub(super) fn table(&self) -> String {
        let mut lines = vec![
            String::new(),
            format!("{}; medians", self.heading()),
            format!(
                "{:<14} {:<16} {:>10} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>9}",
                "target",
                "case",
                "per second",
                "p50 ms",
                "p99 ms",
                "max ms",
                "CPU µs",
                "peak MiB",
                "rate/nginx",
                "CPU/nginx"
            ),
        ];
        for case in unique(self.samples.iter().map(|sample| sample.case.as_str())) {
            for target in unique(self.samples.iter().map(|sample| sample.target.as_str())) {
                if self.samples.iter().any(|sample| sample.case == case && sample.target == target) {
                    lines.push(self.row(target, case));
                }
            }
        }
        lines.join("\n")
    }

    /// Returns one row of the table.
    fn row(&self, target: &str, case: &str) -> String {
        let of = |target: &str| -> Vec<&Sample> {
            let is_it = |sample: &&Sample| sample.target == target && sample.case == case;
            self.samples.iter().filter(is_it).collect()
        };
        let (samples, floor) = (of(target), of("nginx"));
        let middle =
            |value: &dyn Fn(&Sample) -> f64| median(samples.iter().map(|sample| value(sample)).collect());
        let ratio = |value: &dyn Fn(&Sample) -> f64| {
            let in_round = |sample: &&Sample| {
                let floor = floor.iter().find(|floor| floor.round == sample.round)?;
                Some(value(sample) / value(floor))
            };
            let ratios: Vec<f64> = samples.iter().filter_map(in_round).collect();
            if ratios.is_empty() { "–".to_owned() } else { format!("{:.2}", median(ratios)) }
        };
        format!(
            "{target:<14} {case:<16} {:>10.0} {:>8.3} {:>8.3} {:>8.3} {:>8.1} {:>10.1} {:>10} {:>9}",
            middle(&Sample::rate),
            middle(&|sample| f64::from(sample.load.p50_us) / 1e3),
            middle(&|sample| f64::from(sample.load.p99_us) / 1e3),
            middle(&|sample| f64::from(sample.load.max_us) / 1e3),
            middle(&Sample::cpu_us_per_event),
            middle(&|sample| float(sample.peak_rss_kib) / 1024.0),
            ratio(&Sample::rate),
            ratio(&Sample::cpu_us_per_event),
        )
    }

    /// Returns the reasons why the run is not valid.
    pub(super) fn faults(&self) -> Vec<String> {
        let in_memory = ["tmpfs", "ramfs"].contains(&self.file_system.as_str());
        let fault =
            in_memory.then(|| format!("the database was on {}, where fsync costs nothing", self.file_system));
        self.samples.iter().filter_map(Sample::fault).chain(fault).collect()
    }

    /// Returns the complete run, and `true` if it is valid.
    pub(super) fn json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Judged<'a> {
            valid: bool,
            faults: Vec<String>,
            #[serde(flatten)]
            report: &'a Report,
        }
        let faults = self.faults();
        let judged = Judged { valid: faults.is_empty(), faults, report: self };
        serde_json::to_string_pretty(&judged).context("writing the report as JSON")
    }
}

/// Returns each value once, in order of first appearance.
fn unique<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    values.filter(|value| seen.insert(*value)).collect()
}

/// Returns the median; the mean of the two middle values if their number is even.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = values.get(middle.wrapping_sub(1)).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

/// Returns the smallest value that `percent` of the sorted values do not exceed.
pub(super) fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Converts a count to a floating-point number; the counts are far below the limit of exact values.
pub(crate) fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: u32, target: &str, cpu: f64) -> Sample {
        let load = LoadResult { responded: 1_000, seconds: 1.0, ..LoadResult::default() };
        Sample {
            round,
            target: target.to_owned(),
            case: "text c=64".to_owned(),
            cpu_us: cpu * 1_000.0,
            peak_rss_kib: 1_024,
            events_per_request: 1,
            reached_upstream: Some(1_000),
            load,
        }
    }

    fn report(rounds: u32) -> Report {
        Report { file_system: "xfs".to_owned(), ..Report::new(rounds, Path::new("/")).unwrap() }
    }

    #[test]
    fn ratios_are_computed_within_a_round() {
        let mut report = report(3);
        for (round, (nginx, waypost)) in (0..).zip([(10.0, 20.0), (30.0, 90.0), (20.0, 80.0)]) {
            report.samples.push(sample(round, "nginx", nginx));
            report.samples.push(sample(round, "waypost", waypost));
        }
        assert!(
            report.row("waypost", "text c=64").ends_with(" 3.00"),
            "{}",
            report.row("waypost", "text c=64")
        );
        assert!(report.faults().is_empty());
    }

    #[test]
    fn a_run_with_errors_or_lost_messages_is_not_valid() {
        let mut report = report(1);
        report.samples.push(Sample { reached_upstream: Some(999), ..sample(0, "waypost", 1.0) });
        let mut refused = sample(0, "nginx", 1.0);
        refused.load.errors.insert("429 Too Many Requests".to_owned(), 1);
        report.samples.push(refused);
        assert_eq!(report.faults().len(), 2);
        assert!(report.json().unwrap().contains("\"valid\": false"));
        let in_memory = Report { file_system: "tmpfs".to_owned(), ..self::report(1) };
        assert_eq!(in_memory.faults().len(), 1);
    }

    #[test]
    fn the_median_and_the_percentile_are_computed() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (100, 198));
        assert_eq!(percentile(&[], 99), 0);
    }
}
