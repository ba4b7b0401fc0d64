//! Audit entries of webhook endpoints.

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::json::Value;

use crate::ports::WebhookEndpoint;
use crate::{AuditContext, Deps};

/// Creates an audit entry about an endpoint.
pub(super) fn audit_entry(
    deps: &Deps,
    audit: &AuditContext,
    action: AuditAction,
    record: &WebhookEndpoint,
) -> AuditEntry {
    let subject = AuditTarget::named(AuditTargetKind::Webhook, &record.id, record.name.as_str());
    audit.entry(deps, record.workspace, action, subject)
}

/// Adds the URLs before and after a change, and the names of the headers that the endpoint no longer has, to an entry.
pub(super) fn with_change(
    entry: AuditEntry,
    before: &WebhookEndpoint,
    after: &WebhookEndpoint,
) -> AuditEntry {
    let is_kept = |name: &str| after.headers.iter().any(|(kept, _)| kept.eq_ignore_ascii_case(name));
    let removed: Vec<Value> = before
        .headers
        .iter()
        .filter(|(name, _)| !is_kept(name))
        .map(|(name, _)| name.as_str().into())
        .collect();
    let entry =
        entry.with("url_before", without_secrets(&before.url)).with("url", without_secrets(&after.url));
    if removed.is_empty() { entry } else { entry.with("headers_removed", Value::Array(removed)) }
}

/// Returns a URL with `***` in the place of each value of its query, which may be a secret of the receiver. A URL of an
/// endpoint has no user name, no password and no fragment.
pub(super) fn without_secrets(url: &str) -> String {
    let Some((address, query)) = url.split_once('?') else { return url.to_owned() };
    let parameters: Vec<_> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) => format!("{name}=***"),
            // A parameter without a name is a value.
            None => "***".to_owned(),
        })
        .collect();
    format!("{address}?{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn the_values_of_a_query_are_not_shown() {
        for (url, shown) in [
            ("https://shop.example/hooks/a", "https://shop.example/hooks/a"),
            ("https://shop.example/?token=s3cret&b=", "https://shop.example/?token=***&b=***"),
            ("https://shop.example?s3cret", "https://shop.example?***"),
            ("https://shop.example/?a=s3cret=?&s3cret", "https://shop.example/?a=***&***"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
