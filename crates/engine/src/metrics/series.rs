//! Counters, gauges and histograms.
//!
//! **Invariant:** to count is a lookup and an addition of atomics. Only the first count of a combination of labels
//! allocates memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::label::{AccountNames, Label};
use super::list::Metric;
use super::text::MetricsPage;

/// Counters of a metric, one for each combination of labels.
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

    /// Adds 1.
    pub fn increment(&self, labels: &[Label]) {
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

    /// Returns the value of the counter.
    pub fn get(&self, labels: &[Label]) -> u64 {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.get(labels).map_or(0, |n| n.load(Ordering::Relaxed))
    }

    pub(super) fn print(&self, page: &mut MetricsPage, names: &AccountNames) {
        if self.metric.labels == ["workspace", "account"] {
            // Prometheus needs the value 0 before the first count to compute the rate of the first count.
            names.accounts().for_each(|account| self.add(&[Label::Account(account)], 0));
        }
        for (labels, n) in &*self.series.read().unwrap_or_else(PoisonError::into_inner) {
            if let Some(labels) = names.resolve(labels) {
                page.add_sample(self.metric, &labels, n.load(Ordering::Relaxed));
            }
        }
    }
}

/// Number that increases and decreases.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds 1.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Subtracts 1.
    pub fn decrement(&self) {
        self.subtract(1);
    }

    /// Adds a number.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Subtracts a number.
    pub fn subtract(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Unit of the values of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds, printed as seconds.
    Micros,
    /// Number of items.
    Count,
}

impl Unit {
    fn print(self, value: u64) -> String {
        match self {
            Self::Micros => seconds(value),
            Self::Count => value.to_string(),
        }
    }
}

/// Formats microseconds as a decimal number of seconds.
pub(super) fn seconds(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Histograms of a metric, one for each combination of labels.
#[derive(Debug)]
pub struct Histograms {
    metric: &'static Metric,
    unit: Unit,
    /// Inclusive upper bounds of the buckets, ascending.
    bounds: &'static [u64],
    series: RwLock<BTreeMap<Vec<Label>, Buckets>>,
}

#[derive(Debug)]
struct Buckets {
    /// One count for each bound, and one for values above all bounds.
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

    /// Counts a value in the unit of the histogram.
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

    pub(super) fn print(&self, page: &mut MetricsPage, names: &AccountNames) {
        for (labels, buckets) in &*self.series.read().unwrap_or_else(PoisonError::into_inner) {
            let Some(labels) = names.resolve(labels) else { continue };
            let bounds = self.bounds.iter().map(|bound| self.unit.print(*bound));
            let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
            let mut n_total = 0_u64;
            for (bound, count) in bounds.zip(&buckets.counts) {
                n_total = n_total.saturating_add(count.load(Ordering::Relaxed));
                page.add_bucket(self.metric, &labels, &bound, n_total);
            }
            let sum = self.unit.print(buckets.sum.load(Ordering::Relaxed));
            page.add_sum(self.metric, &labels, &sum, n_total);
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
