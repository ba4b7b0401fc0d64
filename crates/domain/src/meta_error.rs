//! Meta's error codes and how they are handled (Meta: Error codes,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>).
//!
//! **Invariant:** the handling of a code is read from [`TABLE`] and nowhere else.

/// An error of Meta, from a response or a status.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MetaError {
    /// Meta's error code.
    pub code: i64,
    /// Subcode, if Meta sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subcode: Option<i64>,
    /// Meta's short text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Meta's long text. Often only this text says what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Trace id for Meta's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fbtrace_id: Option<String>,
    /// HTTP status of the response; `None` in a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Seconds to wait, if Meta sent a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// Class of an error, which decides how it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaErrorClass {
    /// Meta had a temporary failure and did not accept the message: the same call may succeed soon.
    Retry,
    /// Meta refuses this call for a while that Meta documents: the same call may succeed later. Other calls are not
    /// affected.
    RetryLater,
    /// The number, the app or the business sends too fast.
    ThrottleNumber,
    /// The number sends too much to this recipient: wait 4^X seconds for this pair only.
    ThrottlePair,
    /// Recipients block or report the messages of the number, or its templates are classified wrongly: the number sends
    /// one message at a time until Meta accepts one.
    ThrottleSpam,
    /// Nothing is sent from this account until it is resumed.
    SuspendAccount,
    /// Nothing is sent with this template for now.
    PauseTemplate,
    /// The recipient has stopped marketing messages of this business.
    OptOut,
    /// Meta limits marketing messages to this recipient for at least 24 hours.
    LimitMarketing,
    /// The customer service window is closed: only a template can be sent.
    WindowClosed,
    /// The same message will never be accepted.
    Permanent,
}

/// Entry of [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaErrorEntry {
    /// Meta's code.
    pub code: i64,
    /// Meta's name of the error.
    pub title: &'static str,
    /// Class of the error.
    pub class: MetaErrorClass,
    /// Advice for the caller.
    pub advice: &'static str,
    /// Seconds after which Meta may accept the same call, as far as Meta documents them for the code.
    pub wait: Option<u32>,
}

const fn entry(
    code: i64,
    title: &'static str,
    class: MetaErrorClass,
    advice: &'static str,
) -> MetaErrorEntry {
    MetaErrorEntry { code, title, class, advice, wait: None }
}

impl MetaErrorEntry {
    /// Returns the entry with a documented wait.
    const fn after(self, seconds: u32) -> Self {
        Self { wait: Some(seconds), ..self }
    }
}

const MINUTE: u32 = 60;
const HOUR: u32 = 3_600;

const NEW_TOKEN: &str = "Give the account a new access token.";
const LATER: &str = "Try again later.";
const SLOWER: &str = "Send more slowly, or ask Meta for more throughput.";
const PERMISSION: &str = "Grant the permission named in `details` to the system user of the access token, for this WhatsApp Business Account.";
const NUMBER_NOT_VISIBLE: &str = "The access token cannot see the phone number. Check the account's phone_number_id, and assign the WhatsApp Business Account to the system user of the access token.";
const SEE_DETAILS: &str = "Fix the fields listed in `details`, then send again.";
const NEW_MESSAGE: &str = "Meta does not deliver this message to this recipient; do not retry.";
/// Meta: Template pausing,
/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-pausing>
const PAUSED_TEMPLATE: &str = "Meta has paused the template. Improve it and submit it again, or unpause it in WhatsApp Manager. A pause because of low quality ends after 3 hours, a second one after 6 hours; a pause during template pacing ends only when somebody unpauses the template.";
const TEMPLATE_FIX: &str = "Compare the parameters with the template's definition.";

/// Meta's documented error codes.
pub const TABLE: &[MetaErrorEntry] = &[
    // Authorization and Graph API.
    entry(0, "AuthException", MetaErrorClass::SuspendAccount, NEW_TOKEN),
    entry(1, "API Unknown", MetaErrorClass::Retry, LATER),
    entry(2, "API Service", MetaErrorClass::Retry, LATER),
    entry(3, "API Method", MetaErrorClass::SuspendAccount, PERMISSION),
    // Meta counts the calls of the last hour, so that calls are accepted again little by little (Meta: Rate Limits,
    // <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>).
    entry(4, "API Too Many Calls", MetaErrorClass::ThrottleNumber, SLOWER).after(MINUTE),
    entry(10, "Permission Denied", MetaErrorClass::SuspendAccount, PERMISSION),
    entry(17, "User request limit", MetaErrorClass::ThrottleNumber, SLOWER).after(MINUTE),
    entry(33, "Parameter value is not valid", MetaErrorClass::SuspendAccount, NUMBER_NOT_VISIBLE),
    entry(100, "Invalid parameter", MetaErrorClass::Permanent, SEE_DETAILS),
    entry(102, "Session expired", MetaErrorClass::SuspendAccount, NEW_TOKEN),
    entry(104, "Access token required", MetaErrorClass::SuspendAccount, NEW_TOKEN),
    entry(190, "Access token expired or invalid", MetaErrorClass::SuspendAccount, NEW_TOKEN),
    entry(200, "API Permission", MetaErrorClass::SuspendAccount, PERMISSION),
    entry(341, "Application limit reached", MetaErrorClass::ThrottleNumber, SLOWER).after(MINUTE),
    entry(
        368,
        "Temporarily blocked for policy violations",
        MetaErrorClass::SuspendAccount,
        "See Meta's Business Support Home for the restriction and its end.",
    ),
    entry(613, "Calls limit", MetaErrorClass::ThrottleNumber, SLOWER).after(MINUTE),
    entry(803, "Some aliases do not exist", MetaErrorClass::SuspendAccount, NUMBER_NOT_VISIBLE),
    entry(80007, "Rate limit issues", MetaErrorClass::ThrottleNumber, SLOWER).after(MINUTE),
    entry(
        80008,
        "Too many calls to the WhatsApp Business Account",
        MetaErrorClass::ThrottleNumber,
        "Meta limits management calls per WhatsApp Business Account and hour. Try again later.",
    )
    .after(MINUTE),
    // Integrity, eligibility and the recipient's choice.
    entry(
        130403,
        "Business blocked the user",
        MetaErrorClass::Permanent,
        "Unblock the recipient, then send again.",
    ),
    entry(130472, "User's number is part of an experiment", MetaErrorClass::Permanent, NEW_MESSAGE),
    entry(
        130497,
        "Business restricted from messaging users in this country",
        MetaErrorClass::Permanent,
        "Meta does not allow this business to send messages to this country.",
    ),
    entry(131005, "Access denied", MetaErrorClass::SuspendAccount, PERMISSION),
    entry(
        131021,
        "Recipient cannot be sender",
        MetaErrorClass::Permanent,
        "The recipient is the account's own number. Send to another number.",
    ),
    entry(
        131026,
        "Message undeliverable",
        MetaErrorClass::Permanent,
        "The recipient may not use WhatsApp, may have an old version or may have blocked the business. Contact the recipient in another way.",
    ),
    entry(
        131030,
        "Recipient not in allowed list",
        MetaErrorClass::Permanent,
        "A test number of Meta sends only to registered numbers. Add the recipient in the app dashboard.",
    ),
    entry(
        131031,
        "Account has been locked",
        MetaErrorClass::SuspendAccount,
        "The account is locked, or the PIN is wrong. See Meta's Business Support Home.",
    ),
    entry(
        131036,
        "Not possible without storage",
        MetaErrorClass::Permanent,
        "Meta does not offer this feature for a number without storage.",
    ),
    entry(
        131037,
        "Display name approval needed",
        MetaErrorClass::SuspendAccount,
        "Get the display name of the number approved in WhatsApp Manager.",
    ),
    entry(
        131042,
        "Business eligibility payment issue",
        MetaErrorClass::SuspendAccount,
        "Set up or fix the payment method of the WhatsApp Business Account in Meta's Business Manager.",
    ),
    entry(
        131044,
        "Payment issue for calling",
        MetaErrorClass::Permanent,
        "Set up or fix the payment method of the WhatsApp Business Account.",
    ),
    entry(
        131045,
        "Incorrect certificate",
        MetaErrorClass::SuspendAccount,
        "Register the phone number with Meta (`POST /{phone_number_id}/register`).",
    ),
    entry(
        131047,
        "Re-engagement message",
        MetaErrorClass::WindowClosed,
        "The customer service window is closed. Send a template.",
    ),
    entry(
        131048,
        "Spam rate limit hit",
        MetaErrorClass::ThrottleSpam,
        "Too many recipients blocked or reported this number. Stop campaigns and check its quality in WhatsApp Manager.",
    ),
    entry(
        131049,
        "Not delivered to maintain healthy ecosystem engagement",
        MetaErrorClass::LimitMarketing,
        "Meta limits marketing messages to this recipient. Wait at least 24 hours.",
    ),
    entry(
        131050,
        "User stopped marketing messages",
        MetaErrorClass::OptOut,
        "This recipient has stopped marketing messages of this business.",
    ),
    entry(
        131055,
        "Method not allowed",
        MetaErrorClass::Permanent,
        "The Marketing Messages API accepts marketing templates only.",
    ),
    entry(
        131062,
        "Authentication messages need a phone number",
        MetaErrorClass::Permanent,
        "Send this template to a phone number instead of a user id.",
    ),
    entry(
        131063,
        "Marketing disabled on Cloud API",
        MetaErrorClass::Permanent,
        "Marketing templates of this WhatsApp Business Account must be sent with the Marketing Messages API.",
    ),
    entry(
        131064,
        "Messaging limit due to classification violations",
        MetaErrorClass::ThrottleSpam,
        "Meta limits this business because of wrongly classified templates. See WhatsApp Manager.",
    ),
    entry(
        134011,
        "WhatsApp Payments terms not accepted",
        MetaErrorClass::Permanent,
        "Accept the terms of WhatsApp Payments in WhatsApp Manager.",
    ),
    entry(
        134100,
        "Only marketing messages",
        MetaErrorClass::Permanent,
        "The Marketing Messages API accepts marketing templates only.",
    ),
    entry(
        134101,
        "Template syncing",
        MetaErrorClass::RetryLater,
        "Meta is still preparing the new template. Send the message again in ten minutes.",
    )
    .after(10 * MINUTE),
    entry(
        134102,
        "Template unavailable",
        MetaErrorClass::Permanent,
        "This template cannot be sent through the Marketing Messages API.",
    ),
    entry(
        137000,
        "Recipient identity key hash mismatch",
        MetaErrorClass::Permanent,
        "The recipient's identity has changed. Verify the identity before you send again.",
    ),
    // Throughput.
    entry(130429, "Rate limit hit", MetaErrorClass::ThrottleNumber, SLOWER),
    entry(
        131056,
        "Pair rate limit hit",
        MetaErrorClass::ThrottlePair,
        "Too many messages from this number to this recipient. Wait before the next message.",
    ),
    entry(131057, "Account in maintenance mode", MetaErrorClass::ThrottleNumber, LATER),
    entry(
        133016,
        "Register or deregister limit",
        MetaErrorClass::RetryLater,
        "Wait 72 hours before registering again.",
    )
    .after(72 * HOUR),
    entry(2_494_100, "Maintenance mode", MetaErrorClass::Retry, LATER),
    // Content.
    entry(131000, "Something went wrong", MetaErrorClass::Retry, LATER),
    entry(131008, "Required parameter is missing", MetaErrorClass::Permanent, SEE_DETAILS),
    entry(131009, "Parameter value is not valid", MetaErrorClass::Permanent, SEE_DETAILS),
    entry(131016, "Service unavailable", MetaErrorClass::Retry, LATER),
    entry(
        131051,
        "Unsupported message type",
        MetaErrorClass::Permanent,
        "Meta does not support this type of message.",
    ),
    entry(
        131052,
        "Media download error",
        MetaErrorClass::Permanent,
        "Upload the media again or check that the link is reachable.",
    ),
    entry(
        131053,
        "Media upload error",
        MetaErrorClass::Permanent,
        "Check the link, the type and the size of the file, and the certificate of the server.",
    ),
    entry(131059, "Invalid paging cursor", MetaErrorClass::Retry, LATER),
    entry(135000, "Generic user error", MetaErrorClass::Permanent, SEE_DETAILS),
    entry(
        1026,
        "Receiver incapable",
        MetaErrorClass::Permanent,
        "The recipient's WhatsApp version cannot show this type of message.",
    ),
    entry(
        2046,
        "Invalid order status transition",
        MetaErrorClass::Permanent,
        "The order cannot change from its present status to this status.",
    ),
    entry(
        2047,
        "Order cannot be canceled",
        MetaErrorClass::Permanent,
        "The order is paid or its payment is pending.",
    ),
    // Templates.
    entry(132000, "Template parameter count mismatch", MetaErrorClass::Permanent, TEMPLATE_FIX),
    entry(
        132001,
        "Template does not exist",
        MetaErrorClass::Permanent,
        "Check name and language, and that Meta has approved the template. Then synchronize the templates.",
    ),
    entry(132005, "Template hydrated text too long", MetaErrorClass::Permanent, "Shorten the parameters."),
    entry(132007, "Template format character policy violated", MetaErrorClass::Permanent, TEMPLATE_FIX),
    entry(132008, "Template parameter value issue", MetaErrorClass::Permanent, TEMPLATE_FIX),
    entry(132012, "Template parameter format mismatch", MetaErrorClass::Permanent, TEMPLATE_FIX),
    entry(132015, "Template is paused", MetaErrorClass::PauseTemplate, PAUSED_TEMPLATE),
    entry(
        132016,
        "Template is disabled",
        MetaErrorClass::PauseTemplate,
        "Meta has disabled the template because of its quality. Edit the template in WhatsApp Manager and appeal, or create a new template.",
    ),
    entry(132018, "Template parameter value not valid", MetaErrorClass::Permanent, TEMPLATE_FIX),
    entry(132068, "Flow is blocked", MetaErrorClass::Permanent, "Fix the flow in WhatsApp Manager."),
    entry(
        132069,
        "Flow is throttled",
        MetaErrorClass::RetryLater,
        "Ten messages with this flow were sent in the last hour. Wait an hour.",
    )
    .after(HOUR),
    entry(
        139000,
        "Flow blocked by integrity",
        MetaErrorClass::Permanent,
        "Fix the flow in WhatsApp Manager.",
    ),
    // Blocking of users.
    entry(139_102, "Block list changed during the call", MetaErrorClass::Retry, LATER),
    entry(139_103, "Block list internal error", MetaErrorClass::Retry, LATER),
    // Registration.
    entry(
        133000,
        "Incomplete deregistration",
        MetaErrorClass::Permanent,
        "Deregister the number again, then register it.",
    ),
    entry(133004, "Server temporarily unavailable", MetaErrorClass::Retry, LATER),
    entry(
        133005,
        "Two-step verification PIN mismatch",
        MetaErrorClass::Permanent,
        "Use the PIN of this phone number.",
    ),
    entry(133006, "Phone number must be verified first", MetaErrorClass::Permanent, "Verify the number."),
    entry(
        133008,
        "Too many PIN guesses",
        MetaErrorClass::RetryLater,
        "Wait for the time that `details` names.",
    )
    .after(HOUR),
    entry(
        133009,
        "PIN guessed too fast",
        MetaErrorClass::RetryLater,
        "Wait for the time that `details` names.",
    )
    .after(MINUTE),
    entry(
        133010,
        "Phone number not registered",
        MetaErrorClass::SuspendAccount,
        "Register the phone number with Meta (`POST /{phone_number_id}/register`).",
    ),
    entry(133015, "Phone number recently deleted", MetaErrorClass::RetryLater, "Wait five minutes.")
        .after(5 * MINUTE),
    entry(136024, "Code refused", MetaErrorClass::RetryLater, "Wait before you request another code.")
        .after(HOUR),
];

/// Meta's subcode of code 100 for an object that does not exist or that the access token cannot see.
const MISSING_OBJECT: i64 = 33;

/// Entry of code 100 with [`MISSING_OBJECT`] as the response to a send: the object is the phone number.
const MISSING_NUMBER: MetaErrorEntry =
    entry(100, "Phone number not visible", MetaErrorClass::SuspendAccount, NUMBER_NOT_VISIBLE);

/// Returns the entry of a code. An unknown code is [`MetaErrorClass::Permanent`]; 200 to 299 are one family.
pub fn lookup(code: i64) -> MetaErrorEntry {
    let code = if (200..=299).contains(&code) { 200 } else { code };
    TABLE.iter().find(|entry| entry.code == code).copied().unwrap_or(MetaErrorEntry {
        code,
        title: "Unknown error",
        class: MetaErrorClass::Permanent,
        advice: SEE_DETAILS,
        wait: None,
    })
}

impl MetaError {
    /// Returns the entry of the code.
    pub fn entry(&self) -> MetaErrorEntry {
        lookup(self.code)
    }

    /// Returns the entry of the error as the response to a send, or as the error of a failed message.
    pub fn send_entry(&self) -> MetaErrorEntry {
        if self.is_missing_object() { MISSING_NUMBER } else { self.entry() }
    }

    /// Returns the class of the error as the response to a send, or as the error of a failed message.
    pub fn class(&self) -> MetaErrorClass {
        self.send_entry().class
    }

    /// Returns the class of the error as the response to a call that is not a send.
    ///
    /// Meta grants permissions for messages and for management separately. A refused permission concerns this call
    /// only.
    pub fn call_class(&self) -> MetaErrorClass {
        if self.is_permission_error() { MetaErrorClass::Permanent } else { self.entry().class }
    }

    /// Returns the seconds to wait before the same call: as the response says, or as Meta documents for the code.
    pub fn wait(&self) -> Option<u32> {
        self.retry_after.or(self.entry().wait)
    }

    /// Returns `true` if Meta rejects the access token: a new token may fix it.
    pub fn is_token_error(&self) -> bool {
        matches!(self.code, 0 | 102 | 104 | 190)
    }

    /// Returns `true` if the access token lacks a permission. Meta reports objects that a token may not read as
    /// missing.
    pub fn is_permission_error(&self) -> bool {
        matches!(self.code, 3 | 10 | 33 | 200..=299 | 803 | 131_005) || self.is_missing_object()
    }

    fn is_missing_object(&self) -> bool {
        self.code == 100 && self.subcode == Some(MISSING_OBJECT)
    }

    /// Returns `true` if Meta may have accepted the message in spite of the error: codes 1 and 2 with an HTTP status
    /// of 5xx.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.code, 1 | 2) && self.http_status.is_some_and(|status| status >= 500)
    }
}

#[cfg(test)]
mod tests;
