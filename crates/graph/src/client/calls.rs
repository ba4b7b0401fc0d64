//! Names of calls to Meta in metrics and spans.

use engine::metrics::UpstreamCallOutcome;
use engine::ports::{AccountCredentials, UpstreamError};
use engine::spans::SPANS;
use tracing::Span;
use tracing::field::Empty;

/// Edges of the Graph API, and the name of a call to each.
const CALLS: [(&str, &str); 13] = [
    ("messages", "mark_read"),
    ("message_templates", "templates"),
    ("subscribed_apps", "subscribed_apps"),
    ("debug_token", "token"),
    ("media", "media"),
    ("register", "register"),
    ("deregister", "deregister"),
    ("phone_numbers", "phone_numbers"),
    ("whatsapp_business_profile", "profile"),
    ("uploads", "uploads"),
    ("block_users", "block_users"),
    ("settings", "settings"),
    ("subscriptions", "subscriptions"),
];

/// Returns the name of the call with this path. A path that ends in an id is a `node`.
pub(super) fn call(path: &str) -> &'static str {
    let edge = path.rsplit('/').next().unwrap_or_default();
    CALLS.iter().find(|(known, _)| *known == edge).map_or("node", |(_, name)| name)
}

/// Returns the span of a call.
pub(super) fn span(call: &'static str, credentials: &AccountCredentials) -> Span {
    tracing::info_span!(
        target: SPANS,
        "meta",
        otel.name = call,
        otel.kind = "client",
        account.id = %credentials.account.id,
        meta.outcome = Empty,
        meta.code = Empty,
    )
}

/// Returns the result of a call as the metrics name it.
pub(super) fn end<T>(end: &Result<T, UpstreamError>) -> UpstreamCallOutcome {
    match end {
        Ok(_) => UpstreamCallOutcome::Answered,
        Err(UpstreamError::Refused(_) | UpstreamError::Throttled { .. }) => UpstreamCallOutcome::Refused,
        Err(UpstreamError::Unreachable(_)) => UpstreamCallOutcome::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_the_edge_and_never_by_an_id() {
        assert_eq!(call("/v24.0/210987650001234/message_templates"), "templates");
        assert_eq!(call("/v24.0/330011220099887/messages"), "mark_read");
        assert_eq!(call("/v24.0/330011220099887"), "node");
        assert_eq!(call("/debug_token"), "token");
        assert_eq!(call(""), "node");
    }
}
