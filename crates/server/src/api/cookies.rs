//! The session cookie, and the check for requests from other sites.

use axum::http::{HeaderMap, HeaderName, header};
use jiff::SignedDuration;
use url::Url;

use crate::http_options::HttpOptions;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Prefix of the names where the public URL is `https`. Browsers accept such a cookie only over TLS, from the host itself
/// and for all its paths, so that no neighbour domain can set it (RFC 6265bis, section 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";
/// Time in the past, in the form of HTTP.
const EXPIRED: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// A cookie of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Secret of a session.
    Session,
}

impl Cookie {
    /// Name of the cookie where the public URL is not `https`.
    pub(crate) const fn plain_name(self) -> &'static str {
        match self {
            Self::Session => "waypost_session",
        }
    }

    /// Returns the prefix of the name and the plain name.
    fn name(self, web: &HttpOptions) -> (&'static str, &'static str) {
        (if is_https(web) { HOST_PREFIX } else { "" }, self.plain_name())
    }

    /// Returns the value of the cookie in a request.
    pub(crate) fn value<'a>(self, headers: &'a HeaderMap, web: &HttpOptions) -> Option<&'a str> {
        let (prefix, plain) = self.name(web);
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let is_name = |name: &str| name.strip_prefix(prefix) == Some(plain);
        pairs.find(|(name, _)| is_name(name)).map(|(_, value)| value)
    }

    /// Returns the value of `Set-Cookie` that sets the cookie.
    pub(crate) fn set(self, value: &str, max_age: SignedDuration, web: &HttpOptions) -> String {
        let (prefix, plain) = self.name(web);
        format!("{prefix}{plain}={value}; Max-Age={}{}", max_age.as_secs(), self.attributes(web))
    }

    /// Returns the value of `Set-Cookie` that removes the cookie.
    pub(crate) fn clear(self, web: &HttpOptions) -> String {
        let (prefix, plain) = self.name(web);
        format!("{prefix}{plain}=; Max-Age=0; Expires={EXPIRED}{}", self.attributes(web))
    }

    /// Returns the attributes of the cookie. `HttpOnly` hides the cookie from scripts, `SameSite` from forms of other
    /// sites. Browsers do not send `Secure` cookies without TLS.
    fn attributes(self, web: &HttpOptions) -> &'static str {
        match (self, is_https(web)) {
            (Self::Session, true) => "; Path=/; HttpOnly; SameSite=Lax; Secure",
            (Self::Session, false) => "; Path=/; HttpOnly; SameSite=Lax",
        }
    }
}

/// `true` if browsers reach the gateway over TLS.
fn is_https(web: &HttpOptions) -> bool {
    web.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
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

    fn https() -> HttpOptions {
        HttpOptions { public_url: Some("https://wa.example.com".to_owned()), ..HttpOptions::default() }
    }

    #[test]
    fn the_session_cookie_is_found_among_others() {
        for (value, plain, with_tls) in [
            ("waypost_session=abc", Some("abc"), None),
            ("a=b; waypost_session=abc ; c=d", Some("abc"), None),
            ("waypost_session=abc; __Host-waypost_session=def", Some("abc"), Some("def")),
            ("waypost_session2=abc; xwaypost_session=abc", None, None),
            ("waypost_session", None, None),
            ("", None, None),
        ] {
            let headers = headers(&[("cookie", value)]);
            assert_eq!(Cookie::Session.value(&headers, &HttpOptions::default()), plain, "{value}");
            assert_eq!(Cookie::Session.value(&headers, &https()), with_tls, "{value}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_detected() {
        let web = https();
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
    fn a_cookie_is_secure_and_bound_to_its_host_only_with_tls() {
        let day = SignedDuration::from_hours(24);
        assert_eq!(
            Cookie::Session.set("s", day, &HttpOptions::default()),
            "waypost_session=s; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            Cookie::Session.set("s", day, &https()),
            "__Host-waypost_session=s; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Cookie::Session.clear(&https()),
            "__Host-waypost_session=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; HttpOnly; \
             SameSite=Lax; Secure"
        );
    }
}
