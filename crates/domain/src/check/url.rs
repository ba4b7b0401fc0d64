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

/// Returns the URL that is requested for a link: without blanks around it, and without its fragment. Blanks and
/// characters that are not ASCII are percent-encoded after the host.
pub fn request_url(link: &str) -> String {
    let link = link.trim();
    let link = link.split('#').next().unwrap_or(link);
    let (host, rest) = link.split_at(path_start(link));
    let mut url = host.to_owned();
    let mut buffer = [0; 4];
    for letter in rest.chars() {
        // Control characters stay: the check of the URL refuses them.
        if letter.is_control() || letter.is_ascii() && letter != ' ' {
            url.push(letter);
        } else {
            url.extend(letter.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    url
}

/// Returns the index of the first character after the host.
pub(crate) fn path_start(link: &str) -> usize {
    let host = link.find("://").map_or(0, |scheme| scheme.saturating_add(3));
    let rest = link.get(host..).unwrap_or_default();
    rest.find(['/', '?', '#']).map_or(link.len(), |path| host.saturating_add(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_requested_without_fragment_and_percent_encoded() {
        for (link, url) in [
            ("https://a.example/b.pdf", "https://a.example/b.pdf"),
            (" https://a.example/b.pdf#page=2\n", "https://a.example/b.pdf"),
            ("https://a.example/the menu.pdf?size=a b", "https://a.example/the%20menu.pdf?size=a%20b"),
            ("https://a.example/the%20menu.pdf", "https://a.example/the%20menu.pdf"),
            ("https://a.example/Menü\u{a0}1.pdf", "https://a.example/Men%C3%BC%C2%A01.pdf"),
            ("https://bücher.example/a", "https://bücher.example/a"),
            ("https://a.example?ü", "https://a.example?%C3%BC"),
            ("https://a.example", "https://a.example"),
            ("https://a.example/a\tb", "https://a.example/a\tb"),
            ("menü", "menü"),
        ] {
            assert_eq!(request_url(link), url, "{link}");
        }
    }
}
