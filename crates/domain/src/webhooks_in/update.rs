//! Decoded updates from Meta's webhooks (Meta: Webhooks,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks>).

use jiff::Timestamp;

use crate::accounts::account::AccountChange;
use crate::accounts::suspension::SuspensionChange;
use crate::contacts::whatsapp_user::WhatsAppUser;
use crate::json::Value;
use crate::messages::inbound::InboundMessage;
use crate::messages::status_report::StatusReport;

/// One update from a webhook of Meta.
#[derive(Clone, Debug, PartialEq)]
pub enum WebhookUpdate {
    /// Message of a customer.
    Message(InboundMessage),
    /// Call of a customer, which opens the customer service window.
    Call(InboundCall),
    /// Status of an outbound message.
    Status(StatusReport),
    /// Message that the business sent from a phone.
    MessageEcho(MessageEcho),
    /// Opt-out or opt-in of a customer.
    MarketingPreference(MarketingPreference),
    /// Change of the phone number or user id of a customer.
    NumberChange(NumberChange),
    /// Change of a template.
    Template(TemplateUpdate),
    /// Change of an account, or a notice about it.
    Account(AccountUpdate),
    /// Any other update; its payload is stored.
    Other,
}

/// Call of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundCall {
    /// Caller.
    pub from: WhatsAppUser,
    /// Time of the call, from Meta.
    pub at: Timestamp,
}

/// Message that the business sent from a phone, without the API (webhook field `smb_message_echoes`).
#[derive(Clone, Debug, PartialEq)]
pub struct MessageEcho {
    /// Meta's id of the message.
    pub wamid: String,
    /// Recipient.
    pub to: WhatsAppUser,
    /// Time of the message, from Meta.
    pub at: Timestamp,
    /// Type of the message, in Meta's spelling.
    pub kind: String,
    /// Text of the message, if its type has one: text body, caption.
    pub text: Option<String>,
    /// Object that belongs to the type, as Meta sent it.
    pub object: Option<Value>,
    /// Meta's id of the message to which this one replies.
    pub context_wamid: Option<String>,
}

/// Preference of a customer about marketing (webhook field `user_preferences`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketingPreference {
    /// Customer.
    pub from: WhatsAppUser,
    /// `true` if the customer accepts marketing.
    pub takes_marketing: bool,
    /// Time of the choice, from Meta.
    pub at: Timestamp,
}

/// Change of the phone number or user id of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberChange {
    /// Old identity.
    pub from: WhatsAppUser,
    /// New identity.
    pub to: WhatsAppUser,
    /// Time of the change, from Meta.
    pub at: Timestamp,
}

/// Change of a template by Meta.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateUpdate {
    /// Name of the template.
    pub name: String,
    /// Language of the template.
    pub language: String,
    /// New status, in upper case (webhook field `message_template_status_update`).
    pub status: Option<String>,
    /// New category, in upper case, if it has changed.
    pub category: Option<String>,
    /// New quality score, in upper case.
    pub quality: Option<String>,
    /// Meta's reason for a rejection, a pause or a deactivation, with Meta's details.
    pub reason: Option<String>,
    /// New texts (webhook field `message_template_components_update`).
    pub text: Option<TemplateTextUpdate>,
}

/// Texts of a template in an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateTextUpdate {
    /// Text of the header.
    pub header: Option<String>,
    /// Text of the body.
    pub body: Option<String>,
    /// Text of the footer.
    pub footer: Option<String>,
    /// Labels of the buttons, each with its URL or phone number.
    pub buttons: Vec<(String, Option<String>)>,
}

/// Change of an account by Meta, or a notice about it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountUpdate {
    /// Phone number of the account, digits; `None` for the whole WhatsApp Business Account.
    pub number: Option<String>,
    /// Property that has changed.
    pub change: AccountChange,
    /// Change of the suspension.
    pub hold: Option<SuspensionChange>,
    /// New quality rating of the number, in upper case.
    pub quality: Option<String>,
    /// New messaging limit: `TIER_…`.
    pub tier: Option<String>,
    /// New display name.
    pub name: Option<String>,
    /// Meta's value, unchanged.
    pub details: Option<Value>,
}

impl AccountUpdate {
    /// Creates an update that changes no property.
    #[must_use]
    pub const fn notice(number: Option<String>, details: Option<Value>) -> Self {
        Self {
            number,
            change: AccountChange::Notice,
            hold: None,
            quality: None,
            tier: None,
            name: None,
            details,
        }
    }
}
