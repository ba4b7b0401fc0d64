//! Marketing preferences and new user ids: fields `user_preferences` and `user_id_update`.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::webhooks_in::update::{MarketingPreference, NumberChange, WebhookUpdate};

use super::fields::ElementFields;
use super::fields::owned;
use super::user::ContactIndex;
use crate::json_reader::Json;

/// Decodes a marketing preference.
pub(super) fn decode(element: Json<'_>, contacts: &ContactIndex<'_>) -> Result<WebhookUpdate, String> {
    let fields = ElementFields::read(element);
    if fields.scalar("category").is_some_and(|category| !category.eq_ignore_ascii_case("marketing_messages"))
    {
        return Ok(WebhookUpdate::Other);
    }
    let value = fields.required("value")?.to_ascii_lowercase();
    let takes_marketing = match value.as_str() {
        "stop" => false,
        "resume" | "signup" => true,
        _ => return Ok(WebhookUpdate::Other),
    };
    let from = contacts.user(fields.scalar("wa_id"), fields.scalar("user_id"));
    if from.wa_id.is_none() && from.user_id.is_none() {
        return Err("it has neither `wa_id` nor `user_id`".to_owned());
    }
    Ok(WebhookUpdate::MarketingPreference(MarketingPreference {
        from,
        takes_marketing,
        at: fields.time("timestamp")?,
    }))
}

/// Decodes a new user id: `{"wa_id", "user_id": {"previous", "current"}, "timestamp"}`.
pub(super) fn decode_user_id_update(
    element: Json<'_>,
    contacts: &ContactIndex<'_>,
) -> Result<WebhookUpdate, String> {
    let fields = ElementFields::read(element);
    let ids =
        fields.get("user_id").filter(|ids| ids.is_object()).ok_or("it has no `user_id` with two ids")?;
    let id = |name| ids.get(name).and_then(Json::scalar);
    let current = id("current").ok_or("its `user_id` has no `current`")?;
    let previous = id("previous");
    let from = contacts.user(fields.scalar("wa_id"), previous);
    // The contacts beside the update describe the user after the change.
    let user_id = from.user_id.filter(|user_id| *user_id != current);
    if from.wa_id.is_none() && user_id.is_none() {
        return Err("it has neither `wa_id` nor `previous`".to_owned());
    }
    let to = WhatsAppUser { user_id: owned(Some(current)), ..WhatsAppUser::default() };
    Ok(WebhookUpdate::NumberChange(NumberChange {
        from: WhatsAppUser { user_id, ..from },
        to,
        at: fields.time("timestamp")?,
    }))
}
