//! Web addresses.

/// Returns `true` if `text` is an absolute `http` or `https` URL with a host and without whitespace.
#[must_use]
pub fn is_http_url(text: &str) -> bool {
    let scheme = |name: &str| {
        text.get(..name.len())
            .filter(|start| start.eq_ignore_ascii_case(name))
            .and_then(|start| text.get(start.len()..))
    };
    let Some(rest) = scheme("https://").or_else(|| scheme("http://")) else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    !host.is_empty()
        && !host.starts_with(':')
        && !rest.chars().any(|character| character.is_whitespace() || character.is_control())
}
