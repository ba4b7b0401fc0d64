//! Carousels outside of templates.

use std::collections::BTreeSet;

use crate::content::Content;
use crate::content::interactive::{cta_url, header_media};
use crate::error::{Checked, GraphError};
use crate::validate::{Pointed, PointedObject};

pub(crate) fn check(action: &Pointed<'_>, content: &mut Content) -> Checked<()> {
    let action = action.object(&["cards"])?;
    let mut indexes = BTreeSet::new();
    let mut shape: Option<(String, String)> = None;
    for card in action.need("cards")?.list_of("Cards", 2, 10)? {
        let card = card.object(&["card_index", "type", "header", "body", "action"])?;
        let index = card.need("card_index")?.integer()?;
        if !(0..10).contains(&index) || !indexes.insert(index) {
            return Err(GraphError::invalid("Card indexes must be unique and between 0 and 9"));
        }
        let kind = card.need("type")?.one_of(&["cta_url", "product", "quick_reply", "button"])?;
        // All cards have the same header type, or the same catalog.
        let likeness = if kind == "product" { product(&card)? } else { media(&card, kind, content)? };
        let this = (kind.to_owned(), likeness);
        if shape.get_or_insert_with(|| this.clone()) != &this {
            return Err(GraphError::invalid(
                "All cards must have the same type, header type and catalog as the first",
            ));
        }
    }
    Ok(())
}

fn product(card: &PointedObject<'_>) -> Checked<String> {
    let action = card.need("action")?.object(&["product_retailer_id", "catalog_id"])?;
    action.need("product_retailer_id")?.text_of("Product retailer id", 1, 256)?;
    Ok(action.need("catalog_id")?.text_of("Catalog id", 1, 64)?.to_owned())
}

fn media(card: &PointedObject<'_>, kind: &str, content: &mut Content) -> Checked<String> {
    let header = card.need("header")?.object(&["type", "image", "video"])?;
    let header_kind = header.need("type")?.one_of(&["image", "video"])?;
    header_media(&header.need(header_kind)?, header_kind, content)?;
    if let Some(body) = card.get("body") {
        let text = body.object(&["text"])?.need("text")?.text_of("Card body text", 0, 160)?;
        if text.matches('\n').count() > 2 {
            return Err(GraphError::invalid("Card body text must not have more than two line breaks"));
        }
    }
    let action = card.need("action")?;
    if kind == "cta_url" {
        cta_url(&action)?;
    } else {
        quick_replies(&action)?;
    }
    Ok(header_kind.to_owned())
}

fn quick_replies(action: &Pointed<'_>) -> Checked<()> {
    let action = action.object(&["buttons"])?;
    for button in action.need("buttons")?.list_of("Buttons", 1, 2)? {
        let button = button.object(&["type", "reply", "quick_reply"])?;
        button.need("type")?.one_of(&["reply", "quick_reply"])?;
        let reply = match button.get("reply") {
            Some(reply) => reply,
            None => button.need("quick_reply")?,
        };
        let reply = reply.object(&["id", "title"])?;
        reply.need("id")?.text_of("Button id", 1, 256)?;
        reply.need("title")?.text_of("Button title", 1, 20)?;
    }
    Ok(())
}
