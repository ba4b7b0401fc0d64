//! File names in `Content-Disposition` headers and in URLs.
//!
//! The header stands in the answers of file servers (RFC 6266) and in each file of a form (RFC 7578). Senders write names
//! that are not ASCII in several ways, and all of them are read: `filename*` (RFC 8187), encoded words (RFC 2047; .NET),
//! percent-encoding (browsers), and bytes in UTF-8 or Latin-1.
//!
//! **Invariant:** a name contains no folder and no control character, and is not `.` or `..`.

use super::inbound_media::from_base64;

/// Maximum number of characters of a name.
const MAX_CHARS: usize = 240;

/// Returns the file name in a `Content-Disposition` header. `filename*` has precedence over `filename`.
pub fn file_name_of_header(value: &[u8]) -> Option<String> {
    let value = text(value);
    let (mut extended, mut plain) = (None, None);
    for (name, value) in parameters(&value) {
        match name.as_str() {
            "filename*" => extended = extended.or_else(|| extended_value(&value)),
            "filename" => {
                plain = plain.or_else(|| encoded_words(&value).or_else(|| unescape(&value)).or(Some(value)))
            }
            _ => {}
        }
    }
    clean(&extended.or(plain)?)
}

/// Returns the last segment of a URL's path.
pub fn file_name_of_path(path: &str) -> Option<String> {
    clean(&unescape(path.rsplit('/').next()?)?)
}

/// Reads bytes as UTF-8, or else as Latin-1.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

/// Reads bytes as Latin-1.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
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
fn extended_value(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    decode(charset, &percent_decode(text))
}

/// Decodes a value that consists of encoded words such as `=?utf-8?B?bmHDr3Zl?=` (RFC 2047); .NET's HTTP client writes
/// file names so. Returns `None` for any other value.
fn encoded_words(value: &str) -> Option<String> {
    let mut decoded = String::new();
    for word in value.split_ascii_whitespace() {
        let mut parts = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
        let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = match encoding {
            "B" | "b" => from_base64(text.trim_end_matches('='))?,
            "Q" | "q" => percent_decode(&text.replace('_', " ").replace('%', "=25").replace('=', "%")),
            _ => return None,
        };
        decoded.push_str(&decode(charset, &bytes)?);
    }
    (!decoded.is_empty()).then_some(decoded)
}

/// Reads bytes in a character set, of which UTF-8 and Latin-1 are known.
fn decode(charset: &str, bytes: &[u8]) -> Option<String> {
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" => std::str::from_utf8(bytes).ok().map(str::to_owned),
        "iso-8859-1" | "latin1" => Some(latin1(bytes)),
        _ => None,
    }
}

/// Decodes percent-encoded UTF-8.
fn unescape(text: &str) -> Option<String> {
    String::from_utf8(percent_decode(text)).ok()
}

/// Decodes percent-encoding. A percent sign without two hexadecimal digits stands for itself.
fn percent_decode(text: &str) -> Vec<u8> {
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
    bytes
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
            ("attachment; filename*=iso-8859-1'de'Rechnung%20%E9.pdf", Some("Rechnung é.pdf")),
            ("attachment; filename*=koi8-r''%E9.pdf; filename=e.pdf", Some("e.pdf")),
            ("form-data; name=\"file\"; filename=\"=?utf-8?B?bmHDr3ZlLnBkZg==?=\"", Some("naïve.pdf")),
            (
                "form-data; name=file; filename==?utf-8?Q?na=C3=AFve_1.pdf?=; filename*=utf-8''b.pdf",
                Some("b.pdf"),
            ),
            ("attachment; filename=\"=?utf-8?Q?na=C3=AFve_1.pdf?=\"", Some("naïve 1.pdf")),
            ("form-data; name=\"file\"; filename=\"a%22b%22.pdf\"", Some("a\"b\".pdf")),
            ("attachment; filename=\"na%C3%AFve.pdf\"", Some("naïve.pdf")),
            ("attachment; filename=\"50%.pdf\"", Some("50%.pdf")),
            ("attachment; filename=\"=?x?=\"", Some("=?x?=")),
            ("attachment; filename=\"naïve.pdf\"", Some("naïve.pdf")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            (r"attachment; filename=C:\a\b.txt", Some("b.txt")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=", None),
            ("attachment", None),
            ("attachment; filename", None),
            ("", None),
            (";;=;=\"", None),
        ] {
            assert_eq!(file_name_of_header(header.as_bytes()).as_deref(), name, "{header}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_latin_1() {
        let name = file_name_of_header(b"attachment; filename=\"Rechnung \xe9.pdf\"");
        assert_eq!(name.as_deref(), Some("Rechnung é.pdf"));
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
            assert_eq!(file_name_of_path(path).as_deref(), name, "{path}");
        }
        assert_eq!(
            file_name_of_path(&format!("/{}", "x".repeat(999))).map(|name| name.len()),
            Some(MAX_CHARS)
        );
    }
}
