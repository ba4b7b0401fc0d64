//! URLs that may be saved, and URLs that are rejected.

use egress::Policy;
use engine::ports::{UrlError, WebhookSender as _};

use crate::support::{Caller, OPEN, STRICT};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn hostile_urls_are_rejected_with_their_reason() {
    use UrlError::{
        Credentials, Forbidden, Fragment, LocalName, NotAUrl, NotHttps, NotPublic, PlainHttp,
        PlainHttpInPrivateNetwork, Port, TooLong,
    };
    let long = format!("https://example.com/{}", "x".repeat(2_048));
    let label = format!("https://{}.example.com/", "x".repeat(64));
    let name = format!("https://{}example.com/", "abc.".repeat(70));
    let caller = Caller::with(STRICT);
    for (url, expected) in [
        // This machine, in every notation.
        ("https://127.0.0.1/", NotPublic),
        ("https://127.1/", NotPublic),
        ("https://127.0.0.1./", NotPublic),
        ("https://127.255.255.254:8443/x?y", NotPublic),
        ("https://2130706433/", NotPublic),
        ("https://0x7f000001/", NotPublic),
        ("https://0x7f.1/", NotPublic),
        ("https://0X7F.0.0.1/", NotPublic),
        ("https://017700000001/", NotPublic),
        ("https://0177.0.0.01/", NotPublic),
        ("https://%31%32%37.0.0.1/", NotPublic),
        ("https://127%2e0%2e0%2e1/", NotPublic),
        ("https://１２７.0.0.1/", NotPublic),
        ("https://①②⑦.0.0.1/", NotPublic),
        ("https://127。0。0。1/", NotPublic),
        ("HTTPS://127.0.0.1/", NotPublic),
        ("https://[::1]/", NotPublic),
        ("https://[0:0:0:0:0:0:0:1]:443/", NotPublic),
        ("https://localhost/", LocalName),
        ("https://LOCALHOST/", LocalName),
        ("https://localhost./", LocalName),
        ("https://ｌｏｃａｌｈｏｓｔ/", LocalName),
        ("https://api.localhost/", LocalName),
        ("https://loc%61lhost/", LocalName),
        // The unspecified address.
        ("https://0.0.0.0/", Forbidden),
        ("https://0/", Forbidden),
        ("https://[::]/", Forbidden),
        // Metadata services of clouds, and link-local addresses.
        ("https://169.254.169.254/latest/meta-data/", Forbidden),
        ("https://2852039166/", Forbidden),
        ("https://0xa9fea9fe/", Forbidden),
        ("https://0251.0376.0251.0376/", Forbidden),
        ("https://169.254.43518/", Forbidden),
        ("https://[::ffff:169.254.169.254]/", Forbidden),
        ("https://[::ffff:a9fe:a9fe]/", Forbidden),
        ("https://[fd00:ec2::254]/", Forbidden),
        ("https://[fe80::1]/", Forbidden),
        ("https://100.100.100.200/", Forbidden),
        ("https://168.63.129.16/", Forbidden),
        ("https://metadata.google.internal/", LocalName),
        // Private networks.
        ("https://10.0.0.1/", NotPublic),
        ("https://172.16.0.1/", NotPublic),
        ("https://172.31.255.255/", NotPublic),
        ("https://192.168.0.1/", NotPublic),
        ("https://100.64.0.1/", NotPublic),
        ("https://198.18.0.1/", NotPublic),
        ("https://[fc00::1]/", NotPublic),
        ("https://[fdff::1]/", NotPublic),
        ("https://router/", LocalName),
        ("https://router./", LocalName),
        ("https://printer.local/", LocalName),
        ("https://nas.home.arpa/", LocalName),
        ("https://db.corp.internal/", LocalName),
        ("https://host.localdomain/", LocalName),
        // IPv4 addresses within IPv6.
        ("https://[::ffff:127.0.0.1]/", Forbidden),
        ("https://[::ffff:7f00:1]/", Forbidden),
        ("https://[::127.0.0.1]/", Forbidden),
        ("https://[::ffff:8.8.8.8]/", Forbidden),
        ("https://[64:ff9b::7f00:1]/", Forbidden),
        ("https://[64:ff9b:1::1]/", Forbidden),
        ("https://[2002:7f00:1::]/", Forbidden),
        ("https://[2001::7f00:1]/", Forbidden),
        // Addresses for special purposes.
        ("https://192.0.2.1/", Forbidden),
        ("https://198.51.100.1/", Forbidden),
        ("https://203.0.113.1/", Forbidden),
        ("https://192.88.99.1/", Forbidden),
        ("https://224.0.0.1/", Forbidden),
        ("https://240.0.0.1/", Forbidden),
        ("https://255.255.255.255/", Forbidden),
        ("https://[ff02::1]/", Forbidden),
        ("https://[2001:db8::1]/", Forbidden),
        ("https://[3fff::1]/", Forbidden),
        ("https://[100::1]/", Forbidden),
        ("https://[5f00::1]/", Forbidden),
        ("https://[fec0::1]/", Forbidden),
        // Credentials, ports and fragments.
        ("https://user:password@example.com/", Credentials),
        ("https://user@example.com/", Credentials),
        ("https://@example.com/", Credentials),
        ("https://:@example.com/", Credentials),
        ("https://example.com@127.0.0.1/", Credentials),
        ("https://127.0.0.1#@example.com/", Fragment),
        ("https://example.com/#part", Fragment),
        ("https://example.com/?a=b#", Fragment),
        ("https://example.com:0/", Port),
        ("https://example.com:65536/", NotAUrl),
        ("https://example.com:x/", NotAUrl),
        (&long, TooLong),
        // Other schemes.
        ("http://example.com/", PlainHttp),
        ("http://127.0.0.1/", PlainHttpInPrivateNetwork),
        ("http://router/", PlainHttpInPrivateNetwork),
        ("http://169.254.169.254/", Forbidden),
        ("ftp://example.com/", NotHttps),
        ("file:///etc/passwd", NotHttps),
        ("gopher://example.com/", NotHttps),
        ("javascript://example.com/%0aalert(1)", NotHttps),
        ("wss://example.com/", NotHttps),
        // Spellings that a lenient parser corrects.
        ("", NotAUrl),
        ("example.com", NotAUrl),
        ("//example.com/", NotAUrl),
        ("https:example.com", NotAUrl),
        ("https:/example.com", NotAUrl),
        ("https://", NotAUrl),
        ("https:///example.com", NotAUrl),
        ("https://:443/", NotAUrl),
        (" https://example.com/", NotAUrl),
        ("https://example.com/ ", NotAUrl),
        ("https://exa\tmple.com/", NotAUrl),
        ("https://exa\nmple.com/", NotAUrl),
        ("https://example.com\\@127.0.0.1/", NotAUrl),
        ("https:\\\\example.com\\", NotAUrl),
        ("https://example.com/\r\nHost: other", NotAUrl),
        ("https://exam\u{ad}ple..com/", NotAUrl),
        ("https://a..example.com/", NotAUrl),
        ("https://exa mple.com/", NotAUrl),
        ("https://example.com%00.evil.com/", NotAUrl),
        ("https://example.com%2f.evil.com/", NotAUrl),
        ("https://256.1.1.1/", NotAUrl),
        ("https://1.2.3.4.5/", NotAUrl),
        ("https://0x/", Forbidden),
        ("https://[::1/", NotAUrl),
        ("https://[fe80::1%25eth0]/", NotAUrl),
        ("https://*.example.com/", NotAUrl),
        (&label, NotAUrl),
        (&name, NotAUrl),
    ] {
        assert_eq!(caller.client.check_url(url), Err(expected), "{url:?}");
    }
}

#[tokio::test]
async fn ordinary_urls_are_accepted() {
    let caller = Caller::with(STRICT);
    let long = format!("https://example.com/{}", "x".repeat(2_028));
    assert_eq!(long.len(), 2_048);
    for url in [
        "https://example.com",
        "https://example.com/hooks/whatsapp?shop=7&x=%20",
        "HTTPS://Example.COM:8443/",
        "https://example.com:22/",
        "https://example.com./",
        "https://a-b_c.example.co.uk/",
        "https://bücher.example/straße?q=ü",
        "https://xn--bcher-kva.example/",
        "https://example.com/@user",
        "https://example.com/?mail=a@b.example",
        "https://127.0.0.1.nip.io/",
        "https://localhost.example.com/",
        "https://notlocal.example/",
        "https://1.1.1.1/",
        "https://134744072/",
        "https://[2606:4700:4700::1111]/",
        "https://hooks.zapier.com/hooks/catch/123/abc|def/",
        "https://example.com/a^b{c}\"d`e",
        &long,
    ] {
        assert_eq!(caller.client.check_url(url), Ok(()), "{url:?}");
    }
}

#[tokio::test]
async fn in_development_this_machine_and_private_networks_are_allowed() {
    let caller = Caller::with(Policy { allow_local_hosts: true, ..STRICT });
    for url in [
        "http://127.0.0.1:3000/hook",
        "http://localhost:3000/",
        "http://[::1]:3000/",
        "http://api.localhost/",
        "http://10.0.0.1/",
        "http://192.168.1.20:3000/hook",
        "http://[fd12:3456::1]:3000/",
        "http://router/",
        "http://host.docker.internal:3000/",
        "http://shop.test/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://router/",
        "https://example.com/",
    ] {
        assert_eq!(caller.client.check_url(url), Ok(()), "{url}");
    }
    for (url, expected) in [
        ("http://example.com/", UrlError::PlainHttp),
        ("http://1.1.1.1/", UrlError::PlainHttp),
        ("http://0.0.0.0/", UrlError::Forbidden),
        ("http://169.254.169.254/latest/meta-data/", UrlError::Forbidden),
        ("http://[fd00:ec2::254]/", UrlError::Forbidden),
        ("http://[::ffff:127.0.0.1]/", UrlError::Forbidden),
        ("https://0.0.0.0/", UrlError::Forbidden),
    ] {
        assert_eq!(caller.client.check_url(url), Err(expected), "{url}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_settings_that_allow_the_address_and_how_to_set_them() {
    let caller = Caller::with(STRICT);
    let refusal = |url: &str| caller.client.check_url(url).unwrap_err().to_string();
    let (http, private) =
        ("WAYPOST_WEBHOOKS__ALLOW_HTTP=true", "WAYPOST_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true");
    for (url, names_http, names_private) in [
        ("http://example.com/", true, false),
        ("http://10.0.0.1/", true, true),
        ("http://router/", true, true),
        ("https://10.0.0.1/", false, true),
        ("https://router/", false, true),
        ("https://169.254.169.254/", false, false),
        ("ftp://example.com/", false, false),
    ] {
        let reason = refusal(url);
        assert_eq!(
            (reason.contains(http), reason.contains(private)),
            (names_http, names_private),
            "{reason}"
        );
        assert_eq!(reason.contains("`webhooks.allow_http`"), names_http, "{reason}");
        assert_eq!(reason.contains("`webhooks.allow_private_networks`"), names_private, "{reason}");
    }
}

#[tokio::test]
async fn allowing_plain_http_does_not_allow_private_networks() {
    let caller = Caller::with(Policy { allow_http: true, ..STRICT });
    assert_eq!(caller.client.check_url("http://example.com/"), Ok(()));
    assert_eq!(caller.client.check_url("http://127.0.0.1/"), Err(UrlError::NotPublic));
    assert_eq!(caller.client.check_url("http://localhost/"), Err(UrlError::LocalName));
}

#[tokio::test]
async fn allowing_private_networks_does_not_allow_forbidden_addresses() {
    let caller = Caller::with(OPEN);
    for url in [
        "http://127.0.0.1:3000/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://100.64.0.1/",
        "https://[fd12:3456::1]/",
        "http://router/",
        "http://crm.internal/",
        "http://localhost/",
        "https://example.com/",
    ] {
        assert_eq!(caller.client.check_url(url), Ok(()), "{url}");
    }
    for url in [
        "http://0.0.0.0/",
        "http://169.254.169.254/",
        "http://100.100.100.200/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://[fd00:ec2::254]/",
    ] {
        assert_eq!(caller.client.check_url(url), Err(UrlError::Forbidden), "{url}");
    }
    assert_eq!(caller.client.check_url("http://a:b@10.0.0.1/"), Err(UrlError::Credentials));
}
