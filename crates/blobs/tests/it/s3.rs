//! A server with the part of the S3 API that the gateway uses: objects, multipart uploads, ranges. It accepts signed
//! requests only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use blobs::{BucketBlobs, BucketSettings};
use bytes::Bytes;
use engine::ports::Blobs as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{content, key};

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    n_uploads: u32,
    requests: Vec<String>,
    fail_next: u32,
}

/// A bucket on a local port.
pub(crate) struct Bucket {
    url: String,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

impl Bucket {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let mut server = JoinSet::new();
        let serving = state.clone();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = serving.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| response(state.clone(), request));
                    drop(
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Self { url, state, _server: server }
    }

    pub(crate) fn blobs(&self) -> BucketBlobs {
        let settings = BucketSettings {
            bucket: "files".to_owned(),
            endpoint: Some(self.url.clone()),
            region: "eu-central-1".to_owned(),
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "a-secret-access-key".into(),
            prefix: "waypost/media/".to_owned(),
        };
        BucketBlobs::of_s3(&settings).unwrap()
    }
}

fn plain(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("etag", "\"e\"".parse().unwrap());
    response.headers_mut().insert("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT".parse().unwrap());
    response
}

async fn response(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let authorization = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let is_signed = authorization.is_some_and(|value| {
        value.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") && value.contains("Signature=")
    });
    if !is_signed || !parts.headers.contains_key("x-amz-content-sha256") {
        return Ok(plain(403, "<Error><Code>AccessDenied</Code></Error>"));
    }
    let path = parts.uri.path().to_owned();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let mut state = state.lock().unwrap();
    state.requests.push(format!("{} {path}", parts.method));
    if state.fail_next > 0 {
        state.fail_next -= 1;
        return Ok(plain(503, "<Error><Code>SlowDown</Code></Error>"));
    }
    let upload = query.get("uploadId").cloned();
    let part = query.get("partNumber").and_then(|part| part.parse().ok());
    Ok(match (parts.method, upload, part) {
        (Method::PUT, Some(upload), Some(part)) => {
            state.uploads.get_mut(&upload).unwrap().insert(part, body);
            plain(200, "")
        }
        (Method::PUT, None, None) => {
            state.objects.insert(path, body);
            plain(200, "")
        }
        (Method::POST, None, None) if query.contains_key("uploads") => {
            state.n_uploads += 1;
            let upload = format!("u{}", state.n_uploads);
            state.uploads.insert(upload.clone(), BTreeMap::new());
            plain(
                200,
                format!(
                    "<InitiateMultipartUploadResult><Bucket>files</Bucket><Key>k</Key><UploadId>{upload}</UploadId>\
                     </InitiateMultipartUploadResult>"
                ),
            )
        }
        (Method::POST, Some(upload), None) => {
            let parts = state.uploads.remove(&upload).unwrap();
            state.objects.insert(path, parts.into_values().flatten().collect());
            plain(
                200,
                "<CompleteMultipartUploadResult><Location>l</Location><Bucket>files</Bucket><Key>k</Key>\
                 <ETag>\"e\"</ETag></CompleteMultipartUploadResult>",
            )
        }
        (Method::DELETE, Some(upload), _) => {
            state.uploads.remove(&upload);
            plain(204, "")
        }
        (Method::DELETE, None, _) => {
            state.objects.remove(&path);
            plain(204, "")
        }
        (Method::GET, ..) => match state.objects.get(&path) {
            None => plain(404, "<Error><Code>NoSuchKey</Code></Error>"),
            Some(object) => {
                let range = parts.headers.get("range").unwrap().to_str().unwrap();
                let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                let mut response = plain(206, object[from..=to].to_vec());
                let content_range = format!("bytes {from}-{to}/{}", object.len());
                response.headers_mut().insert("content-range", content_range.parse().unwrap());
                response
            }
        },
        (method, ..) => plain(400, format!("{method} {path}")),
    })
}

#[tokio::test]
async fn objects_are_named_by_the_prefix_and_ids() {
    let bucket = Bucket::open().await;
    bucket.blobs().write_blob(key(1), content(&["x"])).await.unwrap();
    let (workspace, media) = (key(1).workspace, key(1).media);
    let requests = bucket.state.lock().unwrap().requests.clone();
    assert_eq!(requests, [format!("PUT /files/waypost/media/{workspace}/{media}")]);
}

#[tokio::test]
async fn a_failed_request_to_the_bucket_is_retried() {
    let bucket = Bucket::open().await;
    bucket.state.lock().unwrap().fail_next = 1;
    bucket.blobs().write_blob(key(1), content(&["x"])).await.unwrap();
    assert_eq!(bucket.state.lock().unwrap().requests.len(), 2);
}

#[tokio::test]
async fn an_incomplete_upload_is_aborted_at_the_bucket() {
    let bucket = Bucket::open().await;
    assert!(bucket.blobs().write_blob(key(1), crate::support::broken_after(blobs::PART + 1)).await.is_err());
    let state = bucket.state.lock().unwrap();
    assert_eq!(state.n_uploads, 1);
    assert!(state.uploads.is_empty() && state.objects.is_empty());
}

#[tokio::test]
async fn an_error_contains_no_secret() {
    let bucket = Bucket::open().await;
    let settings = BucketSettings {
        bucket: "files".to_owned(),
        endpoint: Some(bucket.url.clone()),
        region: "eu-central-1".to_owned(),
        access_key_id: "WRONG".to_owned(),
        secret_access_key: "a-secret-access-key".into(),
        prefix: String::new(),
    };
    let blobs = BucketBlobs::of_s3(&settings).unwrap();
    let error = blobs.write_blob(key(1), content(&["x"])).await.unwrap_err();
    assert!(!format!("{error:?} {settings:?}").contains("a-secret-access-key"));
}
