//! Logs: to standard error, as text for people or as JSON for machines.
//!
//! **Invariant:** standard output belongs to the results of commands; no log line goes there.

use engine::spans::SPANS;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogFormat, LogSettings};
use crate::observability::traces;
use crate::observability::traces::{Exporter, TracesError};

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter = `{filter}`")]
    Filter {
        /// The filter.
        filter: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is a subscriber already.
    #[error("starting the log")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
    /// Spans cannot be exported.
    #[error("log.otlp_endpoint")]
    Traces(#[source] TracesError),
}

/// Starts logging for the whole process; with an endpoint, what its spans go through comes back.
///
/// # Errors
/// When the filter is none, spans cannot be exported, or it was started before.
pub(crate) fn start(settings: &LogSettings) -> Result<Option<Exporter>, TelemetryError> {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    let wrong = |source| TelemetryError::Filter { filter: settings.filter.clone(), source };
    // Spans are no log lines; where nobody exports them they are not even made.
    let no_spans: Directive = format!("{SPANS}=off").parse().map_err(wrong)?;
    let filter = EnvFilter::builder().parse(&settings.filter).map_err(wrong)?.add_directive(no_spans);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let registry = tracing_subscriber::registry();
    let Some(endpoint) = &settings.otlp_endpoint else {
        registry.with(lines).with(filter).try_init().map_err(TelemetryError::Twice)?;
        return Ok(None);
    };
    let (spans, exporter) = traces::layer(endpoint).map_err(TelemetryError::Traces)?;
    registry.with(lines.with_filter(filter)).with(spans).try_init().map_err(TelemetryError::Twice)?;
    Ok(Some(exporter))
}
