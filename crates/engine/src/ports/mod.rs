//! The outside world, as the engine sees it.
//!
//! **Invariant:** a port takes and returns values of the domain. No connection, no transaction, no wire type crosses it.

mod access;
mod contact;
mod directory;
mod event;
mod figures;
mod hook;
mod manage;
mod media;
mod message;
mod storage;
mod upkeep;
mod waiting;
mod webhook;
mod webhooks_in;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use domain::accounts::account::Account;
use domain::messages::outcome::SendOutcome;
use domain::templates::Template;
use jiff::Timestamp;
use secrecy::SecretString;

pub use access::*;
pub use contact::*;
pub use directory::*;
pub use event::*;
pub use figures::*;
pub use hook::*;
pub use manage::*;
pub use media::*;
pub use message::*;
pub use storage::*;
pub use upkeep::*;
pub use waiting::*;
pub use webhook::*;
pub use webhooks_in::*;

/// Tells the time, and lets a task wait for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns once [`Clock::now`] has reached `deadline`.
    async fn sleep_until(&self, deadline: Timestamp);
}

/// Draws chance.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// How Meta is reached for one account.
#[derive(Clone)]
pub struct AccountCredentials {
    /// The sender.
    pub account: Account,
    /// Its access token.
    pub access_token: SecretString,
}

impl fmt::Debug for AccountCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("account", &self.account.id).finish_non_exhaustive()
    }
}

/// The service that carries messages: Meta's Graph API.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Hands over one message; `body` is the whole request body as [`Upstream::body`] made it.
    /// Every way this can end is an [`SendOutcome`], so there is no error.
    async fn send_message(&self, line: &AccountCredentials, body: Bytes) -> SendOutcome;

    /// The request body of a message.
    fn message_body(&self, message: &OutgoingMessage<'_>) -> Bytes;

    /// Marks a customer's message as read, with a typing bubble if asked.
    async fn mark_message_read(
        &self,
        line: &AccountCredentials,
        wamid: &str,
        is_typing: bool,
    ) -> Result<(), UpstreamError>;

    /// One page of the account's templates.
    async fn fetch_templates(
        &self,
        line: &AccountCredentials,
        query: &TemplateQuery,
    ) -> Result<TemplatePage, UpstreamError>;

    /// What Meta says of the number.
    async fn get_phone_number(&self, line: &AccountCredentials) -> Result<PhoneNumberInfo, UpstreamError>;

    /// What Meta says of the access token.
    async fn get_token_info(&self, line: &AccountCredentials) -> Result<TokenInfo, UpstreamError>;

    /// Names or ids of the apps that hear the account's webhooks.
    async fn list_subscribed_apps(&self, line: &AccountCredentials) -> Result<Vec<String>, UpstreamError>;
}

/// A message, as far as its request body is concerned.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingMessage<'a> {
    /// Whom it goes to.
    pub recipient: &'a Recipient,
    /// Its `type`.
    pub kind: &'a str,
    /// The object named by the type, as JSON text in Meta's form.
    pub content: &'a str,
    /// The message that it answers.
    pub context_wamid: Option<&'a str>,
    /// Meta's identity check.
    pub recipient_identity_key_hash: Option<&'a str>,
    /// What Meta echoes in the statuses.
    pub reference: &'a str,
}

/// Which templates to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateQuery {
    /// Only those with this name. Meta matches more loosely: compare again.
    pub name: Option<String>,
    /// The page after this cursor.
    pub after: Option<String>,
}

/// A page of templates.
#[derive(Clone, Debug, Default)]
pub struct TemplatePage {
    /// The templates that could be read.
    pub templates: Vec<ListedTemplate>,
    /// Where the next page starts; `None` after the last.
    pub after: Option<String>,
}

/// A template as Meta lists it.
#[derive(Clone, Debug)]
pub struct ListedTemplate {
    /// Meta's id, digits.
    pub meta_id: String,
    /// The definition.
    pub template: Template,
    /// Its components, as JSON text as Meta sent them.
    pub components: String,
    /// Its quality score, upper case.
    pub quality: Option<String>,
    /// Why Meta refused it.
    pub rejected_reason: Option<String>,
}

/// What Meta says of a number (reference G.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneNumberInfo {
    /// Formatted.
    pub display_phone_number: Option<String>,
    /// The approved name.
    pub verified_name: Option<String>,
    /// `GREEN`, `YELLOW`, `RED`, `NA`, `UNKNOWN`.
    pub quality_rating: Option<String>,
    /// `CONNECTED` is the only one that may send.
    pub status: Option<String>,
    /// `TIER_…`.
    pub messaging_limit_tier: Option<String>,
    /// `STANDARD` or `HIGH`.
    pub throughput_level: Option<String>,
}

/// What Meta says of a token (reference G.11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInfo {
    /// Whether it works.
    pub is_valid: bool,
    /// When it ends; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// What it may do.
    pub scopes: Vec<String>,
}

/// A call to Meta, other than a send, that brought nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UpstreamError {
    /// Meta said no.
    #[error("meta refused: code {}", .0.code)]
    Refused(domain::meta_error::MetaError),
    /// Meta could not be reached, or did not answer in a form that can be read.
    #[error("reaching meta: {0}")]
    Unreachable(String),
}
