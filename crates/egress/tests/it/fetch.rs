//! Downloads from URLs that callers chose.

use engine::ports::{FetchError, FetchedFile, Fetcher as _, UrlError};
use tokio::io::AsyncWriteExt as _;

use crate::support::{
    Caller, Names, OPEN, STRICT, accept, answer_raw, closed, has_no_more_callers, port, request,
};

async fn whole(mut fetched: FetchedFile) -> Result<Vec<u8>, FetchError> {
    let mut whole = Vec::new();
    while let Some(chunk) = fetched.body.next().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

/// Downloads a file from a server that sends exactly these bytes.
async fn fetched(
    response: &str,
    max_bytes: u64,
) -> Result<(Option<String>, Option<String>, Vec<u8>), FetchError> {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        answer_raw(&mut stream, response.as_bytes()).await;
    };
    let url = url.replace("/hook", "/a/the%20menu.pdf?size=2");
    let fetching = async {
        let fetched = caller.client.fetch(&url, max_bytes).await?;
        let (content_type, file_name) = (fetched.content_type.clone(), fetched.file_name.clone());
        Ok((content_type, file_name, whole(fetched).await?))
    };
    tokio::join!(fetching, serve).0
}

#[tokio::test]
async fn a_download_has_type_name_and_complete_content() {
    let response = "HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\n\
         content-disposition: attachment; filename=\"a.pdf\"\r\ncontent-length: 5\r\n\r\nhello";
    let expected = (Some("application/pdf".to_owned()), Some("a.pdf".to_owned()), b"hello".to_vec());
    assert_eq!(fetched(response, 5).await, Ok(expected));
    let response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(fetched(response, 5).await, Ok((None, Some("the menu.pdf".to_owned()), b"hello".to_vec())));
}

#[tokio::test]
async fn a_download_is_a_plain_get() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async { request(&mut accept(&listener).await).await.unwrap().0 };
    let (_, head) = tokio::join!(caller.client.fetch(&url, 9), serve);
    let mut lines: Vec<_> = head.lines().collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "GET /hook HTTP/1.1",
            "accept-encoding: identity",
            "accept: */*",
            &format!("host: {}", listener.local_addr().unwrap()),
            concat!("user-agent: Waypost/", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[tokio::test]
async fn a_download_above_the_maximum_size_fails() {
    let too_large = Err(FetchError::TooLarge { max_bytes: 4 });
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(fetched(announced, 4).await, too_large);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(fetched(chunked, 4).await, too_large);
    assert_eq!(fetched("HTTP/1.1 200 OK\r\n\r\nhello", 4).await, too_large);
}

#[tokio::test]
async fn a_partial_response_fails() {
    for part in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n",
    ] {
        let error = fetched(part, 99).await.expect_err("a part");
        assert_eq!(error.to_string(), "the connection was closed before the response was complete");
    }
}

#[tokio::test]
async fn other_statuses_and_compressed_responses_fail() {
    for status in [204, 206, 300, 304, 404, 500] {
        let response = format!("HTTP/1.1 {status} X\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(fetched(&response, 99).await, Err(FetchError::UnexpectedStatus { status }));
    }
    let response = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx";
    assert!(matches!(fetched(response, 99).await, Err(FetchError::Unreachable(_))));
}

#[tokio::test]
async fn the_policy_applies_to_downloads() {
    let (listener, url) = port().await;
    let names = Names::default().resolve_to("evil.example", &[&["93.184.216.34", "127.0.0.1"]]);
    let config = egress::EgressConfig { policy: STRICT, ..egress::EgressConfig::default() };
    let caller = Caller::new(&config, &names);
    for (url, expected) in [
        (url.as_str(), UrlError::PlainHttpInPrivateNetwork),
        ("https://[::ffff:169.254.169.254]/latest", UrlError::Forbidden),
        ("https://evil.example/a.png", UrlError::NotPublic),
        ("https://localhost/a.png", UrlError::LocalName),
    ] {
        let error = caller.client.fetch(url, 9).await.expect_err(url);
        assert_eq!(error, FetchError::Address(expected), "{url}");
    }
    assert!(has_no_more_callers(listener));
}

/// Serves redirects, one for each connection, and then a file. Returns the request lines.
async fn redirected(
    caller: &Caller,
    path: &str,
    locations: &[&str],
) -> (Result<Option<String>, FetchError>, Vec<String>) {
    let (listener, url) = port().await;
    let origin = url.replace("/hook", "");
    let mut requests = Vec::new();
    let serve = async {
        for location in locations.iter().copied().map(Some).chain([None]) {
            let mut stream = accept(&listener).await;
            let (head, _) = request(&mut stream).await.unwrap();
            requests.push(head.lines().next().unwrap().to_owned());
            let response = match location {
                Some("") => "HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n".to_owned(),
                Some(location) => format!(
                    "HTTP/1.1 302 X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
                    location.replace("ORIGIN", &origin)
                ),
                None => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
            };
            stream.write_all(response.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let url = format!("{origin}{path}");
    let fetching = async {
        let fetched = caller.client.fetch(&url, 99).await?;
        let file_name = fetched.file_name.clone();
        assert_eq!(whole(fetched).await?, b"hello");
        Ok(file_name)
    };
    let end = tokio::select! {
        end = fetching => end,
        () = serve => unreachable!("the server waits"),
    };
    (end, requests)
}

#[tokio::test]
async fn a_download_follows_redirects() {
    let caller = Caller::open();
    let (end, requests) = redirected(&caller, "/x/a", &["ORIGIN/b#top", "c?d=1", "/the menü.pdf"]).await;
    assert_eq!(end, Ok(Some("the menü.pdf".to_owned())));
    let expected =
        ["GET /x/a HTTP/1.1", "GET /b HTTP/1.1", "GET /c?d=1 HTTP/1.1", "GET /the%20men%C3%BC.pdf HTTP/1.1"];
    assert_eq!(requests, expected);
    // The name of the link is better than the name of a storage key.
    let (end, _) = redirected(&caller, "/invoice.pdf", &["/9f8ab7"]).await;
    assert_eq!(end, Ok(Some("invoice.pdf".to_owned())));
    let (end, _) = redirected(&caller, "/a", &["/1", "/2", "/3", "/4", "/5"]).await;
    assert_eq!(end, Ok(Some("5".to_owned())));
    let (end, requests) = redirected(&caller, "/a", &["/1", "/2", "/3", "/4", "/5", "/6"]).await;
    assert_eq!((end, requests.len()), (Err(FetchError::TooManyRedirects), 6));
    let (end, _) = redirected(&caller, "/a", &[""]).await;
    assert_eq!(end, Err(FetchError::RedirectWithoutLocation { status: 302 }));
}

#[tokio::test]
async fn each_redirect_passes_the_address_guard() {
    let names = Names::default().resolve_to("evil.example", &[&["169.254.169.254"]]);
    let open = |policy| egress::EgressConfig { policy, ..egress::EgressConfig::default() };
    let caller = Caller::new(&open(OPEN), &names);
    for (location, expected) in [
        ("http://169.254.169.254/latest", UrlError::Forbidden),
        ("http://evil.example/latest", UrlError::Forbidden),
        ("ftp://a.example/", UrlError::NotHttps),
        ("http://user:secret@a.example/", UrlError::Credentials),
        ("http://a.example:0/", UrlError::Port),
    ] {
        let (end, _) = redirected(&caller, "/a", &[location]).await;
        assert_eq!(end, Err(FetchError::RedirectAddress(expected)), "{location}");
    }
    // In development, only this machine and private networks may be called without TLS.
    let dev = egress::Policy { allow_local_hosts: true, ..STRICT };
    let caller = Caller::new(&open(dev), &names);
    assert_eq!(redirected(&caller, "/a", &["ORIGIN/b"]).await.0, Ok(Some("b".to_owned())));
    let (end, _) = redirected(&caller, "/a", &["http://a.example/b"]).await;
    assert_eq!(end, Err(FetchError::RedirectAddress(UrlError::PlainHttp)));
}

#[tokio::test]
async fn a_link_is_requested_without_fragment_and_percent_encoded() {
    let caller = Caller::open();
    let (end, requests) = redirected(&caller, "/the menü.pdf?a=ü b#page=2", &[]).await;
    assert_eq!(end, Ok(Some("the menü.pdf".to_owned())));
    assert_eq!(requests, ["GET /the%20men%C3%BC.pdf?a=%C3%BC%20b HTTP/1.1"]);
}

#[tokio::test]
async fn a_download_has_a_deadline_in_every_phase() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await.unwrap();
        caller.clock.advance(120);
        closed(&mut stream).await;
    };
    let (fetched, ()) = tokio::join!(caller.client.fetch(&url, 99), serve);
    assert_eq!(fetched.expect_err("late").to_string(), "no response within 120 s");

    let serve = async {
        let mut stream = accept(&listener).await;
        answer_raw(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel").await;
        stream
    };
    let (fetched, mut stream) = tokio::join!(caller.client.fetch(&url, 99), serve);
    let mut fetched = fetched.unwrap();
    assert_eq!(fetched.body.next().await.unwrap().unwrap(), "hel");
    caller.clock.advance(120);
    assert_eq!(fetched.body.next().await.expect_err("late").to_string(), "no response within 120 s");
    drop(fetched);
    closed(&mut stream).await;
}

/// Nothing is read ahead: the server can send no more than the buffers of the socket while the client does not read.
#[tokio::test]
async fn an_unread_download_is_not_buffered() {
    const LENGTH: u64 = 64 << 20;
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        answer_raw(&mut stream, format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n").as_bytes())
            .await;
        stream
    };
    let (fetched, mut stream) = tokio::join!(caller.client.fetch(&url, LENGTH), serve);
    let mut fetched = fetched.unwrap();
    let chunk = vec![b'x'; 64 * 1024];
    let mut n_written: u64 = 0;
    let mut n_read: u64 = 0;
    while n_written < LENGTH {
        // The server writes until the buffers are full; then one chunk is read.
        tokio::select! {
            biased;
            written = stream.write(&chunk) => n_written += u64::try_from(written.unwrap()).unwrap().min(LENGTH),
            read = fetched.body.next() => n_read += u64::try_from(read.unwrap().unwrap().len()).unwrap(),
        }
        assert!(n_written - n_read < 32 << 20, "{n_written} written, {n_read} read");
    }
}
