//! Links of media files.

use super::content_disposition::file_name_of_path;
use crate::check::path_start;

/// Returns the last segment of the path of a link.
pub fn file_name_of_link(link: &str) -> Option<String> {
    let path = link.get(path_start(link)..)?;
    file_name_of_path(path.split(['?', '#']).next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
