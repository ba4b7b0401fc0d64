//! What Meta tells us, decoded as far as it is understood.

use jiff::Timestamp;

use crate::accounts::account::AccountChange;
use crate::accounts::suspension::SuspensionChange;
use crate::contacts::whatsapp_user::WhatsAppUser;
use crate::json::Value;
use crate::messages::inbound::InboundMessage;
use crate::messages::status_report::StatusReport;

/// One thing that Meta told us.
#[derive(Clone, Debug, PartialEq)]
pub enum WebhookUpdate {
    /// A customer wrote.
    Message(InboundMessage),
    /// A customer called, which opens the window too.
    Call(InboundCall),
    /// Something happened to a message that we sent.
    Status(StatusReport),
    /// We wrote, from a phone.
    MessageEcho(MessageEcho),
    /// A customer takes marketing, or takes none.
    MarketingPreference(MarketingPreference),
    /// A person goes by another id.
    NumberChange(NumberChange),
    /// A template changed.
    Template(TemplateUpdate),
    /// Something about an account changed, or Meta has something to say about it.
    Account(AccountUpdate),
    /// Anything else: kept as it came.
    Other,
}

/// A call from a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundCall {
    /// Who called.
    pub from: WhatsAppUser,
    /// When, by Meta's time.
    pub at: Timestamp,
}

/// A message that we sent from a phone, beside the API (reference C.6, `smb_message_echoes`).
#[derive(Clone, Debug, PartialEq)]
pub struct MessageEcho {
    /// Meta's id of the message.
    pub wamid: String,
    /// Whom it went to.
    pub to: WhatsAppUser,
    /// When, by Meta's time.
    pub at: Timestamp,
    /// Meta's own `type`.
    pub kind: String,
    /// The object that belongs to the type, as Meta sent it.
    pub object: Option<Value>,
    /// The message that it answers.
    pub context_wamid: Option<String>,
}

/// What a customer wants to do with marketing (reference C.6, `user_preferences`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketingPreference {
    /// Who.
    pub from: WhatsAppUser,
    /// Whether marketing is welcome.
    pub takes_marketing: bool,
    /// When, by Meta's time.
    pub at: Timestamp,
}

/// A person goes by another id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberChange {
    /// Who it was so far.
    pub from: WhatsAppUser,
    /// Who it is from now on.
    pub to: WhatsAppUser,
    /// When, by Meta's time.
    pub at: Timestamp,
}

/// A change of a template that Meta made (reference C.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateUpdate {
    /// The template's name.
    pub name: String,
    /// The template's language.
    pub language: String,
    /// The new status, upper case, in a `message_template_status_update`.
    pub status: Option<String>,
    /// The new category, upper case, where it has changed.
    pub category: Option<String>,
    /// The new quality score, upper case.
    pub quality: Option<String>,
    /// Why it was refused, paused or disabled: Meta's word, and what Meta adds to it.
    pub reason: Option<String>,
    /// What it says by now, in a `message_template_components_update`.
    pub text: Option<TemplateTextUpdate>,
}

/// The words of a template, as far as Meta tells them when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateTextUpdate {
    /// The words of the header.
    pub header: Option<String>,
    /// The words of the body.
    pub body: Option<String>,
    /// The words of the footer.
    pub footer: Option<String>,
    /// The buttons: their words, and the address or number behind them.
    pub buttons: Vec<(String, Option<String>)>,
}

/// What Meta did to an account, or has to say of it (reference C.6).
#[derive(Clone, Debug, PartialEq)]
pub struct AccountUpdate {
    /// The number that it is about, digits; `None` is the whole WhatsApp Business Account.
    pub number: Option<String>,
    /// What has changed.
    pub change: AccountChange,
    /// Whether the accounts may send.
    pub hold: Option<SuspensionChange>,
    /// The quality of the number, upper case.
    pub quality: Option<String>,
    /// How many people templates may reach in 24 hours: `TIER_…`.
    pub tier: Option<String>,
    /// The name that customers see.
    pub name: Option<String>,
    /// Meta's own words.
    pub details: Option<Value>,
}

impl AccountUpdate {
    /// Something that changes nothing here.
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
