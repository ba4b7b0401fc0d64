//! Parsers of setting values.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use secrecy::{SecretSlice, SecretString};
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::client_ip::Network;

/// Length of a secret key in bytes.
const SECRET_KEY_BYTES: usize = 32;
/// Minimum length of a token; a shorter token can be guessed.
const MIN_TOKEN_LENGTH: usize = 16;

/// Error: a text is not valid. The text itself is not part of the error, because it may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// The text does not fit the type of the setting.
    Type,
    /// The reason completes the sentence "the value …".
    Because(String),
}

fn because<T>(reason: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid::Because(reason.into()))
}

/// Parses an IP address and a port; `localhost` means 127.0.0.1.
pub(super) fn address(text: &str) -> Result<SocketAddr, Invalid> {
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| Invalid::Type)?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| Invalid::Type)
}

/// Parses the URL of an SQLite database and returns the path of its file.
pub(super) fn database_url(text: &str) -> Result<PathBuf, Invalid> {
    if ["postgres:", "postgresql:"].iter().any(|scheme| text.starts_with(scheme)) {
        return because(
            "names a PostgreSQL database, but this version of waypost supports SQLite only: use `sqlite:` followed by the \
             path of a file",
        );
    }
    let path = text.strip_prefix("sqlite:").ok_or(Invalid::Type)?;
    // `sqlite:path` and `sqlite://path` are both common.
    let path = path.strip_prefix("//").unwrap_or(path);
    if path == ":memory:" || path.starts_with("file:") {
        return because("must be a file on disk: messages in memory are lost when the process ends");
    }
    if path.contains('?') {
        return because("must not contain parameters after a `?`");
    }
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err(Invalid::Type);
    }
    Ok(PathBuf::from(path))
}

/// Parses the path of a folder.
pub(super) fn folder(text: &str) -> Result<PathBuf, Invalid> {
    if text.trim().is_empty() || text.contains('\0') { Err(Invalid::Type) } else { Ok(PathBuf::from(text)) }
}

/// Parses a secret key in base64: standard or URL-safe, with or without padding.
pub(super) fn secret_key(text: &str) -> Result<SecretSlice<u8>, Invalid> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim();
    let alphabet =
        if text.contains(['-', '_']) { base64::alphabet::URL_SAFE } else { base64::alphabet::STANDARD };
    let advice = "create a key with `openssl rand -base64 32`";
    match GeneralPurpose::new(&alphabet, config).decode(text) {
        Ok(bytes) if bytes.len() == SECRET_KEY_BYTES => Ok(SecretSlice::from(bytes)),
        Ok(bytes) => because(format!(
            "must be {SECRET_KEY_BYTES} bytes in base64, but it is {} bytes; {advice}",
            bytes.len()
        )),
        Err(_) => because(format!("must be {SECRET_KEY_BYTES} bytes in base64; {advice}")),
    }
}

/// Parses a base URL and returns it without a slash at the end.
pub(super) fn url(text: &str) -> Result<String, Invalid> {
    let url = Url::parse(text).map_err(|_| Invalid::Type)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || !text.contains("://") {
        return Err(Invalid::Type);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return because("must be a URL without a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return because("must be a URL without `?` or `#`");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Parses a version of the Graph API, such as `v24.0`.
pub(super) fn graph_version(text: &str) -> Result<String, Invalid> {
    let is_number =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_version = text
        .strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    if is_version { Ok(text.to_owned()) } else { Err(Invalid::Type) }
}

/// Parses an integer within bounds.
pub(super) fn integer(text: &str, bounds: RangeInclusive<u32>) -> Result<u32, Invalid> {
    text.parse().ok().filter(|number| bounds.contains(number)).ok_or(Invalid::Type)
}

/// Parses integers within bounds, separated by commas.
pub(super) fn integers(text: &str, bounds: RangeInclusive<u32>) -> Result<Vec<u32>, Invalid> {
    text.split(',').map(|number| integer(number.trim(), bounds.clone())).collect()
}

/// Parses IP addresses and networks, separated by commas; an empty text is an empty list.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, Invalid> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(|()| Invalid::Type)).collect()
}

/// Parses a token that clients send in a header.
pub(super) fn token(text: &str) -> Result<SecretString, Invalid> {
    let text = text.trim();
    let is_valid = text.len() >= MIN_TOKEN_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid { Ok(text.into()) } else { Err(Invalid::Type) }
}

/// Parses `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::Type)
}

/// Parses keywords, separated by commas; an empty text is an empty list.
pub(super) fn keywords(text: &str) -> Result<Vec<String>, Invalid> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let keywords: Vec<String> = text.split(',').map(|keyword| keyword.trim().to_owned()).collect();
    if keywords.iter().any(|keyword| domain::contacts::opt_out::normalize(keyword).is_empty()) {
        return Err(Invalid::Type);
    }
    Ok(keywords)
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_graphic())
}

/// Parses a name without spaces.
pub(super) fn name(text: &str) -> Result<String, Invalid> {
    if is_visible(text) { Ok(text.to_owned()) } else { Err(Invalid::Type) }
}

/// Parses a secret without spaces.
pub(super) fn secret(text: &str) -> Result<SecretString, Invalid> {
    if is_visible(text) { Ok(text.into()) } else { Err(Invalid::Type) }
}

/// Parses a prefix of object names and returns it without a slash at its ends.
pub(super) fn object_prefix(text: &str) -> Result<String, Invalid> {
    let text = text.trim_matches('/');
    let is_path = text.is_empty()
        || text.split('/').all(|part| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        });
    if is_path { Ok(text.to_owned()) } else { Err(Invalid::Type) }
}

/// Parses a log filter.
pub(super) fn log_filter(text: &str) -> Result<String, Invalid> {
    // An empty filter would hide everything but errors.
    if text.trim().is_empty() || EnvFilter::builder().parse(text).is_err() {
        return Err(Invalid::Type);
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
    fn a_database_url_names_a_file() {
        assert_eq!(database_url("sqlite:waypost.db"), Ok(PathBuf::from("waypost.db")));
        assert_eq!(database_url("sqlite:///var/lib/waypost.db"), Ok(PathBuf::from("/var/lib/waypost.db")));
        assert_eq!(database_url("sqlite:/var/lib/waypost.db"), Ok(PathBuf::from("/var/lib/waypost.db")));
        for text in
            ["", "waypost.db", "sqlite:", "sqlite::memory:", "sqlite:a/", "sqlite:a?mode=ro", "mysql://x"]
        {
            assert!(database_url(text).is_err(), "{text}");
        }
        let Err(Invalid::Because(reason)) = database_url("postgres://me:hunter2@db/waypost") else {
            panic!("accepted")
        };
        assert!(reason.contains("SQLite only") && !reason.contains("hunter2"), "{reason}");
    }

    #[test]
    fn a_secret_key_is_32_bytes_in_standard_or_url_safe_base64() {
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
    fn a_url_has_no_slash_at_the_end_and_no_password() {
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
    fn an_object_prefix_cannot_leave_its_folder() {
        assert_eq!(object_prefix("/waypost/media/"), Ok("waypost/media".to_owned()));
        assert_eq!(object_prefix(""), Ok(String::new()));
        for text in ["a//b", "../a", "a/.", "a b", "a\\b", "a?b"] {
            assert!(object_prefix(text).is_err(), "{text}");
        }
        assert!(name("eu central").is_err() && name("").is_err() && secret("a\nb").is_err());
    }

    #[test]
    fn a_token_has_a_minimum_length_and_no_spaces() {
        assert!(token("0123456789abcdef\n").is_ok());
        for text in ["", "short", "0123456789 abcdef", "0123456789abcdef\u{e9}"] {
            assert!(token(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_out_of_bounds_are_rejected() {
        assert_eq!(integer("1", 1..=600), Ok(1));
        for text in ["0", "601", "-1", "1.5", "", "1e2", " 1"] {
            assert!(integer(text, 1..=600).is_err(), "{text}");
        }
        for text in ["v24", "24.0", "v24.0.1", "v.0"] {
            assert!(graph_version(text).is_err(), "{text}");
        }
        assert_eq!(keywords("STOP, opt out"), Ok(vec!["STOP".to_owned(), "opt out".to_owned()]));
        assert_eq!(keywords(""), Ok(Vec::new()));
        for text in ["STOP,", "STOP,!", ","] {
            assert!(keywords(text).is_err(), "{text}");
        }
        for text in ["", " ", "info,=", "engine=loud"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
        assert!(log_filter("warn,engine=debug").is_ok());
    }
}
