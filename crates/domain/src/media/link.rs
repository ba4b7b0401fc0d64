//! Links of media files.

use super::content_disposition::file_name_of_path;

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

/// Returns the last segment of the path of a link.
pub fn file_name_of_link(link: &str) -> Option<String> {
    let path = link.get(path_start(link)..)?;
    file_name_of_path(path.split(['?', '#']).next()?)
}

/// Returns the index of the first character after the host.
fn path_start(link: &str) -> usize {
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

    #[test]
    fn a_link_has_the_name_at_the_end_of_its_path() {
        for (link, name) in [
            ("https://a.example/x/the%20menu.pdf?size=/2#/3", Some("the menu.pdf")),
            ("https://a.example/x/the menu.pdf", Some("the menu.pdf")),
            ("https://a.example/x/", None),
            ("https://a.example", None),
            ("https://a.example?b.pdf", None),
        ] {
            assert_eq!(file_name_of_link(link).as_deref(), name, "{link}");
        }
    }
}
