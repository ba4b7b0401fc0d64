//! Logging to standard error, as text or JSON.
//!
//! **Invariant:** no log line is written to standard output, which is reserved for the results of commands.

use engine::spans::SPANS;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogFormat, LogSettings};
use crate::observability::traces;
use crate::observability::traces::{Exporter, TracesError};

/// Error: logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The filter is not valid.
    #[error("log.filter = `{filter}`")]
    Filter {
        /// Filter.
        filter: String,
        /// Cause.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was already started.
    #[error("starting logging")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
    /// Spans cannot be exported.
    #[error("log.otlp_endpoint")]
    Traces(#[source] TracesError),
}

/// Starts logging for the whole process. Returns the exporter of spans, if a collector is configured.
///
/// # Errors
/// If the filter is not valid, spans cannot be exported, or logging was already started.
pub(crate) fn start(settings: &LogSettings) -> Result<Option<Exporter>, TelemetryError> {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    let invalid = |source| TelemetryError::Filter { filter: settings.filter.clone(), source };
    // Spans are not logged; without an exporter they are not created.
    let no_spans: Directive = format!("{SPANS}=off").parse().map_err(invalid)?;
    let filter = EnvFilter::builder().parse(&settings.filter).map_err(invalid)?.add_directive(no_spans);
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
