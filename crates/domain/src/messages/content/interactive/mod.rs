//! Interactive messages (Meta: Interactive messages,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages>).

mod carousel;
mod flow;
pub(super) mod list;
mod parts;

use std::ops::RangeInclusive;

use jiff::Timestamp;

use self::parts::{
    DOCUMENT_HEADER, IMAGE_HEADER, TEXT_HEADER, Unique, VIDEO_HEADER, check_header_value, check_product,
    check_url,
};
use super::media;
use super::order;
use crate::check::{Fields, Item, Variant};
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
const FRAMES: [Variant<Frame>; 15] = [
    ("button", "InteractiveButtons", frame(Headers::Any, Body::Required(BODY), true, Action::Buttons)),
    ("list", "InteractiveList", frame(Headers::Text, Body::Required(4096), true, Action::List)),
    ("cta_url", "InteractiveUrl", frame(Headers::Any, Body::Required(BODY), true, Action::Url)),
    ("product", "InteractiveProduct", frame(Headers::None, Body::Optional, true, Action::Product)),
    (
        "product_list",
        "InteractiveProductList",
        frame(Headers::RequiredText, Body::Required(BODY), true, Action::ProductList),
    ),
    (
        "catalog_message",
        "InteractiveCatalog",
        frame(Headers::None, Body::Required(BODY), true, Action::Catalog),
    ),
    ("flow", "InteractiveFlow", frame(Headers::Any, Body::Required(BODY), true, Action::Flow)),
    (
        "location_request_message",
        "InteractiveLocationRequest",
        frame(Headers::None, Body::Required(BODY), false, Action::SendLocation),
    ),
    ("carousel", "InteractiveCarousel", frame(Headers::None, Body::Required(BODY), false, Action::Carousel)),
    (
        "address_message",
        "InteractiveAddress",
        frame(Headers::Any, Body::Required(BODY), true, Action::Address),
    ),
    (
        "order_details",
        "InteractiveOrderDetails",
        frame(Headers::Image, Body::Required(BODY), true, Action::OrderDetails),
    ),
    (
        "order_status",
        "InteractiveOrderStatus",
        frame(Headers::Image, Body::Required(BODY), true, Action::OrderStatus),
    ),
    (
        "call_permission_request",
        "InteractiveCallPermission",
        frame(Headers::None, Body::Optional, false, Action::CallPermission),
    ),
    (
        "voice_call",
        "InteractiveVoiceCall",
        frame(Headers::Any, Body::Required(BODY), true, Action::VoiceCall),
    ),
    (
        "request_contact_info",
        "InteractiveContactRequest",
        frame(Headers::Any, Body::Required(BODY), true, Action::Open),
    ),
];

/// Checks an interactive message.
pub(crate) fn check(item: Item<'_, '_>, now: Timestamp) {
    item.shared("Interactive", |item| {
        if let Some(interactive) = item.object() {
            interactive.variants("type", &FRAMES, |interactive, kind, frame| {
                check_frame(interactive, kind, &frame, now);
            });
        }
    });
}

fn check_frame(interactive: &Fields<'_, '_>, kind: &str, frame: &Frame, now: Timestamp) {
    check_header(interactive, kind, frame);
    match frame.body {
        Body::Required(most) => {
            let name = if most == BODY { "InteractiveBody" } else { "InteractiveListBody" };
            check_text(interactive.required("body"), name, 1..=most);
        }
        Body::Optional => check_text(interactive.optional("body"), "InteractiveBody", 1..=BODY),
    }
    if frame.footer {
        check_text(interactive.optional("footer"), "InteractiveFooter", 1..=60);
    } else {
        forbid(interactive, "footer", kind);
    }
    if frame.action == Action::Open {
        interactive.optional("action").open_object();
    } else if let Some(action) = interactive.required("action").object() {
        check_action(&action, frame.action, now);
        action.finish();
    }
}

fn forbid(interactive: &Fields<'_, '_>, name: &'static str, kind: &str) {
    interactive.forbidden_with(name, || format!("is not allowed in a `{kind}` message"));
}

/// Checks a body or footer: `{"text": …}`, whose schema has this name.
fn check_text(item: Item<'_, '_>, name: &str, length: RangeInclusive<usize>) {
    item.shared(name, |item| {
        if let Some(object) = item.object() {
            object.required("text").string(length);
            object.finish();
        }
    });
}

fn check_header(interactive: &Fields<'_, '_>, kind: &str, frame: &Frame) {
    const ANY: [Variant<()>; 4] = [TEXT_HEADER, IMAGE_HEADER, VIDEO_HEADER, DOCUMENT_HEADER];
    let (name, kinds): (_, &[Variant<()>]) = match frame.header {
        Headers::None => return forbid(interactive, "header", kind),
        Headers::Any => ("InteractiveHeader", &ANY),
        Headers::Text | Headers::RequiredText => ("InteractiveTextHeader", &[TEXT_HEADER]),
        Headers::Image => ("InteractiveImageHeader", &[IMAGE_HEADER]),
    };
    let header = if frame.header == Headers::RequiredText {
        interactive.required("header")
    } else {
        interactive.optional("header")
    };
    header.shared(name, |header| {
        if let Some(header) = header.object() {
            header.variants("type", kinds, |header, kind, ()| check_header_value(header, kind));
        }
    });
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
            let id = reply
                .required("id")
                .about("ID that the webhook carries when the button is pressed. Unique within the message.");
            if let Some(text) = id.string(1..=256) {
                if text.trim() != text {
                    id.refuse("must not begin or end with a blank");
                }
                ids.check(text, &id);
            }
            let title = reply.required("title").about("Label of the button. Unique within the message.");
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
