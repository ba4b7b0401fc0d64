//! Requests to addresses that strangers chose: webhook endpoints of the customers, and media at public URLs.

use super::port_macro::port;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use std::fmt;

/// The most characters of a URL that is called.
pub const MAX_URL_CHARS: usize = 2_048;

/// The most bytes of an endpoint's answer that are kept.
pub const MAX_KEPT_BYTES: usize = 2_048;

/// One event to post to one endpoint.
pub struct WebhookRequest {
    /// The endpoint.
    pub url: String,
    /// The endpoint's own headers: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// The secrets that sign, newest first; two during a rotation. Each is `whsec_` and base64.
    pub secrets: Vec<SecretString>,
    /// Goes into `webhook-id`: the same in every attempt.
    pub event_id: String,
    /// Goes into `webhook-timestamp`: the time of this attempt, for receivers refuse what is older than five minutes.
    pub at: Timestamp,
    /// The event.
    pub body: Bytes,
    /// Whether somebody asked for it once more.
    pub is_redelivery: bool,
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookCall").field("event_id", &self.event_id).finish_non_exhaustive()
    }
}

/// How a post went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    /// How it ended.
    pub outcome: WebhookOutcome,
    /// From the first thought of it to its end.
    pub latency: SignedDuration,
}

/// How a post ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The endpoint answered: its status counts, whatever became of the rest of the answer.
    Responded {
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer, at most [`MAX_KEPT_BYTES`]; without NUL characters.
        body: String,
        /// How long the endpoint asks to be left alone; never negative, at most 30 days.
        retry_after: Option<SignedDuration>,
    },
    /// No answer.
    Failed {
        /// Why, in a few words for people.
        reason: String,
    },
}

impl WebhookOutcome {
    /// Whether the endpoint took the event: any 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Responded { status: 200..=299, .. })
    }
}

/// Why an address is not called. Reads as the end of "this cannot be called: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`MAX_URL_CHARS`].
    #[error("the URL is longer than {MAX_URL_CHARS} characters")]
    TooLong,
    /// It cannot be read.
    #[error("it is not a URL with a host, such as https://example.com/hook")]
    NotAUrl,
    /// Another scheme than is allowed here.
    #[error("the URL must begin with https://")]
    NotHttps,
    /// A user name or a password.
    #[error("the URL must not hold a user name or a password")]
    Credentials,
    /// Something after `#`.
    #[error("the URL must not hold a fragment (`#`)")]
    Fragment,
    /// Port 0.
    #[error("port 0 cannot be called")]
    Port,
    /// A name that means something in a local network only.
    #[error("the host is a name of a local network, and only public ones are called")]
    LocalName,
    /// An address that is not globally routable, or a name that leads to one.
    #[error("the host is not a public address")]
    NotPublic,
}

port! {
    /// Posts events to our customers' endpoints.
    pub trait WebhookSender {
        /// Posts one event. Every way this can end is an outcome, so there is no error, and it ends within one deadline.
        async fn send_event(&self, call: WebhookRequest) -> WebhookAttempt;

        sync {
            /// Whether an endpoint may have this address, before it is saved. No name is looked up here: where a name leads is
            /// checked each time it is dialled.
            ///
            /// # Errors
            /// Why it may not.
            fn check_url(&self, url: &str) -> Result<(), UrlError>;
        }
    }
}

port! {
    /// Downloads from public addresses.
    pub trait Fetcher {
        /// Begins to download what is at `url`; more than `max_bytes` are never taken.
        ///
        /// # Errors
        /// What came instead.
        async fn fetch(&self, url: &str, max_bytes: u64) -> Result<FetchedFile, FetchError>;
    }
}

/// A download under way.
pub struct FetchedFile {
    /// What the server says it is; nobody has looked.
    pub content_type: Option<String>,
    /// What the server calls it, or else the last part of the URL; without a folder.
    pub file_name: Option<String>,
    /// Its bytes.
    pub body: Box<dyn Chunks>,
}

impl fmt::Debug for FetchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// Bytes that come piece by piece, as fast as they are asked for.
#[async_trait]
pub trait Chunks: Send {
    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// Why there is no more. What came before is then not the whole.
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError>;
}

/// Why a download brought nothing, or not all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address is not one that is called.
    #[error(transparent)]
    Address(#[from] UrlError),
    /// Another status than 200; redirects are not followed.
    #[error("the server answered {status}")]
    UnexpectedStatus {
        /// The HTTP status.
        status: u16,
    },
    /// More than was wanted.
    #[error("it is larger than {max_bytes} bytes")]
    TooLarge {
        /// What was wanted.
        max_bytes: u64,
    },
    /// No answer, or not a whole one: in a few words for people.
    #[error("{0}")]
    Unreachable(String),
}
