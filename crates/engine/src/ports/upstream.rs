//! Meta's Graph API.

use super::port_macro::port;
use super::recipient::Recipient;
use bytes::Bytes;
use domain::accounts::account::Account;
use domain::json::Object;
use domain::messages::outcome::SendOutcome;
use domain::templates::Template;
use domain::templates::{TemplateCategory, TemplateStatus};
use jiff::Timestamp;
use secrecy::SecretString;
use std::fmt;

/// Account and its access token.
#[derive(Clone)]
pub struct AccountCredentials {
    /// Account of the calls.
    pub account: Account,
    /// Access token of the account.
    pub access_token: SecretString,
}

impl fmt::Debug for AccountCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountCredentials").field("account", &self.account.id).finish_non_exhaustive()
    }
}

port! {
    /// Meta's Graph API: messages, and data that Waypost reads.
    pub trait Upstream {
        /// Sends a message. `body` is the request body from [`Upstream::message_body`]. Each result of the call is a
        /// [`SendOutcome`].
        async fn send_message(&self, line: &AccountCredentials, body: Bytes) -> SendOutcome;

        /// Marks an inbound message as read, and shows a typing indicator if `is_typing`.
        async fn mark_message_read(
            &self,
            line: &AccountCredentials,
            wamid: &str,
            is_typing: bool,
        ) -> Result<(), UpstreamError>;

        /// Returns a page of the account's templates.
        async fn fetch_templates(
            &self,
            line: &AccountCredentials,
            query: &TemplateQuery,
        ) -> Result<TemplatePage, UpstreamError>;

        /// Returns Meta's information about the number.
        async fn get_phone_number(&self, line: &AccountCredentials) -> Result<PhoneNumberInfo, UpstreamError>;

        /// Returns `true` if the account's WhatsApp Business Account has the account's phone number.
        async fn has_phone_number(&self, line: &AccountCredentials) -> Result<bool, UpstreamError>;

        /// Returns Meta's information about the access token.
        async fn get_token_info(&self, line: &AccountCredentials) -> Result<TokenInfo, UpstreamError>;

        /// Returns the names or IDs of the apps that receive the account's webhooks.
        async fn list_subscribed_apps(&self, line: &AccountCredentials) -> Result<Vec<String>, UpstreamError>;

        sync {
            /// Returns the request body of a message.
            fn message_body(&self, message: &OutgoingMessage<'_>) -> Bytes;
        }
    }
}

/// Parts of a message from which the request body is made.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingMessage<'a> {
    /// Recipient of the message.
    pub recipient: &'a Recipient,
    /// Type of the message, as in the API.
    pub kind: &'a str,
    /// Object that the type names, as JSON text in Meta's format.
    pub content: &'a str,
    /// Wamid of the message that the message replies to.
    pub context_wamid: Option<&'a str>,
    /// Hash for Meta's check of the recipient's identity.
    pub recipient_identity_key_hash: Option<&'a str>,
    /// Reference that Meta returns in the statuses (`biz_opaque_callback_data`).
    pub reference: &'a str,
}

/// Filter of a list of templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateQuery {
    /// Name of the templates. Meta also returns templates with similar names.
    pub name: Option<String>,
    /// Cursor of the previous page.
    pub after: Option<String>,
}

/// Page of templates.
#[derive(Clone, Debug, Default)]
pub struct TemplatePage {
    /// Templates of the page, without those that cannot be decoded.
    pub templates: Vec<ListedTemplate>,
    /// Cursor of the next page; `None` on the last page.
    pub after: Option<String>,
    /// `true` if Meta listed a template that cannot be decoded: the list does not show which templates do not exist.
    pub has_unreadable: bool,
}

/// Template in Meta's list.
#[derive(Clone, Debug)]
pub struct ListedTemplate {
    /// Meta's ID of the template, digits.
    pub meta_id: String,
    /// Definition of the template.
    pub template: Template,
    /// Components of the template, as Meta's JSON text.
    pub components: String,
    /// Quality score, in upper case.
    pub quality: Option<String>,
    /// Meta's reason for the rejection.
    pub rejected_reason: Option<String>,
}

/// Meta's information about a number.
///
/// Meta: Phone numbers, <https://developers.facebook.com/docs/whatsapp/cloud-api/phone-numbers>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneNumberInfo {
    /// Number in display format.
    pub display_phone_number: Option<String>,
    /// Approved display name.
    pub verified_name: Option<String>,
    /// Quality rating: `GREEN`, `YELLOW`, `RED`, `NA` or `UNKNOWN`.
    pub quality_rating: Option<String>,
    /// Status of the number. Only a number with `CONNECTED` can send.
    pub status: Option<String>,
    /// Tier of the messaging limit: `TIER_…`.
    pub messaging_limit_tier: Option<String>,
    /// Throughput level: `STANDARD` or `HIGH`.
    pub throughput_level: Option<String>,
}

/// Meta's information about an access token.
///
/// Meta: Debug Token, <https://developers.facebook.com/docs/graph-api/reference/debug_token>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInfo {
    /// `true` if the token is valid.
    pub is_valid: bool,
    /// Time at which the token expires; `None` if it does not expire.
    pub expires_at: Option<Timestamp>,
    /// Scopes of the token.
    pub scopes: Vec<String>,
}

/// Error of a call to Meta that is not a send.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UpstreamError {
    /// Meta responded with an error.
    #[error("meta refused: code {}", .0.code)]
    Refused(domain::meta_error::MetaError),
    /// Meta, or a proxy before Meta, responded with HTTP 429 without an error of Meta's API.
    #[error("meta limits the rate of calls")]
    Throttled {
        /// Seconds to wait, if the response named them.
        retry_after: Option<u32>,
    },
    /// Meta is unreachable, or its response cannot be decoded.
    #[error("reaching meta: {0}")]
    Unreachable(String),
}

port! {
    /// Meta's Graph API: changes of an account.
    pub trait UpstreamAdmin {
        /// Subscribes the token's app to the webhooks of the account's WhatsApp Business Account.
        async fn subscribe_app(&self, line: &AccountCredentials) -> Result<(), UpstreamError>;

        /// Registers the number with its PIN of six digits. A number without a PIN gets this PIN.
        async fn register_phone_number(
            &self,
            line: &AccountCredentials,
            pin: &SecretString,
        ) -> Result<(), UpstreamError>;

        /// Returns the business profile of the number, with Meta's names.
        async fn get_business_profile(&self, line: &AccountCredentials) -> Result<Object, UpstreamError>;

        /// Updates the given fields of the business profile. An empty text clears a field.
        async fn update_business_profile(
            &self,
            line: &AccountCredentials,
            change: &Object,
        ) -> Result<(), UpstreamError>;

        /// Creates a template. `body` is the request body as JSON text.
        async fn create_template(
            &self,
            line: &AccountCredentials,
            body: String,
        ) -> Result<CreatedTemplate, UpstreamError>;

        /// Edits the template with Meta's ID. Meta reviews the template again.
        async fn edit_template(
            &self,
            line: &AccountCredentials,
            meta_id: &str,
            body: String,
        ) -> Result<(), UpstreamError>;

        /// Deletes the template with this name and Meta's ID; without an ID, all languages of the name.
        async fn delete_template(
            &self,
            line: &AccountCredentials,
            name: &str,
            meta_id: Option<&str>,
        ) -> Result<(), UpstreamError>;

        /// Calls the callback URL as Meta does for verification. Returns the reason if the callback does not return the challenge.
        async fn verify_callback(&self, callback: &CallbackVerification) -> Result<(), String>;
    }
}

/// Callback to verify.
#[derive(Clone, Debug)]
pub struct CallbackVerification {
    /// URL of the callback.
    pub url: String,
    /// Verify token of the callback.
    pub verify_token: String,
    /// Challenge that the callback must return.
    pub challenge: String,
}

/// Meta's response to a created template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTemplate {
    /// Meta's ID of the template, digits.
    pub meta_id: String,
    /// Status of the template.
    pub status: TemplateStatus,
    /// Category that Meta assigned, which may differ from the requested category.
    pub category: Option<TemplateCategory>,
}
