//! Meta's Graph API.

use super::Recipient;
use super::port_macro::port;
use bytes::Bytes;
use domain::accounts::account::Account;
use domain::json::Object;
use domain::messages::outcome::SendOutcome;
use domain::templates::Template;
use domain::templates::{TemplateCategory, TemplateStatus};
use jiff::Timestamp;
use secrecy::SecretString;
use std::fmt;

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
        f.debug_struct("AccountCredentials").field("account", &self.account.id).finish_non_exhaustive()
    }
}

port! {
    /// The service that carries messages: Meta's Graph API.
    pub trait Upstream {
        /// Hands over one message; `body` is the whole request body as [`Upstream::message_body`] made it.
        /// Every way this can end is an [`SendOutcome`], so there is no error.
        async fn send_message(&self, line: &AccountCredentials, body: Bytes) -> SendOutcome;

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

        sync {
            /// The request body of a message.
            fn message_body(&self, message: &OutgoingMessage<'_>) -> Bytes;
        }
    }
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

port! {
    /// The service that carries messages, as its administrators use it: Meta's Graph API.
    pub trait UpstreamAdmin {
        /// Subscribes the token's app to the webhooks of the account's WhatsApp Business Account.
        async fn subscribe_app(&self, line: &AccountCredentials) -> Result<(), UpstreamError>;

        /// Registers the number with its PIN, six digits; sets the PIN if it has none.
        async fn register_phone_number(
            &self,
            line: &AccountCredentials,
            pin: &SecretString,
        ) -> Result<(), UpstreamError>;

        /// The number's business profile, in Meta's names.
        async fn get_business_profile(&self, line: &AccountCredentials) -> Result<Object, UpstreamError>;

        /// Changes the business profile: what is not named stays, an empty text clears.
        async fn update_business_profile(
            &self,
            line: &AccountCredentials,
            change: &Object,
        ) -> Result<(), UpstreamError>;

        /// Submits a template; `body` is the request as JSON text.
        async fn create_template(
            &self,
            line: &AccountCredentials,
            body: String,
        ) -> Result<CreatedTemplate, UpstreamError>;

        /// Changes a template of this id of Meta's; it goes through the review again.
        async fn edit_template(
            &self,
            line: &AccountCredentials,
            meta_id: &str,
            body: String,
        ) -> Result<(), UpstreamError>;

        /// Deletes the template of this name and Meta's id; without the id, the name in every language.
        async fn delete_template(
            &self,
            line: &AccountCredentials,
            name: &str,
            meta_id: Option<&str>,
        ) -> Result<(), UpstreamError>;

        /// Calls a callback of ours as Meta checks one: whether it echoes the challenge, or why it does not.
        async fn verify_callback(&self, callback: &CallbackVerification) -> Result<(), String>;
    }
}

/// A callback to be tried.
#[derive(Clone, Debug)]
pub struct CallbackVerification {
    /// Its URL.
    pub url: String,
    /// The word that it knows.
    pub verify_token: String,
    /// What it shall echo.
    pub challenge: String,
}

/// What Meta answered to a template that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTemplate {
    /// Meta's id, digits.
    pub meta_id: String,
    /// The state that it starts in.
    pub status: TemplateStatus,
    /// The category that Meta gives it: not always the one that was asked for.
    pub category: Option<TemplateCategory>,
}
