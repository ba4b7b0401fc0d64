//! Text, location, contacts and reaction.

use jiff::civil::Date;

use crate::check::{Fields, Item};
use crate::json::{Object, Value};

/// Checks a text message.
pub(crate) fn check_text(item: Item<'_, '_>) {
    item.shared("Text", |item| {
        item.about("The text, or Meta's text object.").string_or(
            |text| {
                text.string(BODY);
            },
            check_text_object,
        );
    });
}

/// Length of a text, in characters.
const BODY: std::ops::RangeInclusive<usize> = 1..=4096;

fn check_text_object(item: Item<'_, '_>) {
    let Some(text) = item.object() else { return };
    text.required("body")
        .about("The text. WhatsApp formats *bold*, _italic_, ~strikethrough~ and ```monospace```.")
        .string(BODY);
    text.optional("preview_url").about("`true`: WhatsApp shows a preview of the first link.").boolean();
    text.finish();
}

pub(crate) fn normalize_text(value: &mut Value) {
    if let Value::String(body) = value {
        let body = std::mem::take(body);
        let mut object = Object::new();
        object.insert("body", body);
        *value = object.into();
    }
}

/// Checks a location, in a message or in a header parameter of a template.
pub(crate) fn check_location(item: Item<'_, '_>) {
    item.shared("Location", |item| {
        let Some(location) = item.object() else { return };
        location.about("Location on the map.");
        location.required("latitude").about("Degrees north.").number_or_text(-90.0..=90.0);
        location.required("longitude").about("Degrees east.").number_or_text(-180.0..=180.0);
        location.optional("name").about("Name of the location.").string(..);
        location.optional("address").about("Address of the location.").string(..);
        location.finish();
    });
}

/// Checks contacts. One page of Meta allows five contacts, the others allow 257.
pub(crate) fn check_contacts(item: Item<'_, '_>) {
    let Some(contacts) = item.array(1..=257) else { return };
    for contact in contacts.iter() {
        contact.shared("ContactCard", check_contact);
    }
}

fn check_contact(item: Item<'_, '_>) {
    const ADDRESS: [&str; 7] = ["street", "city", "state", "zip", "country", "country_code", "type"];
    let Some(contact) = item.object() else { return };
    contact.about("Contact card.");
    if let Some(name) = contact.required("name").object() {
        check_name(name);
    }
    each(&contact, "phones", "ContactCardPhone", &["phone", "type", "wa_id"]);
    each(&contact, "emails", "ContactCardEmail", &["email", "type"]);
    each(&contact, "addresses", "ContactCardAddress", &ADDRESS);
    each(&contact, "urls", "ContactCardUrl", &["url", "type"]);
    if let Some(org) = contact.optional("org").object() {
        strings(org, &["company", "department", "title"]);
    }
    contact
        .optional("birthday")
        .about("Date of birth, written YYYY-MM-DD.")
        .format("date")
        .string_that(is_date, "must be a date written YYYY-MM-DD");
    contact.finish();
}

fn check_name(name: Fields<'_, '_>) {
    const PARTS: [&str; 5] = ["first_name", "last_name", "middle_name", "prefix", "suffix"];
    name.describe_at_least_one(&PARTS);
    name.required("formatted_name").about("Full name, as it is shown.").string(1..);
    let mut has_part = false;
    for part in PARTS {
        has_part |= name.optional(part).string(..).is_some_and(|text| !text.is_empty());
    }
    if !has_part {
        // Meta accepts a formatted name only together with another part, although its documentation calls all parts
        // optional.
        name.refuse(
            "needs one of `first_name`, `last_name`, `middle_name`, `prefix` or `suffix` besides `formatted_name`",
        );
    }
    name.finish();
}

/// Checks an optional array of objects with optional strings; `schema` is the name of their schema.
fn each(fields: &Fields<'_, '_>, name: &'static str, schema: &str, names: &[&'static str]) {
    let Some(items) = fields.optional(name).array(..) else { return };
    for item in items.iter() {
        item.shared(schema, |item| {
            if let Some(object) = item.object() {
                strings(object, names);
            }
        });
    }
}

/// Checks an object with optional strings.
pub(crate) fn strings(object: Fields<'_, '_>, names: &[&'static str]) {
    for name in names {
        object.optional(name).string(..);
    }
    object.finish();
}

fn is_date(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| {
        text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<i16>().ok()
    };
    let date = || {
        let month = i8::try_from(number(5..7)?).ok()?;
        let day = i8::try_from(number(8..10)?).ok()?;
        Date::new(number(0..4)?, month, day).ok()
    };
    text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-") && date().is_some()
}

/// Checks a reaction.
pub(crate) fn check_reaction(item: Item<'_, '_>) {
    item.shared("Reaction", |item| {
        let Some(reaction) = item.object() else { return };
        reaction.about("Emoji reaction to a message.");
        reaction.required("message_id").about("Meta's ID of the message.").string(1..);
        reaction
            .required("emoji")
            .about("One emoji. An empty string removes the reaction.")
            .keyword("maxLength", 64)
            .string_that(
                |text| text.is_empty() || is_emoji(text),
                "must be one emoji, or an empty string, which takes the reaction back",
            );
        reaction.finish();
    });
}

/// Returns `true` if the text has the form of one emoji. New emojis appear every year, so the form is checked instead
/// of a table: a pictograph with modifiers or joined pictographs, a pair of regional indicators, or a key cap.
fn is_emoji(text: &str) -> bool {
    /// The longest emojis are families and couples with skin tones, joined from ten characters.
    const MAX_BYTES: usize = 64;
    let mut n_starts = 0;
    let mut is_joined = false;
    let mut has_open_flag = false;
    let is_key_cap = text.ends_with('\u{20e3}');
    for character in text.chars() {
        let is_regional = matches!(character, '\u{1f1e6}'..='\u{1f1ff}');
        match character {
            '\u{200d}' => {
                is_joined = true;
                continue;
            }
            // Variation selectors, key cap, skin tones, tags.
            '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}' => {
                if n_starts == 0 {
                    return false;
                }
            }
            '0'..='9' | '#' | '*' if is_key_cap => n_starts += 1,
            _ if is_regional && has_open_flag => has_open_flag = false,
            _ if is_pictograph(character) => {
                n_starts += usize::from(!is_joined);
                has_open_flag = is_regional;
            }
            _ => return false,
        }
        is_joined = false;
    }
    n_starts == 1 && text.len() <= MAX_BYTES
}

/// Returns `true` if a character can begin an emoji: a symbol that is no letter, digit, whitespace or ASCII character.
fn is_pictograph(character: char) -> bool {
    match character {
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' => true,
        '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' => true,
        _ => {
            matches!(character, '\u{2100}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' | '\u{1fb00}'..='\u{1ffff}')
        }
    }
}
