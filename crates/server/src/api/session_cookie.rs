//! The session's cookie, and what a browser tells of the page that made it call.

use axum::http::{HeaderMap, HeaderName, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http_options::HttpOptions;

/// What the cookie is called.
pub(crate) const NAME: &str = "waypost_session";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The secret of the session that a request carries.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, secret)| secret)
}

/// The header that hands a session to the browser.
pub(crate) fn begin(secret: &SecretString, lasts: SignedDuration, web: &HttpOptions) -> String {
    format!("{NAME}={}; Max-Age={}{}", secret.expose_secret(), lasts.as_secs(), attributes(web))
}

/// The header that takes it away.
pub(crate) fn end(web: &HttpOptions) -> String {
    format!(
        "{NAME}=; Max-Age=0; Expires={}{}",
        Timestamp::UNIX_EPOCH.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        attributes(web)
    )
}

/// No script reads it, no other site's form carries it; without TLS in front, a browser would not send a `Secure` one.
fn attributes(web: &HttpOptions) -> &'static str {
    if web.public_url.as_deref().is_some_and(|url| url.starts_with("https://")) {
        "; Path=/; HttpOnly; SameSite=Lax; Secure"
    } else {
        "; Path=/; HttpOnly; SameSite=Lax"
    }
}

/// Whether a browser says that the page which made it call is another site's.
pub(crate) fn is_foreign(headers: &HeaderMap, web: &HttpOptions) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let Some(origin) = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok()) else { return true };
    let is_public = web.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    if is_public.is_some_and(|public| public.origin() == origin.origin()) {
        return false;
    }
    // Behind a proxy that hands on the name by which it was called, and without one.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = host.and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    own.is_none_or(|own| own.origin() != origin.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        for (value, found) in [
            ("waypost_session=abc", Some("abc")),
            ("a=b; waypost_session=abc ; c=d", Some("abc")),
            ("waypost_session2=abc; xwaypost_session=abc", None),
            ("waypost_session", None),
            ("", None),
        ] {
            assert_eq!(session(&headers(&[("cookie", value)])), found, "{value}");
        }
    }

    #[test]
    fn another_sites_page_is_told_from_our_own() {
        let web =
            HttpOptions { public_url: Some("https://wa.example.com".to_owned()), ..HttpOptions::default() };
        for (pairs, expected) in [
            (vec![], false),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "none")], false),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-site", "cross-site")], true),
            (vec![("origin", "https://wa.example.com"), ("host", "10.0.0.1:8080")], false),
            (vec![("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")], false),
            (vec![("origin", "https://evil.example"), ("host", "wa.example.com")], true),
            (vec![("origin", "https://wa.example.com.evil.example"), ("host", "wa.example.com")], true),
            (vec![("origin", "null"), ("host", "wa.example.com")], true),
            (vec![("origin", "http://wa.example.com")], true),
            (vec![("sec-fetch-site", "cross-site"), ("origin", "https://wa.example.com")], true),
        ] {
            assert_eq!(is_foreign(&headers(&pairs), &web), expected, "{pairs:?}");
        }
    }

    #[test]
    fn the_cookie_is_secure_only_where_tls_is() {
        let secret = SecretString::from("s");
        let day = SignedDuration::from_hours(24);
        assert_eq!(
            begin(&secret, day, &HttpOptions::default()),
            "waypost_session=s; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax"
        );
        let web =
            HttpOptions { public_url: Some("https://wa.example.com".to_owned()), ..HttpOptions::default() };
        assert!(begin(&secret, day, &web).ends_with("; Secure") && end(&web).ends_with("; Secure"));
        assert!(end(&web).starts_with("waypost_session=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
    }
}
