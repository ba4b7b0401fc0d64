//! Description of a load: the generator is a separate process that reads it from standard input.

use crate::digest::hmac_sha256_hex;
use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Number of recipients, used in turn: the numbers that Ofcom reserves for drama, +44 7700 900000 to 900999.
pub(in crate::bench) const RECIPIENTS: u32 = 1_000;
/// Number of statuses of one message: sent, delivered, read.
pub(in crate::bench) const STATUSES: [&str; 3] = ["sent", "delivered", "read"];
/// Name of the template that the mock of Meta's API has.
pub(in crate::bench) const TEMPLATE: &str = "order_confirmation";

/// A load on one target.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::bench) struct LoadPlan {
    /// Address of the target; only loopback addresses are allowed.
    pub(in crate::bench) address: SocketAddr,
    /// Path of every request.
    pub(in crate::bench) path: String,
    /// Headers of every request, `Name: value`.
    pub(in crate::bench) headers: Vec<String>,
    /// Number of connections.
    pub(in crate::bench) connections: u32,
    /// Maximum duration in seconds.
    pub(in crate::bench) seconds: u32,
    /// Maximum number of requests.
    pub(in crate::bench) requests: u32,
    /// Requests per second, at fixed times. The latency of a request begins at its time, so that a stall counts for each
    /// request that it delays. Without it, each connection sends its next request after the previous response.
    pub(in crate::bench) per_second: Option<u32>,
    /// Content of the requests.
    pub(in crate::bench) content: Content,
}

/// Content of the requests.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::bench) enum Content {
    /// Messages to the recipients, in turn.
    Messages(Message),
    /// Signed webhooks of Meta about messages that were sent before.
    Webhooks(Webhooks),
}

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(in crate::bench) enum Message {
    /// A text message of about 300 bytes.
    Text,
    /// A template with two parameters in its body.
    Template,
}

impl Message {
    /// Returns the name in the table.
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Template => "template",
        }
    }

    /// Returns a message that the Cloud API and the gateway accept.
    pub(super) fn body(self, to: &str) -> String {
        let text = "Your table for two is booked for Saturday at 19:30. Reply 1 to confirm, 2 to change the time, \
                    or 3 to cancel. Parking is free after six, the bus stops at the door.";
        let content = match self {
            Self::Text => format!("\"text\":{{\"preview_url\":false,\"body\":\"{text}\"}}"),
            Self::Template => format!(
                "\"template\":{{\"name\":\"{TEMPLATE}\",\"language\":{{\"code\":\"en\"}},\"components\":[{{\
                 \"type\":\"body\",\"parameters\":[{{\"type\":\"text\",\"text\":\"Maya\"}},\
                 {{\"type\":\"text\",\"text\":\"8471\"}}]}}]}}"
            ),
        };
        let name = self.name();
        format!(
            "{{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"individual\",\"to\":\"{to}\",\
             \"type\":\"{name}\",{content}}}"
        )
    }
}

/// Webhooks about statuses of messages: each message gets the statuses sent, delivered and read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::bench) struct Webhooks {
    /// Number of the first message, as the mock of Meta's API counts them.
    pub(in crate::bench) first_message: u64,
    /// Number of statuses in a webhook.
    pub(in crate::bench) batch: u32,
    /// Time of all statuses, in seconds since 1970.
    pub(in crate::bench) at: u64,
    /// Ids of the account.
    pub(in crate::bench) account: Account,
}

/// Ids and the secret of the measured account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::bench) struct Account {
    /// Id of the phone number.
    pub(in crate::bench) phone_number_id: String,
    /// Id of the WhatsApp Business Account.
    pub(in crate::bench) waba_id: String,
    /// Secret that signs the webhooks.
    pub(in crate::bench) app_secret: String,
}

impl Account {
    /// Returns a webhook of Meta with these members of `value`.
    pub(in crate::bench) fn webhook(&self, members: &Value) -> String {
        let mut value = json!({
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "442079460018", "phone_number_id": self.phone_number_id },
        });
        if let (Some(value), Some(members)) = (value.as_object_mut(), members.as_object()) {
            value.extend(members.clone());
        }
        json!({ "object": "whatsapp_business_account", "entry": [{ "id": self.waba_id, "changes": [{
            "field": "messages", "value": value }] }] })
        .to_string()
    }

    /// Returns the header `X-Hub-Signature-256` of a webhook.
    pub(in crate::bench) fn signature(&self, body: &str) -> Result<String> {
        Ok(format!("sha256={}", hmac_sha256_hex(&self.app_secret, body.as_bytes())?))
    }
}

impl Webhooks {
    /// Returns the n-th webhook.
    pub(super) fn body(&self, number: u32) -> String {
        let first = u64::from(number) * u64::from(self.batch);
        let statuses: Vec<Value> = (first..first + u64::from(self.batch)).map(|n| self.status(n)).collect();
        self.account.webhook(&json!({ "statuses": statuses }))
    }

    /// Returns the n-th status. The statuses of a message follow each other.
    fn status(&self, number: u64) -> Value {
        let kinds = u64::try_from(STATUSES.len()).unwrap_or(1);
        let (message, kind) = (number / kinds, usize::try_from(number % kinds).unwrap_or(0));
        let message = self.first_message + message;
        json!({
            "id": wamid(message),
            "status": STATUSES.get(kind),
            "timestamp": self.at.to_string(),
            "recipient_id": recipient(u32::try_from(message % u64::from(RECIPIENTS)).unwrap_or(0)).trim_start_matches('+'),
            "pricing": { "billable": false, "pricing_model": "PMP", "category": "service", "type": "free_customer_service" },
        })
    }
}

/// Returns the id that the mock of Meta's API gives to its n-th message.
pub(in crate::bench) fn wamid(number: u64) -> String {
    format!("wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgS{number:032X}AA==")
}

/// Returns the n-th recipient in E.164; `n` is below [`RECIPIENTS`].
pub(in crate::bench) fn recipient(index: u32) -> String {
    format!("+447700900{index:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_message_is_about_300_bytes_of_json() {
        let body = Message::Text.body(&recipient(7));
        assert!((280..=320).contains(&body.len()), "{}", body.len());
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["to"], "+447700900007");
        let body: Value = serde_json::from_str(&Message::Template.body(&recipient(7))).unwrap();
        assert_eq!(body["template"]["components"][0]["parameters"][1]["text"], "8471");
    }

    #[test]
    fn the_statuses_of_a_message_follow_each_other() {
        let account = Account {
            phone_number_id: "330011220099887".to_owned(),
            waba_id: "210987650001234".to_owned(),
            app_secret: "demo-app-secret".to_owned(),
        };
        let webhooks = Webhooks { first_message: 1_005, batch: 4, at: 1_796_000_000, account };
        let body: Value = serde_json::from_str(&webhooks.body(1)).unwrap();
        let statuses = body["entry"][0]["changes"][0]["value"]["statuses"].as_array().unwrap();
        let found: Vec<_> = statuses.iter().map(|status| (&status["id"], &status["status"])).collect();
        let (first, second) = (json!(wamid(1_006)), json!(wamid(1_007)));
        let (delivered, read, sent) = (json!("delivered"), json!("read"), json!("sent"));
        assert_eq!(found, [(&first, &delivered), (&first, &read), (&second, &sent), (&second, &delivered)]);
        assert_eq!(statuses[0]["recipient_id"], "447700900006");
    }
}
