//! The text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::list::{ALL, Metric};

/// Content type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Page of metrics. Samples are added in any order.
#[derive(Debug, Default)]
pub struct MetricsPage {
    samples: BTreeMap<&'static str, String>,
}

impl MetricsPage {
    /// Adds a sample. `labels` are the values of the labels, in the order of the metric.
    pub fn add_sample<T: AsRef<str>>(&mut self, metric: &'static Metric, labels: &[T], value: impl Display) {
        let named = metric.labels.iter().copied().zip(labels.iter().map(AsRef::as_ref));
        self.write_sample(metric, "", named, value);
    }

    pub(super) fn add_bucket(&mut self, metric: &'static Metric, labels: &[String], bound: &str, n: u64) {
        let named = metric.labels.iter().copied().zip(labels.iter().map(String::as_str));
        self.write_sample(metric, "_bucket", named.chain([("le", bound)]), n);
    }

    pub(super) fn add_sum(&mut self, metric: &'static Metric, labels: &[String], sum: &str, n: u64) {
        let named = || metric.labels.iter().copied().zip(labels.iter().map(String::as_str));
        self.write_sample(metric, "_sum", named(), sum);
        self.write_sample(metric, "_count", named(), n);
    }

    fn write_sample<'a>(
        &mut self,
        metric: &'static Metric,
        suffix: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: impl Display,
    ) {
        let text = self.samples.entry(metric.name).or_default();
        text.push_str(metric.name);
        text.push_str(suffix);
        let mut opening = '{';
        for (name, value) in labels {
            text.push(opening);
            text.push_str(name);
            text.push_str("=\"");
            value.chars().for_each(|one| match one {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            });
            text.push('"');
            opening = ',';
        }
        if opening == ',' {
            text.push('}');
        }
        // Writing to a string does not fail.
        let _infallible = writeln!(text, " {value}");
    }

    /// Returns the text of the page, in the order of the list of metrics.
    #[must_use]
    pub fn finish(self) -> String {
        let mut text = String::new();
        for metric in ALL {
            let Some(samples) = self.samples.get(metric.name) else { continue };
            let Metric { name, kind, help, .. } = metric;
            let help = help.trim().replace('\\', "\\\\");
            let kind = kind.as_str();
            let _infallible = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::list;

    #[test]
    fn special_characters_in_label_values_are_escaped() {
        let mut page = MetricsPage::default();
        page.add_sample(list::ACCOUNT_SUSPENDED, &["default", "a \"quoted\" \\ name\nof two lines"], 1);
        let text = page.finish();
        let sample = text.lines().last();
        let expected =
            r#"waypost_account_held{workspace="default",account="a \"quoted\" \\ name\nof two lines"} 1"#;
        assert_eq!(sample, Some(expected));
    }
}
