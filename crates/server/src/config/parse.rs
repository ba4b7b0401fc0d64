//! Reading values. Each function says what is wrong; who calls it says with which setting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use jiff::SignedDuration;
use secrecy::{SecretSlice, SecretString};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::keys::{Kind, TRUTH, Wrong};
use crate::client_ip::Network;

use super::{LogFormat, MediaStore};

/// The bytes of a secret key.
const SECRET_KEY_BYTES: usize = 32;
/// The fewest characters of a token: a shorter one can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Puts a value in its place.
pub(super) fn into<T>(place: &mut T, value: Result<T, Wrong>) -> Result<(), Wrong> {
    *place = value?;
    Ok(())
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong(reason.into()))
}

fn must_be(kind: Kind) -> Wrong {
    Wrong(format!("must be {}", kind.text()))
}

pub(super) fn address(text: &str) -> Result<SocketAddr, Wrong> {
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| must_be(Kind::Address))?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| must_be(Kind::Address))
}

pub(super) fn database(text: &str) -> Result<PathBuf, Wrong> {
    if ["postgres:", "postgresql:"].iter().any(|scheme| text.starts_with(scheme)) {
        return wrong(
            "names a PostgreSQL database, but this version of waypost keeps its data in SQLite only: give it \
             `sqlite:` and the path of a file",
        );
    }
    let path = text.strip_prefix("sqlite:").ok_or_else(|| must_be(Kind::Database))?;
    // Both `sqlite:path` and `sqlite://path` are usual.
    let path = path.strip_prefix("//").unwrap_or(path);
    if path == ":memory:" || path.starts_with("file:") {
        return wrong("must be a file on disk: a gateway that forgets its messages when it ends loses them");
    }
    if path.contains('?') {
        return wrong("takes no parameters after a `?`");
    }
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err(must_be(Kind::Database));
    }
    Ok(PathBuf::from(path))
}

pub(super) fn folder(text: &str) -> Result<PathBuf, Wrong> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err(must_be(Kind::Folder));
    }
    Ok(PathBuf::from(text))
}

pub(super) fn secret_key(text: &str) -> Result<SecretSlice<u8>, Wrong> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim();
    let alphabet =
        if text.contains(['-', '_']) { base64::alphabet::URL_SAFE } else { base64::alphabet::STANDARD };
    let made = "make one with `openssl rand -base64 32`";
    match GeneralPurpose::new(&alphabet, config).decode(text) {
        Ok(bytes) if bytes.len() == SECRET_KEY_BYTES => Ok(SecretSlice::from(bytes)),
        Ok(bytes) => {
            wrong(format!("must be {SECRET_KEY_BYTES} bytes as base64, is {} bytes; {made}", bytes.len()))
        }
        Err(_) => wrong(format!("must be {SECRET_KEY_BYTES} bytes as base64; {made}")),
    }
}

/// A base URL without a slash at its end.
pub(super) fn url(text: &str) -> Result<String, Wrong> {
    let url = Url::parse(text).map_err(|_| must_be(Kind::Url))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !text.contains("://") {
        return Err(must_be(Kind::Url));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("must be a URL without a user name or password in it");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("must be a URL without `?` or `#`");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

pub(super) fn version(text: &str) -> Result<String, Wrong> {
    let is_number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_version = text
        .strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    if is_version { Ok(text.to_owned()) } else { Err(must_be(Kind::Version)) }
}

pub(super) fn number(text: &str, least: u32, most: u32) -> Result<u32, Wrong> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| must_be(Kind::Number(least, most)))
}

pub(super) fn hours(text: &str, most: u32) -> Result<SignedDuration, Wrong> {
    number(text, 1, most).map(|hours| SignedDuration::from_hours(hours.into()))
}

/// Addresses and networks between commas; none is fine.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, Wrong> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(|()| must_be(Kind::Networks))).collect()
}

pub(super) fn token(text: &str) -> Result<SecretString, Wrong> {
    let text = text.trim();
    let is_fit = text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_fit { Ok(text.into()) } else { Err(must_be(Kind::Token)) }
}

pub(super) fn truth(text: &str) -> Result<bool, Wrong> {
    text.parse().map_err(|_| must_be(Kind::Choice(TRUTH)))
}

/// The longest wait between two attempts: thirty days.
const LONGEST_WAIT: u32 = 2_592_000;

pub(super) fn waits(text: &str) -> Result<Vec<u32>, Wrong> {
    let waits: Option<Vec<u32>> = text
        .split(',')
        .map(|wait| wait.trim().parse().ok().filter(|wait| (1..=LONGEST_WAIT).contains(wait)))
        .collect();
    waits.ok_or_else(|| must_be(Kind::Waits))
}

/// Words as people write them. None at all switches off what they do.
pub(super) fn words(text: &str) -> Result<Vec<String>, Wrong> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
    if words.iter().any(|word| domain::contacts::opt_out::normalize(word).is_empty()) {
        return Err(must_be(Kind::Words));
    }
    Ok(words)
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Wrong> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(must_be(Kind::Choice(&["text", "json"]))),
    }
}

pub(super) fn media_store(text: &str) -> Result<MediaStore, Wrong> {
    match text {
        "file" => Ok(MediaStore::File),
        "s3" => Ok(MediaStore::S3),
        _ => Err(must_be(Kind::Choice(&["file", "s3"]))),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_graphic())
}

pub(super) fn name(text: &str) -> Result<String, Wrong> {
    if is_word(text) { Ok(text.to_owned()) } else { Err(must_be(Kind::Name)) }
}

pub(super) fn password(text: &str) -> Result<SecretString, Wrong> {
    if is_word(text) { Ok(text.into()) } else { Err(must_be(Kind::Password)) }
}

pub(super) fn prefix(text: &str) -> Result<String, Wrong> {
    let text = text.trim_matches('/');
    let is_path = text.is_empty()
        || text.split('/').all(|part| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        });
    if is_path { Ok(text.to_owned()) } else { Err(must_be(Kind::Prefix)) }
}

pub(super) fn filter(text: &str) -> Result<String, Wrong> {
    // An empty filter would silence everything but errors, which nobody means.
    if text.trim().is_empty() || EnvFilter::builder().parse(text).is_err() {
        return Err(must_be(Kind::Filter));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn an_address_is_an_ip_or_localhost_and_a_port() {
        assert_eq!(address("localhost:81"), Ok("127.0.0.1:81".parse().unwrap()));
        assert_eq!(address("[::1]:0"), Ok("[::1]:0".parse().unwrap()));
        for text in ["", "8080", ":8080", "127.0.0.1", "example.com:80", "127.0.0.1:99999", "localhost:"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_database_is_a_file() {
        assert_eq!(database("sqlite:waypost.db"), Ok(PathBuf::from("waypost.db")));
        assert_eq!(database("sqlite:///var/lib/waypost.db"), Ok(PathBuf::from("/var/lib/waypost.db")));
        assert_eq!(database("sqlite:/var/lib/waypost.db"), Ok(PathBuf::from("/var/lib/waypost.db")));
        for text in
            ["", "waypost.db", "sqlite:", "sqlite::memory:", "sqlite:a/", "sqlite:a?mode=ro", "mysql://x"]
        {
            assert!(database(text).is_err(), "{text}");
        }
        let Err(Wrong(reason)) = database("postgres://me:hunter2@db/waypost") else { panic!("taken") };
        assert!(reason.contains("SQLite only") && !reason.contains("hunter2"), "{reason}");
    }

    #[test]
    fn a_secret_key_is_32_bytes_in_any_base64() {
        let standard = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for text in [standard, standard.trim_end_matches('='), &url_safe, url_safe.trim_end_matches('=')] {
            let key = secret_key(text).ok().unwrap();
            assert_eq!(key.expose_secret().len(), 32, "{text}");
        }
        for text in ["", "short", "c2hvcnQ=", "not base64 at all, but as long as a key!!!!"] {
            assert!(secret_key(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_ends_without_a_slash_and_holds_no_password() {
        assert_eq!(url("https://wa.example.com/"), Ok("https://wa.example.com".to_owned()));
        assert_eq!(url("http://127.0.0.1:8090/x/"), Ok("http://127.0.0.1:8090/x".to_owned()));
        for text in [
            "",
            "wa.example.com",
            "ftp://x",
            "https://",
            "https:x",
            "https://a:b@x",
            "https://x?a",
            "http://x#a",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_a_path_that_leads_nowhere_else() {
        assert_eq!(prefix("/waypost/media/"), Ok("waypost/media".to_owned()));
        assert_eq!(prefix(""), Ok(String::new()));
        for text in ["a//b", "../a", "a/.", "a b", "a\\b", "a?b"] {
            assert!(prefix(text).is_err(), "{text}");
        }
        assert!(name("eu central").is_err() && name("").is_err() && password("a\nb").is_err());
        assert!(media_store("s4").is_err());
    }

    #[test]
    fn a_token_is_long_and_fits_into_a_header() {
        assert!(token("0123456789abcdef\n").is_ok());
        for text in ["", "short", "0123456789 abcdef", "0123456789abcdef\u{e9}"] {
            assert!(token(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_values_have_bounds() {
        assert_eq!(number("1", 1, 600), Ok(1));
        for text in ["0", "601", "-1", "1.5", "", "1e2", " 1"] {
            assert!(number(text, 1, 600).is_err(), "{text}");
        }
        for text in ["v24", "24.0", "v24.0.1", "v.0"] {
            assert!(version(text).is_err(), "{text}");
        }
        assert_eq!(words("STOP, opt out"), Ok(vec!["STOP".to_owned(), "opt out".to_owned()]));
        assert_eq!(words(""), Ok(Vec::new()));
        for text in ["STOP,", "STOP,!", ","] {
            assert!(words(text).is_err(), "{text}");
        }
        for text in ["", " ", "info,=", "engine=loud"] {
            assert!(filter(text).is_err(), "{text}");
        }
        assert!(filter("warn,engine=debug").is_ok());
    }
}
