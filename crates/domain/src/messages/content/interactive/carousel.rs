//! Carousels without a template (Meta: Interactive media carousel messages,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/messages/interactive-media-carousel-messages>).

use super::parts::{IMAGE_HEADER, Unique, VIDEO_HEADER, check_header_value, check_product, check_url};
use crate::check::{Fields, Item, Variant};

pub(crate) fn check(action: &Fields<'_, '_>) {
    let cards = action
        .required("cards")
        .about("Cards of one kind: all of products of one catalog, or all of one type of media.");
    let Some(cards) = cards.array(2..=10) else { return };
    let mut alike = Alike::default();
    let mut indexes = 0_u16;
    for card in cards.iter() {
        let Some(card) = card.object() else { continue };
        let index = card.required("card_index");
        if let Some(number) = index.integer(0..=9).and_then(|number| u32::try_from(number).ok()) {
            let bit = 1_u16.checked_shl(number).unwrap_or_default();
            if indexes & bit != 0 {
                index.refuse("another card has the same index");
            }
            indexes |= bit;
        }
        // Since 2026, media cards may have quick replies. The `type` of such a card is not documented, so both are
        // accepted.
        card.variants("type", &CARDS, |card, _, is_product| {
            let kind = card.required("type");
            if is_product {
                alike.is("product cards", &kind);
                check_product_card(card, &mut alike);
            } else {
                alike.is("media cards", &kind);
                check_media_card(card, &mut alike);
            }
        });
    }
}

/// Kinds of cards, with `true` for those of products.
const CARDS: [Variant<bool>; 3] =
    [("cta_url", "MediaCard", false), ("product", "ProductCard", true), ("quick_reply", "MediaCard", false)];

/// Properties that all cards share with the first.
#[derive(Default)]
struct Alike<'a> {
    cards: Option<&'static str>,
    header: Option<&'static str>,
    catalog: Option<&'a str>,
}

impl Alike<'_> {
    fn is(&mut self, cards: &'static str, kind: &Item<'_, '_>) {
        let first = *self.cards.get_or_insert(cards);
        if first != cards {
            kind.refuse(format!("must be like the first card: all are {first}"));
        }
    }
}

fn check_product_card<'a>(card: &Fields<'a, '_>, alike: &mut Alike<'a>) {
    let Some(action) = card.required("action").object() else { return };
    check_product(&action);
    let catalog = action.optional("catalog_id");
    if let Some(id) = catalog.value().and_then(|id| id.as_str())
        && *alike.catalog.get_or_insert(id) != id
    {
        catalog.refuse("must be the same catalog on all cards");
    }
    action.finish();
}

fn check_media_card(card: &Fields<'_, '_>, alike: &mut Alike<'_>) {
    if let Some(header) = card.required("header").object() {
        header.variants("type", &[IMAGE_HEADER, VIDEO_HEADER], |header, word, ()| {
            let first = *alike.header.get_or_insert(word);
            if first != word {
                header.required("type").refuse(format!("must be `{first}`, as on the first card"));
            }
            check_header_value(header, word);
        });
    }
    if let Some(body) = card.optional("body").object() {
        let text = body.required("text").about("Text, with at most 2 line breaks.");
        if let Some(words) = text.string(1..=160) {
            let n_breaks = words.matches('\n').count();
            if n_breaks > 2 {
                text.refuse(format!("must have at most 2 line breaks, has {n_breaks}"));
            }
        }
        body.finish();
    }
    card.required("action").either(
        |action| action.get("buttons").is_some(),
        |action| {
            if let Some(action) = action.object() {
                check_quick_replies(&action);
                action.finish_open();
            }
        },
        |action| {
            if let Some(action) = action.object() {
                action.required("name").one_of(&["cta_url"]);
                check_url(action.required("parameters"));
                action.finish();
            }
        },
    );
}

/// Checks only rules that hold for every documented form.
fn check_quick_replies(action: &Fields<'_, '_>) {
    let Some(buttons) = action.optional("buttons").array(1..=10) else { return };
    let mut ids = Unique::new("another button of this card has the same id");
    for button in buttons.iter() {
        let Some(button) = button.object() else { continue };
        if let Some(reply) = button.optional("quick_reply").object() {
            let id = reply.required("id");
            if let Some(text) = id.string(1..=256) {
                ids.check(text, &id);
            }
            reply.required("title").string(1..=20);
            reply.finish_open();
        }
        button.finish_open();
    }
}
