//! Properties of new templates besides their components.

use crate::check::{Fields, Item};
use crate::json::Object;
use crate::templates::template::TemplateCategory;

/// Maximum length of a name.
pub(super) const MAX_NAME: usize = 512;

/// Maximum time for which Meta tries to deliver a message, in seconds.
const MAX_TTL: i64 = 2_592_000;
/// Documentation of `message_send_ttl_seconds`.
const TTL: &str = "Seconds for which Meta tries to deliver a message: 30 to 900 for authentication templates, 30 to 43,200 \
                   for utility templates, 43,200 to 2,592,000 for marketing templates. -1: Meta's default.";

const CATEGORIES: [&str; 3] = ["AUTHENTICATION", "MARKETING", "UTILITY"];

pub(super) fn category(item: &Item<'_, '_>) -> Option<TemplateCategory> {
    item.one_of_any_case(&CATEGORIES).map(TemplateCategory::parse)
}

pub(super) fn read_name(item: &Item<'_, '_>) -> Option<String> {
    let text = item.pattern("^[a-z0-9_]{1,512}$").string(1..=MAX_NAME)?;
    let is_name = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_name {
        item.refuse("must consist of lower-case letters, digits and underscores");
    }
    is_name.then(|| text.to_owned())
}

/// Reads the further settings.
pub(super) fn read_extras(fields: &Fields<'_, '_>, category: Option<&TemplateCategory>) -> Object {
    let mut extras = Object::new();
    read_ttl(fields, category, &mut extras);
    if let Some(name) = fields.optional("sub_category").about("Meta's sub-category.").string(1..=60) {
        extras.insert("sub_category", name.to_ascii_uppercase());
    }
    let tracking = fields.optional("cta_url_link_tracking_opted_out");
    if let Some(is_off) = tracking.about("`true`: Meta does not track clicks on URL buttons.").boolean() {
        extras.insert("cta_url_link_tracking_opted_out", is_off);
    }
    // Meta ignores this field and may correct the category of any template.
    let ignored = fields.optional("allow_category_change");
    let _ignored = ignored.about("Accepted for compatibility with the Cloud API. Has no effect.").boolean();
    extras
}

/// Reads the time for which Meta tries to deliver; its bounds depend on the category.
pub(super) fn read_ttl(fields: &Fields<'_, '_>, category: Option<&TemplateCategory>, extras: &mut Object) {
    let item = fields.optional("message_send_ttl_seconds").about(TTL);
    let item = item.keyword("minimum", -1).keyword("maximum", MAX_TTL);
    let Some(seconds) = item.integer(..) else { return };
    let (least, most) = match category {
        Some(TemplateCategory::Authentication) => (30, 900),
        Some(TemplateCategory::Utility) => (30, 43_200),
        Some(TemplateCategory::Marketing | TemplateCategory::Other(_)) => (43_200, MAX_TTL),
        None => return,
    };
    if seconds == -1 || (least..=most).contains(&seconds) {
        extras.insert("message_send_ttl_seconds", seconds);
    } else {
        item.refuse(format!("must be -1 or {least} to {most}, is {seconds}"));
    }
}
