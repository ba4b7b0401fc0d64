//! What messages say, type by type. The limits are Meta's, as `domain::messages::content` checks them.

use crate::api::openapi::schema::{
    Schema, any_of, at_least_one, body, boolean, degrees, exactly_one, format, list, may, named, need,
    pattern, text,
};

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("Text", words()),
        ("Image", captioned("A picture: JPEG or PNG, at most 5 MB.")),
        ("Video", captioned("A video: MP4 or 3GPP, at most 16 MB.")),
        ("Document", document()),
        ("Audio", audio()),
        ("Sticker", medium([]).about("A sticker: WebP, at most 100 kB, 500 kB if it moves.")),
        ("HeaderMedia", medium([]).about("A picture or video in a header.")),
        ("HeaderDocument", medium([may("filename", text(1..))]).about("A file in a header.")),
        ("Location", location()),
        ("AddressCard", address_card()),
        ("Reaction", reaction()),
    ]
}

fn words() -> Schema {
    let object = body([
        need(
            "body",
            text(1..=4096).about("The words. *bold*, _italic_, ~struck~ and ```code``` as in WhatsApp."),
        ),
        may("preview_url", boolean().about("Show a preview of the first link.")),
    ]);
    any_of([text(1..=4096), object]).about("The words, or Meta's object.")
}

/// A medium with further fields.
fn medium<const N: usize>(further: [crate::api::openapi::schema::Field; N]) -> Schema {
    let id = pattern(r"^\S+$").about("Meta's media id, or the id of a file of `POST /api/media`.");
    let link = || format("uri").set("pattern", "^[hH][tT][tT][pP][sS]?://");
    let fields = [
        may("id", id),
        may("link", link().about("Where the file is fetched.")),
        may("url", link().about("The same as `link`.")),
    ];
    exactly_one(body(fields.into_iter().chain(further)), &["id", "link", "url"])
}

fn captioned(about: &str) -> Schema {
    medium([may("caption", text(..=1024))]).about(about)
}

fn document() -> Schema {
    medium([may("caption", text(..=1024)), may("filename", text(1..))]).about("A file, at most 100 MB.")
}

fn audio() -> Schema {
    let voice = boolean().about("Shown as a voice note; OGG with Opus only.");
    medium([may("voice", voice)]).about("A sound: AAC, M4A, MP3, AMR or OGG, at most 16 MB.")
}

fn location() -> Schema {
    body([
        need("latitude", degrees(90)),
        need("longitude", degrees(180)),
        may("name", text(..)),
        may("address", text(..)),
    ])
    .about("A place on the map.")
}

fn address_card() -> Schema {
    let texts = |names: &[&'static str]| body(names.iter().map(|name| may(name, text(..))));
    let name_parts = ["first_name", "last_name", "middle_name", "prefix", "suffix"];
    let name = body(
        [need("formatted_name", text(1..))]
            .into_iter()
            .chain(name_parts.into_iter().map(|part| may(part, text(..)))),
    );
    let address = ["street", "city", "state", "zip", "country", "country_code", "type"];
    body([
        need("name", at_least_one(name, &name_parts).about("`formatted_name` and at least one part of it.")),
        may("phones", list(texts(&["phone", "type", "wa_id"]), ..)),
        may("emails", list(texts(&["email", "type"]), ..)),
        may("addresses", list(texts(&address), ..)),
        may("urls", list(texts(&["url", "type"]), ..)),
        may("org", texts(&["company", "department", "title"])),
        may("birthday", format("date")),
    ])
}

fn reaction() -> Schema {
    body([
        need("message_id", text(1..).about("Meta's id of the message.")),
        need("emoji", text(..=64).about("One emoji; an empty text takes the reaction back.")),
    ])
}

/// A file in a header that may be a picture, a video or a file.
pub(crate) fn header_value(kind: &str) -> Schema {
    match kind {
        "text" => text(1..=60),
        "document" => named("HeaderDocument"),
        _ => named("HeaderMedia"),
    }
}
