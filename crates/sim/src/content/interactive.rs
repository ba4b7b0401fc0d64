//! Interactive messages.

use std::collections::BTreeSet;

use crate::content::{Content, MediaKind, carousel, payments, source};
use crate::error::{Checked, GraphError};
use crate::validate::{Pointed, PointedObject, not_one_of};

/// Parts of an interactive type.
struct Parts {
    name: &'static str,
    header: Header,
    is_body_needed: bool,
    body_max: usize,
    has_footer: bool,
}

/// Headers that an interactive type accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    None,
    Text,
    TextNeeded,
    Any,
    Image,
}

const fn parts(name: &'static str, header: Header, is_body_needed: bool, has_footer: bool) -> Parts {
    Parts { name, header, is_body_needed, body_max: 1024, has_footer }
}

const TYPES: [Parts; 15] = [
    parts("button", Header::Any, true, true),
    Parts { name: "list", header: Header::Text, is_body_needed: true, body_max: 4096, has_footer: true },
    parts("cta_url", Header::Any, true, true),
    parts("location_request_message", Header::None, true, false),
    parts("flow", Header::Any, true, true),
    parts("product", Header::None, false, true),
    parts("product_list", Header::TextNeeded, true, true),
    parts("catalog_message", Header::None, true, true),
    parts("address_message", Header::Any, true, true),
    parts("order_details", Header::Image, true, true),
    parts("order_status", Header::Image, true, true),
    parts("carousel", Header::None, true, false),
    parts("call_permission_request", Header::None, false, false),
    parts("voice_call", Header::None, true, false),
    parts("request_contact_info", Header::None, true, true),
];

pub(crate) fn check(at: &Pointed<'_>, content: &mut Content) -> Checked<()> {
    let interactive = at.object(&["type", "header", "body", "footer", "action"])?;
    let kind = interactive.need("type")?.text()?;
    let Some(parts) = TYPES.iter().find(|parts| parts.name == kind) else {
        let names: Vec<&str> = TYPES.iter().map(|parts| parts.name).collect();
        return Err(not_one_of("interactive['type']", &names, kind));
    };
    header(&interactive, parts, content)?;
    match interactive.get("body") {
        Some(body) => {
            let min = usize::from(parts.is_body_needed);
            body.object(&["text"])?.need("text")?.text_of("Body text", min, parts.body_max)?;
        }
        None if parts.is_body_needed => return Err(GraphError::missing("interactive['body']")),
        None => {}
    }
    if let Some(footer) = interactive.get("footer") {
        if !parts.has_footer {
            return Err(GraphError::invalid(format!("Interactive messages of type {kind} have no footer")));
        }
        footer.object(&["text"])?.need("text")?.text_of("Footer text", 1, 60)?;
    }
    let action = interactive.need("action")?;
    match kind {
        "button" => buttons(&action),
        "list" => list(&action),
        "cta_url" => cta_url(&action),
        "location_request_message" => named(&action, "send_location", &[]).map(|_| ()),
        "flow" => flow(&action),
        "product" => {
            let action = action.object(&["catalog_id", "product_retailer_id"])?;
            action.need("catalog_id")?.text_of("Catalog id", 1, 64)?;
            action.need("product_retailer_id")?.text_of("Product retailer id", 1, 256).map(|_| ())
        }
        "product_list" => product_list(&action),
        "catalog_message" => {
            let action = named(&action, "catalog_message", &["parameters"])?;
            let parameters = action.get("parameters").map(|at| at.object(&["thumbnail_product_retailer_id"]));
            parameters
                .transpose()?
                .map_or(Ok(()), |parameters| parameters.text("thumbnail_product_retailer_id").map(|_| ()))
        }
        "address_message" => address(&action),
        "order_details" => payments::order_details(&action),
        "order_status" => payments::order_status(&action),
        "carousel" => carousel::check(&action, content),
        "voice_call" => {
            let action = named(&action, "voice_call", &["parameters"])?;
            let Some(parameters) = action.get("parameters") else { return Ok(()) };
            let parameters = parameters.object(&["display_text", "ttl_minutes", "payload"])?;
            parameters.get("display_text").map(|at| at.text_of("Display text", 1, 20)).transpose()?;
            parameters.get("ttl_minutes").map(|at| at.integer()).transpose()?;
            parameters.text("payload").map(|_| ())
        }
        other => named(&action, other, &["parameters"]).map(|_| ()),
    }
}

fn header(interactive: &PointedObject<'_>, parts: &Parts, content: &mut Content) -> Checked<()> {
    let Some(header) = interactive.get("header") else {
        return if parts.header == Header::TextNeeded {
            Err(GraphError::missing("interactive['header']"))
        } else {
            Ok(())
        };
    };
    let path = header.path.clone();
    let header = header.object(&["type", "text", "sub_text", "image", "video", "document"])?;
    let kind = header.need("type")?.one_of(&["text", "image", "video", "document"])?;
    let fits = match parts.header {
        Header::None => false,
        Header::Text | Header::TextNeeded => kind == "text",
        Header::Image => kind == "image",
        Header::Any => true,
    };
    if !fits {
        return Err(GraphError::invalid(format!(
            "Header type invalid. Interactive messages of type {} do not take a header of type {kind}",
            parts.name
        )));
    }
    if let Some(other) =
        ["text", "image", "video", "document"].into_iter().find(|other| *other != kind && header.has(other))
    {
        return Err(GraphError::schema(format!("Unexpected key \"{other}\" on param \"{path}\".")));
    }
    let part = header.need(kind)?;
    if kind == "text" {
        return part.text_of("Header text", 1, 60).map(|_| ());
    }
    header_media(&part, kind, content)
}

/// The media object of a header, here and on carousel cards.
pub(crate) fn header_media(part: &Pointed<'_>, kind: &str, content: &mut Content) -> Checked<()> {
    let (media, kind) = match kind {
        "image" => (part.object(&["id", "link", "provider"])?, MediaKind::Image),
        "video" => (part.object(&["id", "link", "provider"])?, MediaKind::Video),
        _ => (part.object(&["id", "link", "filename", "provider"])?, MediaKind::Document),
    };
    media.text("filename")?;
    source(&media, kind, content)
}

/// An action that carries its own name.
pub(crate) fn named<'a>(action: &Pointed<'a>, name: &str, more: &[&str]) -> Checked<PointedObject<'a>> {
    let mut keys = vec!["name"];
    keys.extend_from_slice(more);
    let action = action.object(&keys)?;
    action.need("name")?.one_of(&[name])?;
    Ok(action)
}

fn buttons(action: &Pointed<'_>) -> Checked<()> {
    let action = action.object(&["buttons"])?;
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for button in action.need("buttons")?.list_of("Buttons", 1, 3)? {
        let button = button.object(&["type", "reply"])?;
        button.need("type")?.one_of(&["reply"])?;
        let reply = button.need("reply")?.object(&["id", "title"])?;
        let id = reply.need("id")?.text_of("Button id", 1, 256)?;
        if id != id.trim() {
            return Err(GraphError::invalid("Button id must not begin or end with blanks"));
        }
        let title = reply.need("title")?.text_of("Button title", 1, 20)?;
        if !ids.insert(id) {
            return Err(GraphError::invalid("Button ids must be unique within a message"));
        }
        if !titles.insert(title) {
            return Err(GraphError::invalid("Button titles must be unique within a message"));
        }
    }
    Ok(())
}

fn list(action: &Pointed<'_>) -> Checked<()> {
    let action = action.object(&["button", "sections"])?;
    action.need("button")?.text_of("List button", 1, 20)?;
    let sections = action.need("sections")?.list_of("Sections", 1, 10)?;
    let needs_titles = sections.len() > 1;
    let (mut ids, mut n_rows) = (BTreeSet::new(), 0_usize);
    for section in sections {
        let section = section.object(&["title", "rows"])?;
        section_title(&section, needs_titles)?;
        for row in section.need("rows")?.list_of("Section rows", 1, 10)? {
            let row = row.object(&["id", "title", "description"])?;
            let id = row.need("id")?.text_of("Row id", 1, 200)?;
            row.need("title")?.text_of("Row title", 1, 24)?;
            row.get("description").map(|at| at.text_of("Row description", 0, 72)).transpose()?;
            if !ids.insert(id) {
                return Err(GraphError::invalid("Row ids must be unique within a message"));
            }
            n_rows += 1;
        }
    }
    if n_rows > 10 {
        return Err(GraphError::invalid("Total row count invalid. Min count: 1, Max count: 10"));
    }
    Ok(())
}

fn section_title(section: &PointedObject<'_>, is_needed: bool) -> Checked<()> {
    match section.get("title") {
        Some(title) => title.text_of("Section title", usize::from(is_needed), 24).map(|_| ()),
        None if is_needed => Err(GraphError::missing(&format!("{}['title']", section.path))),
        None => Ok(()),
    }
}

/// `cta_url`, of messages and of carousel cards.
pub(crate) fn cta_url(action: &Pointed<'_>) -> Checked<()> {
    let action = named(action, "cta_url", &["parameters"])?;
    let parameters = action.need("parameters")?.object(&["display_text", "url"])?;
    parameters.need("display_text")?.text_of("Display text", 1, 20)?;
    parameters.need("url")?.link("Button url").map(|_| ())
}

fn flow(action: &Pointed<'_>) -> Checked<()> {
    let action = named(action, "flow", &["parameters"])?;
    let parameters = action.need("parameters")?.object(&[
        "flow_message_version",
        "flow_id",
        "flow_name",
        "flow_cta",
        "mode",
        "flow_token",
        "flow_action",
        "flow_action_payload",
    ])?;
    let version = parameters.need("flow_message_version")?;
    if version.integer()? != 3 {
        return Err(GraphError::invalid("flow_message_version must be \"3\""));
    }
    if parameters.has("flow_id") == parameters.has("flow_name") {
        return Err(GraphError::missing(&format!(
            "{}: exactly one of flow_id and flow_name",
            parameters.path
        )));
    }
    parameters.need("flow_cta")?.text_of("Flow cta", 1, 30)?;
    parameters.get("mode").map(|at| at.one_of(&["published", "draft"])).transpose()?;
    parameters.text("flow_token")?;
    let action =
        parameters.get("flow_action").map(|at| at.one_of(&["navigate", "data_exchange"])).transpose()?;
    if let Some(payload) = parameters.get("flow_action_payload") {
        if action == Some("data_exchange") {
            return Err(GraphError::invalid("flow_action_payload goes with flow_action navigate only"));
        }
        let payload = payload.object(&["screen", "data"])?;
        payload.text("screen")?;
        if let Some(data) = payload.get("data")
            && data.any_object()?.is_empty()
        {
            return Err(GraphError::invalid("flow_action_payload data must not be empty"));
        }
    }
    Ok(())
}

fn product_list(action: &Pointed<'_>) -> Checked<()> {
    let action = action.object(&["catalog_id", "sections"])?;
    action.need("catalog_id")?.text_of("Catalog id", 1, 64)?;
    product_sections(&action, 10)
}

/// Sections of products, here and in multi-product templates.
pub(crate) fn product_sections(holder: &PointedObject<'_>, max_sections: usize) -> Checked<()> {
    let sections = holder.need("sections")?.list_of("Sections", 1, max_sections)?;
    let needs_titles = sections.len() > 1;
    let mut n_items = 0;
    for section in sections {
        let section = section.object(&["title", "product_items"])?;
        section_title(&section, needs_titles)?;
        for item in section.need("product_items")?.list_of("Section products", 1, 30)? {
            let item = item.object(&["product_retailer_id"])?;
            item.need("product_retailer_id")?.text_of("Product retailer id", 1, 256)?;
            n_items += 1;
        }
    }
    if n_items > 30 {
        return Err(GraphError::invalid("Total product count invalid. Min count: 1, Max count: 30"));
    }
    Ok(())
}

fn address(action: &Pointed<'_>) -> Checked<()> {
    const FIELDS: [&str; 11] = [
        "name",
        "phone_number",
        "in_pin_code",
        "house_number",
        "floor_number",
        "tower_number",
        "building_name",
        "address",
        "landmark_area",
        "city",
        "state",
    ];
    let action = named(action, "address_message", &["parameters"])?;
    let parameters =
        action.need("parameters")?.object(&["country", "values", "saved_addresses", "validation_errors"])?;
    parameters.need("country")?.one_of(&["IN"])?;
    parameters.get("values").map(|at| at.object(&FIELDS)).transpose()?;
    parameters.get("validation_errors").map(|at| at.object(&FIELDS)).transpose()?;
    for saved in parameters.get("saved_addresses").map(|at| at.list()).transpose()?.unwrap_or_default() {
        let saved = saved.object(&["id", "value"])?;
        saved.need("id")?.text()?;
        saved.need("value")?.object(&FIELDS)?;
    }
    Ok(())
}
