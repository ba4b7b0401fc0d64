//! Ports of requests to URLs from users: webhook endpoints, and media at public URLs.

use super::port_macro::port;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use std::fmt;

/// Maximum number of characters of a URL.
pub const MAX_URL_CHARS: usize = 2_048;

/// Maximum number of redirects that a download follows.
pub const MAX_REDIRECTS: u32 = 5;

/// Maximum number of bytes of an endpoint's response that are stored.
pub const MAX_KEPT_BYTES: usize = 2_048;

/// Request that delivers an event to a webhook endpoint.
pub struct WebhookRequest {
    /// URL of the endpoint.
    pub url: String,
    /// Headers that the endpoint is configured with: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// Secrets that sign the request, newest first; two during a rotation. Each is `whsec_` and base64.
    pub secrets: Vec<SecretString>,
    /// Value of `webhook-id`, the same in every attempt.
    pub event_id: String,
    /// Value of `webhook-timestamp`: the real time of this attempt, because receivers reject requests older than five
    /// minutes.
    pub at: Timestamp,
    /// Event as JSON.
    pub body: Bytes,
    /// `true` if a user requested the delivery again.
    pub is_redelivery: bool,
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRequest").field("event_id", &self.event_id).finish_non_exhaustive()
    }
}

/// Attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    /// Outcome of the attempt.
    pub outcome: WebhookOutcome,
    /// Duration of the attempt.
    pub latency: SignedDuration,
}

/// Outcome of an attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The endpoint responded. The status counts even if the rest of the response is incomplete.
    Responded {
        /// HTTP status.
        status: u16,
        /// First bytes of the response, at most [`MAX_KEPT_BYTES`], without NUL characters.
        body: String,
        /// Wait that the endpoint requests with `Retry-After`; not negative, at most 30 days.
        retry_after: Option<SignedDuration>,
        /// Target of a redirect, which is not followed: absolute, without the query, a user name or a password.
        redirect_to: Option<String>,
    },
    /// The endpoint did not respond.
    Failed {
        /// Reason for the log and the API.
        reason: String,
    },
}

impl WebhookOutcome {
    /// Returns `true` if the endpoint accepted the event: status 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Responded { status: 200..=299, .. })
    }
}

/// Reason for which a URL is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`MAX_URL_CHARS`].
    #[error("the URL is longer than {MAX_URL_CHARS} characters")]
    TooLong,
    /// Not a URL with a host.
    #[error("it is not a URL with a host, such as https://example.com/hook")]
    NotAUrl,
    /// The scheme is neither `https` nor `http`.
    #[error("the URL must begin with https://")]
    NotHttps,
    /// The scheme is `http`, which the settings do not allow.
    #[error(
        "the URL must begin with https://; to allow http://, set `allow_http = true` under `[webhooks]` in waypost.toml, or \
         WAYPOST_WEBHOOKS__ALLOW_HTTP=true, and restart (setting `webhooks.allow_http`)"
    )]
    PlainHttp,
    /// The scheme is `http` and the host is in a private network; the settings allow neither.
    #[error(
        "the URL must begin with https:// and have a public host; to allow http:// in private networks, set \
         `allow_http = true` and `allow_private_networks = true` under `[webhooks]` in waypost.toml, or \
         WAYPOST_WEBHOOKS__ALLOW_HTTP=true and WAYPOST_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true, and restart (settings \
         `webhooks.allow_http`, `webhooks.allow_private_networks`)"
    )]
    PlainHttpInPrivateNetwork,
    /// The URL contains a user name or a password.
    #[error("the URL must not contain a user name or a password")]
    Credentials,
    /// The URL contains a fragment.
    #[error("the URL must not contain a fragment (`#`)")]
    Fragment,
    /// Port 0.
    #[error("port 0 cannot be called")]
    Port,
    /// The host is a name of a local network.
    #[error(
        "the host is a name of a local network; to allow private networks, set `allow_private_networks = true` under \
         `[webhooks]` in waypost.toml, or WAYPOST_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true, and restart (setting \
         `webhooks.allow_private_networks`)"
    )]
    LocalName,
    /// The host is an address in a private network or of this machine, or a name that resolves to such an address.
    #[error(
        "the host is not a public address; to allow private networks, set `allow_private_networks = true` under \
         `[webhooks]` in waypost.toml, or WAYPOST_WEBHOOKS__ALLOW_PRIVATE_NETWORKS=true, and restart (setting \
         `webhooks.allow_private_networks`)"
    )]
    NotPublic,
    /// The host is a link-local address, which includes the metadata services of clouds, or another address that no
    /// setting allows, or a name that resolves to such an address.
    #[error("the host is a link-local or reserved address, which is never called")]
    Forbidden,
}

port! {
    /// Delivery of events to webhook endpoints.
    pub trait WebhookSender {
        /// Delivers an event. Each result is an outcome, and the call ends within one deadline.
        async fn send_event(&self, call: WebhookRequest) -> WebhookAttempt;

        sync {
            /// Checks the URL of an endpoint before it is saved. Names are not resolved here: the address is checked each time a
            /// connection is opened.
            ///
            /// # Errors
            /// The reason for which the URL is not called.
            fn check_url(&self, url: &str) -> Result<(), UrlError>;
        }
    }
}

port! {
    /// Downloads from public URLs.
    pub trait Fetcher {
        /// Starts a download of at most `max_bytes` bytes. Redirects are followed, at most [`MAX_REDIRECTS`].
        ///
        /// # Errors
        /// The reason for which the download did not start.
        async fn fetch(&self, url: &str, max_bytes: u64) -> Result<FetchedFile, FetchError>;
    }
}

/// Download in progress.
pub struct FetchedFile {
    /// `Content-Type` of the response; the content was not checked.
    pub content_type: Option<String>,
    /// File name from the response, or the last part of the URL, without a folder.
    pub file_name: Option<String>,
    /// Content of the file.
    pub body: Box<dyn Chunks>,
}

impl fmt::Debug for FetchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedFile").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// Content that is read chunk by chunk.
#[async_trait]
pub trait Chunks: Send {
    /// Returns the next chunk; `None` after the last chunk.
    ///
    /// # Errors
    /// The content is incomplete.
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError>;
}

/// Error of a download.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL is not called.
    #[error(transparent)]
    Address(#[from] UrlError),
    /// A server redirects to a URL that is not called.
    #[error("the server redirects to a URL that is not allowed: {0}")]
    RedirectAddress(#[source] UrlError),
    /// There are too many redirects.
    #[error("there are more than {MAX_REDIRECTS} redirects")]
    TooManyRedirects,
    /// A redirect has no `Location` header, or its value is not a URL.
    #[error("the server answered {status} without the URL of the redirect")]
    RedirectWithoutLocation {
        /// HTTP status.
        status: u16,
    },
    /// The status is neither 200 nor that of a redirect.
    #[error("the server answered {status}")]
    UnexpectedStatus {
        /// HTTP status.
        status: u16,
    },
    /// The content is too large.
    #[error("it is larger than {max_bytes} bytes")]
    TooLarge {
        /// Maximum number of bytes.
        max_bytes: u64,
    },
    /// The server did not respond, or its response is incomplete: reason for the log and the API.
    #[error("{0}")]
    Unreachable(String),
}
