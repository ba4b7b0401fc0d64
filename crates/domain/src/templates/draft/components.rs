//! Components of new templates.

use super::component;
use super::rules::Rules;
use crate::check::{Item, Items};
use crate::json::Value;
use crate::templates::template::TemplateCategory;
use crate::templates::text::ParameterFormat;

/// Maximum number of components.
const MAX_COMPONENTS: usize = 10;

/// Reads components into Meta's form. Without a category, only rules that hold for every category are checked.
pub(super) fn read_components(
    item: &Item<'_, '_>,
    category: Option<&TemplateCategory>,
    format: ParameterFormat,
) -> Option<Value> {
    let item = item.about("Components in Meta's format, at most one of each type. A `BODY` is required.");
    let items = item.array(1..=MAX_COMPONENTS)?;
    let kinds = kinds_of(&items);
    let has = |kind: &str| kinds.contains(&kind);
    let category = category.unwrap_or(&TemplateCategory::Utility);
    let rules = Rules { category, format, has_offer: has("LIMITED_TIME_OFFER"), is_card: false };
    if !items.is_empty() && !has("BODY") {
        item.refuse("must hold a component of type BODY");
    }
    if !items.is_empty() && rules.is_code() && !has("BUTTONS") {
        item.refuse("must hold BUTTONS with one OTP button: this is an authentication template");
    }
    let mut read = Vec::new();
    for (index, component) in items.iter().enumerate() {
        let kind = kinds.get(index).copied().unwrap_or_default();
        if !kind.is_empty() && kinds.iter().take(index).any(|other| *other == kind) {
            component.refuse(format!("is the second component of type {kind}: there may be one"));
        }
        read.extend(
            component.shared("NewTemplateComponent", |item| component::read(&rules, &item)).flatten(),
        );
    }
    Some(Value::Array(read))
}

/// Returns the types of the components, without a check.
fn kinds_of(items: &Items<'_, '_>) -> Vec<&'static str> {
    let kind = |item: &Item<'_, '_>| {
        let word = item.value()?.get("type")?.as_str()?;
        component::KINDS.iter().copied().find(|kind| kind.eq_ignore_ascii_case(word))
    };
    items.iter().map(|item| kind(&item).unwrap_or_default()).collect()
}
