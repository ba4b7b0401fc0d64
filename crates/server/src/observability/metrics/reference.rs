//! `docs/metrics.md`, printed from the list of metrics; the dashboard and the alerts are checked against the list.

use std::collections::BTreeSet;
use std::fmt::Write;

use engine::metrics::list::{ALL, Metric, MetricKind};
use expect_test::expect_file;

fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         Printed from the code: `UPDATE_EXPECT=1 cargo test -p waypost --lib reference`.\n\n\
         `GET /metrics` responds in the text format of Prometheus (0.0.4), outside of `/api` and without an API key.\n\
         `metrics.enabled = false` disables the page; with `metrics.token`, requests need `Authorization: Bearer <token>`.\n\
         The page contains names of workspaces, accounts, routes and codes, never personal data or messages.\n\n\
         Counters count the work of this process since its start; work is counted after it was committed to disk.\n\
         Gauges from the store (queues, unknown messages, limits, sizes) are the same on all processes that share a \
         database, and at most five seconds old.\n\n\
         `deploy/grafana/waypost.json` is a dashboard, and `deploy/prometheus/alerts.yml` contains alerting rules.\n\
         Scrape configuration for Prometheus:\n\n\
         ```yaml\n\
         scrape_configs:\n  \
           - job_name: waypost\n    \
             authorization: { credentials_file: /etc/prometheus/waypost-token }\n    \
             static_configs: [{ targets: [\"127.0.0.1:8080\"] }]\n\
         ```\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in ALL {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let line = writeln!(
            page,
            "| `{name}` | {} | {} | {} |",
            kind.as_str(),
            labels.join(", "),
            help.trim().replace('|', "\\|")
        );
        line.expect("writing to a string cannot fail");
    }
    page
}

#[test]
fn the_committed_metrics_page_is_up_to_date() {
    expect_file!["../../../../../docs/metrics.md"].assert_eq(&reference());
}

/// Returns the names of metrics in a text.
fn metric_names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("waypost_") || word.starts_with("process_"))
        .collect()
}

fn is_known(name: &str) -> bool {
    ALL.iter().any(|metric| match metric.kind {
        MetricKind::Counter | MetricKind::Gauge => metric.name == name,
        MetricKind::Histogram => name
            .strip_prefix(metric.name)
            .is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix)),
    })
}

#[test]
fn the_dashboard_and_the_alerts_use_existing_metrics() {
    let dashboard = include_str!("../../../../../deploy/grafana/waypost.json");
    let alerts = include_str!("../../../../../deploy/prometheus/alerts.yml");
    let parsed: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let mut expressions = Vec::new();
    for panel in parsed["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            expressions.push(target["expr"].as_str().expect("an expression").to_owned());
        }
    }
    let rules = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    expressions.extend(rules.map(str::to_owned));
    assert!(expressions.len() > 30, "{}", expressions.len());
    let all = expressions.join("\n");
    let unknown: Vec<_> = metric_names(&all).into_iter().filter(|name| !is_known(name)).collect();
    assert_eq!(unknown, [""; 0]);
    // Every metric is used by the dashboard or an alert, or is an exception here.
    let used = metric_names(&all);
    let missing: Vec<_> = ALL
        .iter()
        .map(|metric| metric.name)
        .filter(|name| !used.iter().any(|used| used.starts_with(name)))
        .filter(|name| !["waypost_build_info", "waypost_messages_played_total"].contains(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn each_alert_has_a_summary_and_a_description() {
    let alerts = include_str!("../../../../../deploy/prometheus/alerts.yml");
    let rules: Vec<_> = alerts.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 7, "{}", rules.len());
    for rule in rules {
        let name = rule.lines().next().unwrap_or_default();
        for needed in ["expr: ", "for: ", "severity: ", "summary: ", "description: "] {
            assert_eq!(rule.matches(needed).count(), 1, "{name}: {needed}");
        }
    }
}
