//! The text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use domain::id::AccountId;

use super::list::{ALL, Metric};
use super::series::Label;

/// The content type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What accounts are called, by workspace and by themselves.
#[derive(Debug, Default)]
pub struct Names(pub BTreeMap<AccountId, (String, String)>);

impl Names {
    pub(super) fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.0.keys().copied()
    }

    /// The values of labels; `None` for those of an account that is gone.
    pub(super) fn resolve(&self, labels: &[Label]) -> Option<Vec<String>> {
        let mut values = Vec::with_capacity(labels.len() + 1);
        for label in labels {
            match label {
                Label::Account(account) => {
                    let (workspace, name) = self.0.get(account)?;
                    values.extend([workspace.clone(), name.clone()]);
                }
                Label::Word(word) => values.push((*word).to_owned()),
                Label::Number(number) => values.push(number.to_string()),
                Label::Text(text) => values.push(text.to_string()),
            }
        }
        Some(values)
    }
}

/// A page in the making: samples in any order of their metrics.
#[derive(Debug, Default)]
pub struct Page {
    samples: BTreeMap<&'static str, String>,
}

impl Page {
    /// Adds a sample; `labels` are the values, in the metric's order.
    pub fn put<T: AsRef<str>>(&mut self, metric: &'static Metric, labels: &[T], value: impl Display) {
        let named = metric.labels.iter().copied().zip(labels.iter().map(AsRef::as_ref));
        self.line(metric, "", named, value);
    }

    pub(super) fn put_bucket(&mut self, metric: &'static Metric, labels: &[String], bound: &str, n: u64) {
        let named = metric.labels.iter().copied().zip(labels.iter().map(String::as_str));
        self.line(metric, "_bucket", named.chain([("le", bound)]), n);
    }

    pub(super) fn put_sum(&mut self, metric: &'static Metric, labels: &[String], sum: &str, n: u64) {
        let named = || metric.labels.iter().copied().zip(labels.iter().map(String::as_str));
        self.line(metric, "_sum", named(), sum);
        self.line(metric, "_count", named(), n);
    }

    fn line<'a>(
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
        // A string takes everything.
        let _infallible = writeln!(text, " {value}");
    }

    /// The whole page, in the order of the list of metrics.
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
    fn names_that_people_chose_cannot_break_the_format() {
        let mut page = Page::default();
        page.put(list::ACCOUNT_HELD, &["default", "a \"quoted\" \\ name\nof two lines"], 1);
        let text = page.finish();
        let sample = text.lines().last();
        let expected =
            r#"waypost_account_held{workspace="default",account="a \"quoted\" \\ name\nof two lines"} 1"#;
        assert_eq!(sample, Some(expected));
    }
}
