//! The session cookie, and the check for requests from other sites.

use axum::http::{HeaderMap, HeaderName, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::http_options::HttpOptions;

/// Name of the cookie.
pub(crate) const NAME: &str = "waypost_session";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns the secret in the session cookie of a request.
pub(crate) fn session_secret(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, secret)| secret)
}

/// Returns the value of `Set-Cookie` that starts a session.
pub(crate) fn set(secret: &SecretString, max_age: SignedDuration, web: &HttpOptions) -> String {
    format!("{NAME}={}; Max-Age={}{}", secret.expose_secret(), max_age.as_secs(), attributes(web))
}

/// Returns the value of `Set-Cookie` that removes the session cookie.
pub(crate) fn clear(web: &HttpOptions) -> String {
    format!(
        "{NAME}=; Max-Age=0; Expires={}{}",
        Timestamp::UNIX_EPOCH.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        attributes(web)
    )
}

/// Returns the attributes of the cookie. `HttpOnly` hides the cookie from scripts, `SameSite` from forms of other sites.
/// Browsers do not send `Secure` cookies without TLS.
fn attributes(web: &HttpOptions) -> &'static str {
    if web.public_url.as_deref().is_some_and(|url| url.starts_with("https://")) {
        "; Path=/; HttpOnly; SameSite=Lax; Secure"
    } else {
        "; Path=/; HttpOnly; SameSite=Lax"
    }
}

/// `true` if the browser reports that a page of another site caused the request.
pub(crate) fn is_cross_site(headers: &HeaderMap, web: &HttpOptions) -> bool {
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
    // The host name of the request, directly or forwarded by a proxy.
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
    fn the_session_cookie_is_found_among_others() {
        for (value, found) in [
            ("waypost_session=abc", Some("abc")),
            ("a=b; waypost_session=abc ; c=d", Some("abc")),
            ("waypost_session2=abc; xwaypost_session=abc", None),
            ("waypost_session", None),
            ("", None),
        ] {
            assert_eq!(session_secret(&headers(&[("cookie", value)])), found, "{value}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_detected() {
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
            assert_eq!(is_cross_site(&headers(&pairs), &web), expected, "{pairs:?}");
        }
    }

    #[test]
    fn the_cookie_is_secure_only_with_tls() {
        let secret = SecretString::from("s");
        let day = SignedDuration::from_hours(24);
        assert_eq!(
            set(&secret, day, &HttpOptions::default()),
            "waypost_session=s; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax"
        );
        let web =
            HttpOptions { public_url: Some("https://wa.example.com".to_owned()), ..HttpOptions::default() };
        assert!(set(&secret, day, &web).ends_with("; Secure") && clear(&web).ends_with("; Secure"));
        assert!(
            clear(&web).starts_with("waypost_session=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
        );
    }
}
