//! Upload and download of files.
//!
//! **Invariant:** a download is requested only from Meta's hosts and from the configured ones, because the request
//! carries the access token. A redirect is not followed.
//!
//! **Invariant:** no file is in memory as a whole. An upload reads its chunks as the connection takes them.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use domain::messages::outcome::SendOutcome;
use engine::ports::{
    AccountCredentials, ByteStreamError, DownloadError, MediaDownload, MediaInfo, MediaUpstream,
    OutgoingFile, UpstreamError,
};
use futures_core::Stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::{Body as _, Incoming};

use super::file_body::FileBody;
use super::transport::{Timer, within};
use super::{ApiCall, GraphClient, InvalidRequestValue, ResponseError, SMALL, chain, id, read};
use crate::escapes;
use crate::json_reader::Json;
use crate::wire::{media, node, response};

/// Hosts of Meta's files; a name that begins with a dot includes all of its subdomains.
const HOSTS: [&str; 4] = ["lookaside.fbsbx.com", ".fbcdn.net", ".facebook.com", ".whatsapp.net"];

#[async_trait]
impl MediaUpstream for GraphClient {
    async fn upload_media(
        &self,
        credentials: &AccountCredentials,
        file: OutgoingFile,
    ) -> Result<String, SendOutcome> {
        let not_sent = |reason: String| SendOutcome::NotSent { reason };
        let frame = media::frame(&file.sha256, &file.mime_type, &file.file_name);
        let body = FileBody::framed(frame.before, frame.after, file.size, file.content);
        let form = HeaderValue::try_from(format!("multipart/form-data; boundary={}", frame.boundary));
        let request = id(&credentials.account.phone_number_id)
            .and_then(|number| self.uri(credentials, &["/", number, "/media"]))
            .and_then(|uri| self.request(Method::POST, uri, credentials, body))
            .and_then(|mut request| {
                request
                    .headers_mut()
                    .insert(CONTENT_TYPE, form.map_err(|_| InvalidRequestValue("the file's type"))?);
                Ok(request)
            });
        let request = request.map_err(|invalid| not_sent(invalid.to_string()))?;
        let response_read = within(self.file_timeout, async {
            let response = self.file_pool.request(request).await.map_err(ResponseError::Request)?;
            let (parts, body) = response.into_parts();
            Ok::<_, ResponseError>((parts, read(body, SMALL).await?))
        });
        let response =
            response_read.await.unwrap_or_else(|timed_out| Err(ResponseError::TimedOut(timed_out)));
        let (parts, body) = response.map_err(|error| not_sent(chain(&error)))?;
        uploaded(parts.status, &parts.headers, &body)
    }

    async fn get_media_info(
        &self,
        credentials: &AccountCredentials,
        media_id: &str,
    ) -> Result<MediaInfo, UpstreamError> {
        let uri = media_uri(self, credentials, media_id);
        self.call(ApiCall::get(credentials, uri), media::info).await
    }

    async fn download_media(
        &self,
        credentials: &AccountCredentials,
        url: &str,
        max_bytes: u64,
    ) -> Result<MediaDownload, DownloadError> {
        let unreachable = |reason: String| DownloadError::Unreachable(reason);
        let uri =
            url.parse::<Uri>().map_err(|_| unreachable("Meta's download URL is not a URL".to_owned()))?;
        if !self.may_receive_token(credentials, &uri) {
            return Err(DownloadError::Foreign(uri.host().unwrap_or("?").chars().take(100).collect()));
        }
        let request = self
            .request(Method::GET, uri, credentials, FileBody::empty())
            .map_err(|invalid| unreachable(invalid.to_string()))?;
        let response = self.open(request).await.map_err(|error| unreachable(chain(&error)))?;
        let status = response.status();
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(DownloadError::Gone(status.as_u16()));
            }
            _ => {
                let moved = if response.headers().contains_key(LOCATION) { " (a redirect)" } else { "" };
                return Err(unreachable(format!("HTTP {}{moved} from the file's URL", status.as_u16())));
            }
        }
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        if text(CONTENT_LENGTH)
            .and_then(|length| length.parse::<u64>().ok())
            .is_some_and(|length| length > max_bytes)
        {
            return Err(DownloadError::TooLarge(max_bytes));
        }
        let mime_type = text(CONTENT_TYPE).map(str::to_owned);
        let body = DownloadStream {
            body: response.into_body(),
            max_bytes,
            n_bytes: 0,
            chunk_timeout: self.timeout,
            next: Timer::new(self.timeout),
            end: Timer::new(self.file_timeout),
            has_ended: false,
        };
        Ok(MediaDownload { mime_type, content: Box::pin(body) })
    }

    async fn delete_uploaded_media(
        &self,
        credentials: &AccountCredentials,
        media_id: &str,
    ) -> Result<(), UpstreamError> {
        let uri = media_uri(self, credentials, media_id);
        self.call(ApiCall::delete(credentials, uri), node::success).await
    }
}

/// Returns the path of a file's node, requested for the account's phone number.
fn media_uri(
    client: &GraphClient,
    credentials: &AccountCredentials,
    media_id: &str,
) -> Result<Uri, InvalidRequestValue> {
    let number = id(&credentials.account.phone_number_id)?;
    client.uri(credentials, &["/", id(media_id)?, "?phone_number_id=", number])
}

/// Decodes the response to an upload.
fn uploaded(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<String, SendOutcome> {
    let json = escapes::replace_invalid_escapes(body);
    let response = Json::parse(&json).ok();
    if let Some(id) = response.filter(|_| status.is_success()).and_then(media::uploaded) {
        return Ok(id);
    }
    if let Some(error) = response.and_then(|response| response::error(status, headers, response)) {
        return Err(SendOutcome::Refused(error));
    }
    Err(response::rejected_by_status(status, headers).unwrap_or_else(|| SendOutcome::NotSent {
        reason: format!("HTTP {} to an upload, with an unexpected body", status.as_u16()),
    }))
}

impl GraphClient {
    /// `true` if the account's token may be sent to this URL.
    fn may_receive_token(&self, credentials: &AccountCredentials, uri: &Uri) -> bool {
        let base = if credentials.account.is_sandbox { &self.sandbox } else { &self.live };
        if base.is_origin_of(uri) {
            return true;
        }
        let Some(authority) = uri.authority() else { return false };
        let host = authority.host().to_ascii_lowercase();
        // The whole authority is compared: another port or credentials in the URL are refused.
        uri.scheme_str() == Some("https")
            && authority.as_str().eq_ignore_ascii_case(&host)
            && HOSTS
                .iter()
                .any(|known| if known.starts_with('.') { host.ends_with(known) } else { host == *known })
    }

    /// Returns the head of a response whose body is streamed.
    async fn open(&self, request: Request<FileBody>) -> Result<Response<Incoming>, ResponseError> {
        let response = within(self.timeout, self.file_pool.request(request)).await;
        response.map_err(ResponseError::TimedOut)?.map_err(ResponseError::Request)
    }
}

/// Stream of a file from Meta.
struct DownloadStream {
    body: Incoming,
    max_bytes: u64,
    n_bytes: u64,
    chunk_timeout: std::time::Duration,
    next: Timer,
    end: Timer,
    has_ended: bool,
}

impl DownloadStream {
    fn end_with(&mut self, error: ByteStreamError) -> Poll<Option<Result<Bytes, ByteStreamError>>> {
        self.has_ended = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for DownloadStream {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(timed_out) = self.end.poll(context) {
            return self.end_with(ByteStreamError::Broken(timed_out.to_string()));
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    self.n_bytes =
                        self.n_bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    if self.n_bytes > self.max_bytes {
                        let max_bytes = self.max_bytes;
                        return self.end_with(ByteStreamError::TooLarge(max_bytes));
                    }
                    self.next = Timer::new(self.chunk_timeout);
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Poll::Ready(Some(Err(error))) => {
                    return self.end_with(ByteStreamError::Broken(chain(&error)));
                }
                Poll::Ready(None) => {
                    self.has_ended = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    return match self.next.poll(context) {
                        Poll::Ready(timed_out) => {
                            self.end_with(ByteStreamError::Broken(timed_out.to_string()))
                        }
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}
