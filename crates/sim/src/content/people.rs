//! Contact cards.

use crate::error::{Checked, GraphError};
use crate::validate::Pointed;

/// The most cards in one message.
const MOST: usize = 257;

pub(crate) fn check(at: &Pointed<'_>) -> Checked<()> {
    for card in at.list_of("Contacts", 1, MOST)? {
        let card = card.object(&[
            "name",
            "phones",
            "emails",
            "addresses",
            "urls",
            "org",
            "birthday",
            "vcard",
            "origin",
        ])?;
        name(&card.need("name")?)?;
        for (list, keys) in [
            ("phones", &["phone", "type", "wa_id"][..]),
            ("emails", &["email", "type"][..]),
            ("addresses", &["street", "city", "state", "zip", "country", "country_code", "type"][..]),
            ("urls", &["url", "type"][..]),
        ] {
            for item in card.get(list).map(|at| at.list()).transpose()?.unwrap_or_default() {
                let item = item.object(keys)?;
                for key in keys {
                    item.text(key)?;
                }
            }
        }
        if let Some(org) = card.get("org") {
            let org = org.object(&["company", "department", "title"])?;
            for key in ["company", "department", "title"] {
                org.text(key)?;
            }
        }
        if let Some(birthday) = card.get("birthday")
            && birthday.text()?.parse::<jiff::civil::Date>().is_err()
        {
            return Err(GraphError::invalid("Contact birthday must have the form YYYY-MM-DD"));
        }
    }
    Ok(())
}

fn name(at: &Pointed<'_>) -> Checked<()> {
    let parts = ["first_name", "last_name", "middle_name", "prefix", "suffix"];
    let name =
        at.object(&["formatted_name", "first_name", "last_name", "middle_name", "prefix", "suffix"])?;
    name.need("formatted_name")?.text_of("Contact formatted name", 1, 1024)?;
    let mut has_part = false;
    for part in parts {
        has_part |= name.text(part)?.is_some_and(|text| !text.is_empty());
    }
    if !has_part {
        return Err(GraphError::missing(&format!(
            "{}: at least one of {} besides formatted_name",
            at.path,
            parts.join(", ")
        )));
    }
    Ok(())
}
