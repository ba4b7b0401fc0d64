//! Interactive messages (Meta: Interactive messages,
//! https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages).

mod carousel;
mod flow;
pub(super) mod list;
mod parts;

use std::ops::RangeInclusive;

use jiff::Timestamp;

use self::parts::{Unique, check_header_value, check_product, check_url};
use super::media;
use super::order;
use crate::check::{Fields, Item};
use crate::json::Value;

/// Parts that an interactive type allows besides its action.
#[derive(Clone, Copy)]
struct Frame {
    header: Headers,
    body: Body,
    footer: bool,
    action: Action,
}

#[derive(Clone, Copy, PartialEq)]
enum Headers {
    None,
    /// Text, image, video or document.
    Any,
    Text,
    RequiredText,
    Image,
}

#[derive(Clone, Copy, PartialEq)]
enum Body {
    Required(usize),
    Optional,
}

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Buttons,
    List,
    Url,
    Product,
    ProductList,
    Catalog,
    Flow,
    SendLocation,
    Carousel,
    Address,
    OrderDetails,
    OrderStatus,
    CallPermission,
    VoiceCall,
    /// Action that Meta does not document; it is not checked.
    Open,
}

/// Maximum length of a body. The body of a list may have 4096 characters.
const BODY: usize = 1024;

const fn frame(header: Headers, body: Body, footer: bool, action: Action) -> Frame {
    Frame { header, body, footer, action }
}

/// Interactive types with their parts.
const FRAMES: [(&str, Frame); 15] = [
    ("button", frame(Headers::Any, Body::Required(BODY), true, Action::Buttons)),
    ("list", frame(Headers::Text, Body::Required(4096), true, Action::List)),
    ("cta_url", frame(Headers::Any, Body::Required(BODY), true, Action::Url)),
    ("product", frame(Headers::None, Body::Optional, true, Action::Product)),
    ("product_list", frame(Headers::RequiredText, Body::Required(BODY), true, Action::ProductList)),
    ("catalog_message", frame(Headers::None, Body::Required(BODY), true, Action::Catalog)),
    ("flow", frame(Headers::Any, Body::Required(BODY), true, Action::Flow)),
    ("location_request_message", frame(Headers::None, Body::Required(BODY), false, Action::SendLocation)),
    ("carousel", frame(Headers::None, Body::Required(BODY), false, Action::Carousel)),
    ("address_message", frame(Headers::Any, Body::Required(BODY), true, Action::Address)),
    ("order_details", frame(Headers::Image, Body::Required(BODY), true, Action::OrderDetails)),
    ("order_status", frame(Headers::Image, Body::Required(BODY), true, Action::OrderStatus)),
    ("call_permission_request", frame(Headers::None, Body::Optional, false, Action::CallPermission)),
    ("voice_call", frame(Headers::Any, Body::Required(BODY), true, Action::VoiceCall)),
    ("request_contact_info", frame(Headers::Any, Body::Required(BODY), true, Action::Open)),
];

/// Checks an interactive message.
pub(crate) fn check(item: Item<'_, '_>, now: Timestamp) {
    let Some(interactive) = item.object() else { return };
    let Some(frame) = interactive.required("type").choice(&FRAMES) else { return };
    check_header(&interactive, &frame);
    match frame.body {
        Body::Required(most) => check_text(interactive.required("body"), 1..=most),
        Body::Optional => check_text(interactive.optional("body"), 1..=BODY),
    }
    if frame.footer {
        check_text(interactive.optional("footer"), 1..=60);
    } else {
        forbid(&interactive, "footer");
    }
    if frame.action == Action::Open {
        interactive.optional("action").open_object();
    } else if let Some(action) = interactive.required("action").object() {
        check_action(&action, frame.action, now);
        action.finish();
    }
    interactive.finish();
}

fn forbid(interactive: &Fields<'_, '_>, name: &'static str) {
    let item = interactive.optional(name);
    if item.is_present() {
        let kind = interactive.object().get("type").and_then(Value::as_str).unwrap_or_default();
        item.refuse(format!("is not allowed in a `{kind}` message"));
    }
}

/// Checks a body or footer: `{"text": …}`.
fn check_text(item: Item<'_, '_>, length: RangeInclusive<usize>) {
    if let Some(object) = item.object() {
        object.required("text").string(length);
        object.finish();
    }
}

fn check_header(interactive: &Fields<'_, '_>, frame: &Frame) {
    let kinds: &[&str] = match frame.header {
        Headers::None => return forbid(interactive, "header"),
        Headers::Any => &["text", "image", "video", "document"],
        Headers::Text | Headers::RequiredText => &["text"],
        Headers::Image => &["image"],
    };
    let header = if frame.header == Headers::RequiredText {
        interactive.required("header")
    } else {
        interactive.optional("header")
    };
    if let Some(header) = header.object()
        && let Some(kind) = header.required("type").one_of(kinds)
    {
        check_header_value(&header, kind);
        header.finish();
    }
}

fn check_action(action: &Fields<'_, '_>, kind: Action, now: Timestamp) {
    let name = |name: &'static str| {
        action.required("name").one_of(&[name]);
    };
    let parameters = || action.required("parameters");
    match kind {
        Action::Buttons => check_buttons(action),
        Action::List => list::check(action),
        Action::Url => {
            name("cta_url");
            check_url(parameters());
        }
        Action::Product => check_product(action),
        Action::ProductList => list::check_products(action),
        Action::Catalog => {
            name("catalog_message");
            if let Some(parameters) = action.optional("parameters").object() {
                parameters.optional("thumbnail_product_retailer_id").string(1..);
                parameters.finish();
            }
        }
        Action::Flow => {
            name("flow");
            flow::check(parameters());
        }
        Action::SendLocation => name("send_location"),
        Action::Carousel => carousel::check(action),
        Action::Address => {
            name("address_message");
            flow::check_address(parameters());
        }
        Action::OrderDetails => {
            name("review_and_pay");
            order::check_details(parameters(), now);
        }
        Action::OrderStatus => {
            name("review_order");
            order::check_status(parameters());
        }
        Action::CallPermission => name("call_permission_request"),
        Action::VoiceCall => {
            name("voice_call");
            if let Some(parameters) = action.optional("parameters").object() {
                parameters.optional("display_text").string(1..=20);
                parameters.optional("ttl_minutes").integer(1..);
                parameters.optional("payload").string(..);
                parameters.finish();
            }
        }
        Action::Open => {}
    }
}

/// Checks one to three reply buttons.
fn check_buttons(action: &Fields<'_, '_>) {
    let Some(buttons) = action.required("buttons").array(1..=3) else { return };
    let mut ids = Unique::new("another button has the same id");
    let mut titles = Unique::new("another button has the same title");
    for button in buttons.iter() {
        let Some(button) = button.object() else { continue };
        button.required("type").one_of(&["reply"]);
        if let Some(reply) = button.required("reply").object() {
            let id = reply.required("id");
            if let Some(text) = id.string(1..=256) {
                if text.trim() != text {
                    id.refuse("must not begin or end with a blank");
                }
                ids.check(text, &id);
            }
            let title = reply.required("title");
            if let Some(text) = title.string(1..=20) {
                titles.check(text, &title);
            }
            reply.finish();
        }
        button.finish();
    }
}

pub(crate) fn normalize(interactive: &mut Value) {
    if let Some(header) = interactive.get_mut("header") {
        media::normalize_within(header);
    }
    let cards = interactive.get_mut("action").and_then(|action| action.get_mut("cards"));
    if let Some(Value::Array(cards)) = cards {
        for card in cards {
            if let Some(header) = card.get_mut("header") {
                media::normalize_within(header);
            }
        }
    }
}
