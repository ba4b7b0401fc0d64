//! Parts that several types of interactive messages have.

use crate::check::{Fields, Item};
use crate::messages::content::media::{self, MediaShape};

/// Checks the member of a header that its `type` names.
pub(super) fn check_header_value(header: &Fields<'_, '_>, kind: &'static str) {
    let value = header.required(kind);
    match kind {
        "text" => {
            value.string(1..=60);
        }
        "document" => media::check(value, MediaShape::BareDocument),
        _ => media::check(value, MediaShape::Bare),
    }
}

/// Checks `display_text` and `url` of a button that opens a page.
pub(super) fn check_url(item: Item<'_, '_>) {
    let Some(parameters) = item.object() else { return };
    parameters.required("display_text").string(1..=20);
    parameters.required("url").http_url();
    parameters.finish();
}

/// Checks the product of a single-product message or card.
pub(super) fn check_product(action: &Fields<'_, '_>) {
    action.required("catalog_id").string(1..);
    action.required("product_retailer_id").string(1..);
}

/// Texts that must differ from each other. There are at most ten, so they are compared one by one.
pub(super) struct Unique<'a> {
    seen: Vec<&'a str>,
    reason: &'static str,
}

impl<'a> Unique<'a> {
    pub(super) const fn new(reason: &'static str) -> Self {
        Self { seen: Vec::new(), reason }
    }

    pub(super) fn check(&mut self, text: &'a str, item: &Item<'_, '_>) {
        if self.seen.contains(&text) {
            item.refuse(self.reason);
        }
        self.seen.push(text);
    }
}
