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
use super::transport::{Patience, within};
use super::{GraphClient, NoAnswer, SMALL, Unfit, chain, id, read};
use crate::lossy;
use crate::walk::Json;
use crate::wire::{answer, media, node};

/// Hosts of Meta's files; a name that begins with a dot includes all of its subdomains.
const HOSTS: [&str; 4] = ["lookaside.fbsbx.com", ".fbcdn.net", ".facebook.com", ".whatsapp.net"];

#[async_trait]
impl MediaUpstream for GraphClient {
    async fn upload_media(
        &self,
        line: &AccountCredentials,
        file: OutgoingFile,
    ) -> Result<String, SendOutcome> {
        let not_sent = |reason: String| SendOutcome::NotSent { reason };
        let frame = media::frame(&file.sha256, &file.mime_type, file.file_name.as_deref());
        let body = FileBody::framed(frame.before, frame.after, file.size, file.pieces);
        let form = HeaderValue::try_from(format!("multipart/form-data; boundary={}", frame.boundary));
        let request = id(&line.account.phone_number_id)
            .and_then(|number| self.uri(line, &["/", number, "/media"]))
            .and_then(|uri| self.request(Method::POST, uri, line, body))
            .and_then(|mut request| {
                request.headers_mut().insert(CONTENT_TYPE, form.map_err(|_| Unfit("the file's type"))?);
                Ok(request)
            });
        let request = request.map_err(|unfit| not_sent(unfit.to_string()))?;
        let asked = within(self.file_timeout, async {
            let answer = self.file_pool.request(request).await.map_err(NoAnswer::Failed)?;
            let (parts, body) = answer.into_parts();
            Ok::<_, NoAnswer>((parts, read(body, SMALL).await?))
        });
        let answered = asked.await.unwrap_or_else(|too_late| Err(NoAnswer::TooLate(too_late)));
        let (parts, body) = answered.map_err(|why| not_sent(chain(&why)))?;
        uploaded(parts.status, &parts.headers, &body)
    }

    async fn get_media_info(
        &self,
        line: &AccountCredentials,
        media_id: &str,
    ) -> Result<MediaInfo, UpstreamError> {
        let uri = of_number(self, line, media_id);
        self.call(ApiCall::get(line, uri), media::info).await
    }

    async fn download_media(
        &self,
        line: &AccountCredentials,
        url: &str,
        most: u64,
    ) -> Result<MediaDownload, DownloadError> {
        let unreachable = |reason: String| DownloadError::Unreachable(reason);
        let uri = url.parse::<Uri>().map_err(|_| unreachable("meta's address is no URL".to_owned()))?;
        if !self.is_metas(line, &uri) {
            return Err(DownloadError::Foreign(uri.host().unwrap_or("?").chars().take(100).collect()));
        }
        let request = self
            .request(Method::GET, uri, line, FileBody::empty())
            .map_err(|unfit| unreachable(unfit.to_string()))?;
        let answer = self.open(request).await.map_err(|why| unreachable(chain(&why)))?;
        let status = answer.status();
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(DownloadError::Gone(status.as_u16()));
            }
            _ => {
                let moved = if answer.headers().contains_key(LOCATION) { " (a redirect)" } else { "" };
                return Err(unreachable(format!("HTTP {}{moved} at the file's address", status.as_u16())));
            }
        }
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if text(CONTENT_LENGTH)
            .and_then(|length| length.parse::<u64>().ok())
            .is_some_and(|length| length > most)
        {
            return Err(DownloadError::TooLarge(most));
        }
        let mime_type = text(CONTENT_TYPE).map(str::to_owned);
        let body = Arrival {
            body: answer.into_body(),
            most,
            n_bytes: 0,
            piece_timeout: self.timeout,
            next: Patience::new(self.timeout),
            end: Patience::new(self.file_timeout),
            has_ended: false,
        };
        Ok(MediaDownload { mime_type, pieces: Box::pin(body) })
    }

    async fn delete_uploaded_media(
        &self,
        line: &AccountCredentials,
        media_id: &str,
    ) -> Result<(), UpstreamError> {
        let uri = of_number(self, line, media_id);
        self.call(ApiCall::delete(line, uri), node::success).await
    }
}

/// Returns the path of a file's node, requested for the account's phone number.
fn of_number(client: &GraphClient, line: &AccountCredentials, media_id: &str) -> Result<Uri, Unfit> {
    let number = id(&line.account.phone_number_id)?;
    client.uri(line, &["/", id(media_id)?, "?phone_number_id=", number])
}

/// Decodes the response to an upload.
fn uploaded(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<String, SendOutcome> {
    let mended = lossy::mend(body);
    let answer = Json::parse(&mended).ok();
    if let Some(id) = answer.filter(|_| status.is_success()).and_then(media::uploaded) {
        return Ok(id);
    }
    if let Some(error) = answer.and_then(|answer| answer::error(status, headers, answer)) {
        return Err(SendOutcome::Refused(error));
    }
    Err(answer::stopped(status, headers).unwrap_or_else(|| SendOutcome::NotSent {
        reason: format!("HTTP {} to an upload, with an unexpected body", status.as_u16()),
    }))
}

impl GraphClient {
    /// `true` if the account's token may be sent to this URL.
    fn is_metas(&self, line: &AccountCredentials, uri: &Uri) -> bool {
        let base = if line.account.is_sandbox { &self.sandbox } else { &self.live };
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
    async fn open(&self, request: Request<FileBody>) -> Result<Response<Incoming>, NoAnswer> {
        let answer = within(self.timeout, self.file_pool.request(request)).await;
        answer.map_err(NoAnswer::TooLate)?.map_err(NoAnswer::Failed)
    }
}

/// Stream of a file from Meta.
struct Arrival {
    body: Incoming,
    most: u64,
    n_bytes: u64,
    piece_timeout: std::time::Duration,
    next: Patience,
    end: Patience,
    has_ended: bool,
}

impl Arrival {
    fn end_with(&mut self, error: ByteStreamError) -> Poll<Option<Result<Bytes, ByteStreamError>>> {
        self.has_ended = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Arrival {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(too_late) = self.end.poll(context) {
            return self.end_with(ByteStreamError::Broken(too_late.to_string()));
        }
        loop {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    self.n_bytes =
                        self.n_bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                    if self.n_bytes > self.most {
                        let most = self.most;
                        return self.end_with(ByteStreamError::TooLarge(most));
                    }
                    self.next = Patience::new(self.piece_timeout);
                    return Poll::Ready(Some(Ok(piece)));
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
                        Poll::Ready(too_late) => self.end_with(ByteStreamError::Broken(too_late.to_string())),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}
