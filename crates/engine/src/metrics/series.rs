//! Counters and histograms: what is counted while the process works.
//!
//! **Invariant:** to count is a look-up and an addition of atomics; the first count of a label alone makes something.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use domain::id::AccountId;

use super::list::Metric;
use super::text::{Names, Page};

/// The value of a label, before it is printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// An account: its workspace and its name, which are two labels.
    Account(AccountId),
    /// One of a closed list of words.
    Word(&'static str),
    /// One of a closed list of numbers.
    Number(i64),
    /// One of a list that is closed by whoever counts.
    Text(Box<str>),
}

/// Numbers that only grow, one for each combination of labels.
#[derive(Debug)]
pub struct Counters {
    metric: &'static Metric,
    series: RwLock<BTreeMap<Vec<Label>, AtomicU64>>,
}

impl Counters {
    pub(super) fn new(metric: &'static Metric) -> Self {
        let counters = Self { metric, series: RwLock::default() };
        if metric.labels.is_empty() {
            counters.add(&[], 0);
        }
        counters
    }

    /// Adds one.
    pub fn count(&self, labels: &[Label]) {
        self.add(labels, 1);
    }

    /// Adds `n`.
    pub fn add(&self, labels: &[Label], n: u64) {
        if let Some(series) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(labels) {
            series.fetch_add(n, Ordering::Relaxed);
            return;
        }
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(labels.to_vec()).or_default().fetch_add(n, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn get(&self, labels: &[Label]) -> u64 {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.get(labels).map_or(0, |n| n.load(Ordering::Relaxed))
    }

    pub(super) fn print(&self, page: &mut Page, names: &Names) {
        if self.metric.labels == ["workspace", "account"] {
            // A first count is a growth only beside the zero before it.
            names.accounts().for_each(|account| self.add(&[Label::Account(account)], 0));
        }
        for (labels, n) in &*self.series.read().unwrap_or_else(PoisonError::into_inner) {
            if let Some(labels) = names.resolve(labels) {
                page.put(self.metric, &labels, n.load(Ordering::Relaxed));
            }
        }
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a histogram counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds, printed as seconds.
    Micros,
    /// Things.
    Things,
}

impl Unit {
    fn print(self, value: u64) -> String {
        match self {
            Self::Micros => seconds(value),
            Self::Things => value.to_string(),
        }
    }
}

/// Microseconds as a decimal number of seconds.
pub(super) fn seconds(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How often something was how large, for each combination of labels.
#[derive(Debug)]
pub struct Histograms {
    metric: &'static Metric,
    unit: Unit,
    /// Up to and with these; ascending.
    bounds: &'static [u64],
    series: RwLock<BTreeMap<Vec<Label>, Buckets>>,
}

#[derive(Debug)]
struct Buckets {
    /// One for each bound, and one for what is above them.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Buckets {
    fn add(&self, bounds: &[u64], value: u64) {
        let n = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(n) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }
}

impl Histograms {
    pub(super) fn new(metric: &'static Metric, unit: Unit, bounds: &'static [u64]) -> Self {
        let histograms = Self { metric, unit, bounds, series: RwLock::default() };
        if metric.labels.is_empty() {
            histograms.with(&[], |_| ());
        }
        histograms
    }

    /// Counts a value: microseconds, or things.
    pub fn observe(&self, labels: &[Label], value: u64) {
        self.with(labels, |buckets| buckets.add(self.bounds, value));
    }

    fn with(&self, labels: &[Label], f: impl FnOnce(&Buckets)) {
        if let Some(buckets) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(labels) {
            return f(buckets);
        }
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(labels.to_vec()).or_insert_with(|| Buckets {
            counts: (0..=self.bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }));
    }

    pub(super) fn print(&self, page: &mut Page, names: &Names) {
        for (labels, buckets) in &*self.series.read().unwrap_or_else(PoisonError::into_inner) {
            let Some(labels) = names.resolve(labels) else { continue };
            let bounds = self.bounds.iter().map(|bound| self.unit.print(*bound));
            let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
            let mut n_all = 0_u64;
            for (bound, count) in bounds.zip(&buckets.counts) {
                n_all = n_all.saturating_add(count.load(Ordering::Relaxed));
                page.put_bucket(self.metric, &labels, &bound, n_all);
            }
            let sum = self.unit.print(buckets.sum.load(Ordering::Relaxed));
            page.put_sum(self.metric, &labels, &sum, n_all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_printed_as_exact_seconds() {
        for (micros, text) in [
            (0, "0"),
            (1, "0.000001"),
            (2_500, "0.0025"),
            (1_000_000, "1"),
            (10_000_000, "10"),
            (61_200_000, "61.2"),
        ] {
            assert_eq!(seconds(micros), text);
        }
    }

    #[test]
    fn a_value_falls_into_the_bucket_of_its_own_bound() {
        let buckets = Buckets { counts: (0..3).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) };
        for value in [0, 10, 11, 20, 21] {
            buckets.add(&[10, 20], value);
        }
        let counts: Vec<_> = buckets.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!((counts, buckets.sum.load(Ordering::Relaxed)), (vec![2, 2, 1], 62));
    }
}
