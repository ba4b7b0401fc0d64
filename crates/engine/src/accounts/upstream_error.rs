//! Messages about errors of calls to Meta, with advice.

use domain::meta_error::MetaError;

use crate::ports::UpstreamError;

/// Returns the error as sentences: the cause, and advice if the error has a code.
pub fn upstream_error_message(error: &UpstreamError) -> String {
    match error {
        UpstreamError::Refused(error) => meta_error_message(error),
        UpstreamError::Throttled { .. } => "Meta limits the rate of calls. Try again later.".to_owned(),
        UpstreamError::Unreachable(reason) => format!("Meta cannot be reached: {reason}"),
    }
}

/// Returns an error of Meta as sentences: code, description, advice.
pub(super) fn meta_error_message(error: &MetaError) -> String {
    let entry = error.entry();
    let description = error.details.as_deref().or(error.title.as_deref()).unwrap_or(entry.title);
    format!("Meta refused with code {}: {}. {}", error.code, description.trim_end_matches('.'), entry.advice)
}
