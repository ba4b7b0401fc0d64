//! The name of a downloaded file.
//!
//! **Invariant:** a name contains no folder and no control character, and is not `.` or `..`.

/// Maximum number of characters of a name.
const MAX_CHARS: usize = 240;

/// Returns the file name in a `Content-Disposition` header (RFC 6266). `filename*` has precedence over `filename`.
pub(crate) fn of_header(value: &str) -> Option<String> {
    let (mut extended, mut plain) = (None, None);
    for (name, value) in parameters(value) {
        match name.as_str() {
            "filename*" => extended = extended.or_else(|| decode(&value)),
            "filename" => plain = plain.or(Some(value)),
            _ => {}
        }
    }
    clean(&extended.or(plain)?)
}

/// Returns the last segment of a URL's path.
pub(crate) fn of_path(path: &str) -> Option<String> {
    clean(&unescape(path.rsplit('/').next()?)?)
}

/// Returns the parameters of a header value: names in lower case, values without quotes.
fn parameters(value: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, end) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, end) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), end)
            }
        };
        parameters.push((name.trim_matches([' ', '\t', ';']).to_ascii_lowercase(), value));
        rest = end;
    }
    parameters
}

/// Returns a quoted string without its quotes, and the text after it.
fn unquote(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => text.extend(letters.next()),
            letter => text.push(letter),
        }
    }
    (text, letters.as_str())
}

/// Decodes an extended value such as `UTF-8''na%C3%AFve` (RFC 8187).
fn decode(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    if charset.eq_ignore_ascii_case("utf-8") { unescape(text) } else { None }
}

/// Decodes percent-encoding.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let byte = match (first, after) {
            (b'%', [high, low, beyond @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                match digit(high).zip(digit(low)).map(|(high, low)| u8::try_from(high << 4 | low)) {
                    Some(Ok(byte)) => {
                        rest = beyond;
                        byte
                    }
                    Some(Err(_)) | None => b'%',
                }
            }
            (byte, _) => *byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

/// Removes what a file name cannot contain.
fn clean(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(MAX_CHARS).collect();
    let name = name.trim();
    let is_name = !name.is_empty() && name != "." && name != "..";
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_read_from_a_header() {
        for (header, name) in [
            ("attachment; filename=menu.pdf", Some("menu.pdf")),
            ("inline; FileName=\"the menu; 2.pdf\"; x=y", Some("the menu; 2.pdf")),
            (r#"attachment; filename="a \"b\".pdf""#, Some("a \"b\".pdf")),
            ("attachment; filename=\"menu.pdf\"; filename*=UTF-8''na%C3%AFve.pdf", Some("naïve.pdf")),
            ("attachment; filename*=UTF-8'en'x%2Fy%20z.pdf", Some("y z.pdf")),
            ("attachment; filename*=latin1''%E9.pdf; filename=e.pdf", Some("e.pdf")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            (r"attachment; filename=C:\a\b.txt", Some("b.txt")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=", None),
            ("attachment", None),
            ("attachment; filename", None),
            ("", None),
            (";;=;=\"", None),
        ] {
            assert_eq!(of_header(header).as_deref(), name, "{header}");
        }
    }

    #[test]
    fn a_file_name_is_read_from_a_path() {
        for (path, name) in [
            ("/a/menu.pdf", Some("menu.pdf")),
            ("/a/the%20menu.pdf", Some("the menu.pdf")),
            ("/a/50%.pdf", Some("50%.pdf")),
            ("/a/%2e%2e", None),
            ("/a%2Fb%5Cc.pdf", Some("c.pdf")),
            ("/a/%00%0a", None),
            ("/a/%ff", None),
            ("/a/", None),
            ("/", None),
        ] {
            assert_eq!(of_path(path).as_deref(), name, "{path}");
        }
        assert_eq!(of_path(&format!("/{}", "x".repeat(999))).map(|name| name.len()), Some(MAX_CHARS));
    }
}
