//! Updates about an account, a phone number or a whole WhatsApp Business Account.
//!
//! **Invariant:** an unknown value changes nothing; it is only reported in an event.

use domain::accounts::account::AccountChange;
use domain::accounts::suspension::{SuspensionCause, SuspensionChange};
use domain::webhooks_in::update::{AccountUpdate, WebhookUpdate};

use super::fields::ElementFields;
use super::fields::owned;
use crate::json_reader::Json;
use crate::value;

/// Webhook fields about accounts.
pub(super) const FIELDS: [&str; 14] = [
    "account_update",
    "account_review_update",
    "account_alerts",
    "account_settings_update",
    "business_capability_update",
    "business_username_updates",
    "flows",
    "partner_solutions",
    "payment_configuration_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "phone_number_username_update",
    "security",
    "template_correct_category_detection",
];

pub(super) fn decode(field: &str, value: Json<'_>) -> WebhookUpdate {
    let fields = ElementFields::read(value);
    let number = fields.scalar("display_phone_number").or_else(|| fields.scalar("phone_number"));
    let number: Option<String> = number.map(|number| number.chars().filter(char::is_ascii_digit).collect());
    let number = number.filter(|digits| !digits.is_empty());
    let notice = AccountUpdate::notice(number, value::read(value));
    WebhookUpdate::Account(match field {
        "account_update" => account(&fields, notice),
        "business_capability_update" => {
            AccountUpdate { change: AccountChange::MessagingLimit, tier: tier(&fields), ..notice }
        }
        "phone_number_quality_update" => quality(&fields, notice),
        "phone_number_name_update" => AccountUpdate {
            change: AccountChange::Name,
            name: owned(fields.scalar("requested_verified_name"))
                .filter(|_| fields.upper("decision").as_deref() == Some("APPROVED")),
            ..notice
        },
        _ => notice,
    })
}

/// An error without a message: it concerns the phone number of the change.
pub(super) fn error(element: Json<'_>) -> WebhookUpdate {
    WebhookUpdate::Account(AccountUpdate::notice(None, value::read(element)))
}

/// Returns the WhatsApp Business Account that a partner's update concerns; the entry names the partner's business.
pub(super) fn waba_of(value: Json<'_>) -> Option<String> {
    owned(value.get("waba_info")?.get("waba_id")?.scalar())
}

fn account(fields: &ElementFields<'_>, notice: AccountUpdate) -> AccountUpdate {
    use SuspensionCause::{AppRemoved, Disabled};
    let ban = || Some(fields.get("ban_info")?.get("waba_ban_state")?.scalar()?.to_ascii_uppercase());
    let event = fields.upper("event").unwrap_or_default();
    let hold = match event.as_str() {
        "DISABLED_UPDATE" => match ban().as_deref() {
            Some("DISABLE") => Some(SuspensionChange::Suspend(
                Disabled,
                "Meta has disabled the WhatsApp Business Account. Appeal in the WhatsApp Manager.",
            )),
            Some("REINSTATE") => Some(SuspensionChange::Resume(Disabled)),
            Some(_) | None => None,
        },
        "ACCOUNT_DELETED" => {
            Some(SuspensionChange::Suspend(Disabled, "The WhatsApp Business Account was deleted at Meta."))
        }
        "PARTNER_REMOVED" | "PARTNER_APP_UNINSTALLED" | "ACCOUNT_OFFBOARDED" => {
            Some(SuspensionChange::Suspend(
                AppRemoved,
                "The app was taken off the WhatsApp Business Account. Connect it again at Meta.",
            ))
        }
        "PARTNER_ADDED" | "PARTNER_APP_INSTALLED" | "ACCOUNT_RECONNECTED" => {
            Some(SuspensionChange::Resume(AppRemoved))
        }
        _ => None,
    };
    let change = if hold.is_some() { AccountChange::Status } else { AccountChange::Notice };
    AccountUpdate { change, hold, ..notice }
}

fn quality(fields: &ElementFields<'_>, notice: AccountUpdate) -> AccountUpdate {
    let event = fields.upper("event").unwrap_or_default();
    let (change, quality) = match event.as_str() {
        // Meta flags a number whose quality is low and unflags it later; the update does not include the quality.
        "FLAGGED" => (AccountChange::Quality, Some("RED")),
        "UNFLAGGED" => (AccountChange::Quality, Some("UNKNOWN")),
        "THROUGHPUT_UPGRADE" => (AccountChange::Throughput, None),
        "UPGRADE" | "DOWNGRADE" | "ONBOARDING" => (AccountChange::MessagingLimit, None),
        _ => (AccountChange::Notice, None),
    };
    AccountUpdate { change, quality: quality.map(str::to_owned), tier: tier(fields), ..notice }
}

/// Returns the messaging limit: of the business, which Meta applies today; else of the phone number.
fn tier(fields: &ElementFields<'_>) -> Option<String> {
    const NAMES: [&str; 3] =
        ["max_daily_conversations_per_business", "max_daily_conversation_per_phone", "current_limit"];
    NAMES.into_iter().find_map(|name| tier_of(&fields.upper(name)?))
}

/// Returns `TIER_2K` unchanged, or a number of recipients: Meta sends both forms.
fn tier_of(limit: &str) -> Option<String> {
    if limit.starts_with("TIER_") && limit != "TIER_NOT_SET" {
        return Some(limit.to_owned());
    }
    match limit.parse::<i64>().ok()? {
        ..0 => Some("TIER_UNLIMITED".to_owned()),
        0 => None,
        contacts @ 1.. if contacts % 1000 == 0 => Some(format!("TIER_{}K", contacts / 1000)),
        contacts @ 1.. => Some(format!("TIER_{contacts}")),
    }
}
