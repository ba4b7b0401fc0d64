//! Example of an event, for tests of webhook endpoints.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::data::{
    AccountData, ContactData, ErrorData, IncomingData, OutboundData, TemplateData, WebhookData,
};
use super::kind::EventKind;
use crate::accounts::account::AccountChange;
use crate::id::{AccountId, ContactId, MessageId, TemplateId, WebhookId};
use crate::json::{Object, Value};
use crate::messages::inbound::InboundMetadata;
use crate::messages::status::MessageStatus;
use crate::messages::status_report::Pricing;
use crate::meta_error::MetaError;
use crate::templates::TemplateChange;

/// Fictional number of the person in the examples.
const NUMBER: &str = "447700900123";
const USER_ID: &str = "GB.77120394857261034";
const NAME: &str = "Maya Osei";
const USERNAME: &str = "maya.osei";
const WAMID: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMDAwMDAwMDAwMDAwMDAwMDAwAA==";

/// Example of the `data` of an event. It is written by the structures of the real events, so that both always agree.
#[derive(Clone, Debug)]
pub struct EventExample {
    /// Kind of the event.
    pub kind: EventKind,
    /// Time of the event.
    pub at: Timestamp,
    /// Account of the event.
    pub account: AccountId,
    /// Name of that account.
    pub account_name: String,
    /// WhatsApp Business Account of that account.
    pub waba_id: String,
    /// Identifier of a message that does not exist.
    pub message: MessageId,
    /// Identifier of a contact that does not exist.
    pub contact: ContactId,
    /// Identifier of a template that does not exist.
    pub template: TemplateId,
    /// Endpoint that receives the example.
    pub webhook: WebhookId,
    /// Name of that endpoint.
    pub webhook_name: String,
}

impl Serialize for EventExample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind {
            EventKind::MessageIncoming => self.incoming(serializer),
            EventKind::MessageQueued => self.outbound(MessageStatus::Queued, serializer),
            EventKind::MessageSent => self.outbound(MessageStatus::Sent, serializer),
            EventKind::MessageDelivered => self.outbound(MessageStatus::Delivered, serializer),
            EventKind::MessageRead => self.outbound(MessageStatus::Read, serializer),
            EventKind::MessagePlayed => self.outbound(MessageStatus::Played, serializer),
            EventKind::MessageFailed => self.outbound(MessageStatus::Failed, serializer),
            EventKind::MessageUnknown => self.outbound(MessageStatus::Unknown, serializer),
            EventKind::MessageExpired => self.outbound(MessageStatus::Expired, serializer),
            EventKind::MessageCanceled => self.outbound(MessageStatus::Canceled, serializer),
            EventKind::ContactCreated => self.contact(&[], serializer),
            EventKind::ContactUpdated => self.contact(&["stage", "tags"], serializer),
            EventKind::TemplateStatus => self.template(serializer),
            EventKind::AccountStatus => self.account(serializer),
            EventKind::WebhookDisabled => {
                self.webhook(Some("the endpoint has failed for five days"), serializer)
            }
            EventKind::WebhookTest => self.webhook(None, serializer),
        }
    }
}

impl EventExample {
    fn incoming<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = IncomingData {
            id: self.message,
            message_id: WAMID,
            from: Some(NUMBER),
            user_id: Some(USER_ID),
            username: Some(USERNAME),
            contact_id: self.contact,
            contact_name: Some(NAME),
            kind: "text",
            text: Some("Is my order ready?"),
            whatsapp_account_id: self.account,
            at: self.at,
            context: None,
            object: None,
            media_id: None,
            metadata: &InboundMetadata::default(),
        };
        data.serialize(serializer)
    }

    fn outbound<S: Serializer>(&self, status: MessageStatus, serializer: S) -> Result<S::Ok, S::Error> {
        // Meta reports the price with the delivery, and a message that is not sent yet has no wamid.
        let is_priced =
            matches!(status, MessageStatus::Delivered | MessageStatus::Read | MessageStatus::Played);
        let is_sent = is_priced || matches!(status, MessageStatus::Sent | MessageStatus::Failed);
        let pricing = Pricing {
            billable: Some(false),
            pricing_model: Some("PMP".to_owned()),
            kind: Some("free_customer_service".to_owned()),
            category: Some("service".to_owned()),
        };
        let failure = MetaError { code: 131_026, ..MetaError::default() };
        let error = (status == MessageStatus::Failed).then_some(&failure);
        let id = self.message.to_string();
        let data = OutboundData {
            id: self.message,
            message_id: if is_sent { WAMID } else { &id },
            status,
            event_status: status,
            to: Some(NUMBER),
            recipient: None,
            kind: if status == MessageStatus::Played { "audio" } else { "text" },
            client_reference: Some("order 7"),
            whatsapp_account_id: self.account,
            at: self.at,
            error: ErrorData::of(error, None),
            pricing: is_priced.then_some(&pricing),
            sent_as: "message",
            echo: None,
        };
        data.serialize(serializer)
    }

    fn contact<S: Serializer>(&self, changes: &[&'static str], serializer: S) -> Result<S::Ok, S::Error> {
        let custom_fields: Object = [("city".to_owned(), Value::from("Leeds"))].into_iter().collect();
        let data = ContactData {
            id: self.contact,
            phone_number: Some(NUMBER),
            user_id: Some(USER_ID),
            name: Some(NAME),
            username: Some(USERNAME),
            tags: &["vip".to_owned()],
            stage: Some("lead"),
            email: Some("maya@example.com"),
            custom_fields: &custom_fields,
            opted_out: false,
            opted_out_reason: None,
            changes,
            merged_contact_id: None,
        };
        data.serialize(serializer)
    }

    fn template<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = TemplateData {
            id: Some(self.template),
            waba_id: &self.waba_id,
            name: "order_confirmation",
            language: "en",
            change: TemplateChange::Status,
            status: Some("APPROVED"),
            category: Some("UTILITY"),
            quality: None,
            reason: None,
        };
        data.serialize(serializer)
    }

    fn account<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = AccountData {
            whatsapp_account_id: Some(self.account),
            waba_id: &self.waba_id,
            name: Some(&self.account_name),
            change: AccountChange::Quality,
            status: Some("connected"),
            status_reason: None,
            quality_rating: Some("YELLOW"),
            messaging_limit: None,
            field: Some("phone_number_quality_update"),
            details: None,
        };
        data.serialize(serializer)
    }

    fn webhook<S: Serializer>(&self, reason: Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
        WebhookData { webhook_id: self.webhook, name: &self.webhook_name, reason }.serialize(serializer)
    }
}
