//! Filters of a list of messages.

use domain::check::{Fields, Item, nearest_of};
use domain::contacts::phone::PhoneNumber;
use domain::id::ContactId;
use domain::messages::direction::Direction;
use domain::messages::search::SearchQuery;
use domain::messages::status::MessageStatus;
use engine::ports::{ContactRef, ListOrder, MessageFilter};

use crate::api::field::{parsed, time};
use crate::api::messages::message_key::key_of;
use crate::api::openapi::schema::Schema;
use crate::api::pagination::PageQuery;

/// Filter of a list of messages, account and page.
type ListQuery = (MessageFilter, Option<String>, PageQuery);

/// Reads the query of a list of messages: of one contact, or of the contact that the query names.
pub(crate) fn read_filter(fields: &Fields<'_, '_>, contact: Option<ContactId>) -> ListQuery {
    let directions =
        [Direction::Inbound, Direction::Outbound].map(|direction| (direction.as_str(), direction));
    let text = |name, about| fields.optional(name).about(about).string(1..=512).map(str::to_owned);
    let filter = MessageFilter {
        accounts: None,
        key: fields
            .optional("message_id")
            .about("ID of the message: Waypost's or Meta's.")
            .string(1..=512)
            .map(key_of),
        contact: match contact {
            Some(id) => Some(ContactRef::Id(id)),
            None => read_contact(&fields.optional("contact").about("ID of a contact, or its phone number.")),
        },
        account: None,
        batch: parsed(
            fields.optional("batch").about("ID of a batch: `batch_id` of its response.").format("uuid"),
            "must be the id of a batch",
        ),
        statuses: read_statuses(fields),
        kind: text("type", "Type of the message."),
        direction: fields
            .optional("direction")
            .about("`inbound`: messages from customers. `outbound`: messages to customers.")
            .choice(&directions),
        client_reference: text("client_reference", "Your reference of the message."),
        from: time(fields.optional("since").about("Earliest time, inclusive.")),
        to: time(fields.optional("until").about("Latest time, exclusive.")),
        updated_since: time(fields.optional("updated_since").about("Earliest time of the last change.")),
        is_scheduled: fields
            .optional("scheduled")
            .about("`true`: messages that wait for their `send_at`. `false`: all others.")
            .boolean_or_text(),
        is_unread: fields
            .optional("unread")
            .about("Inbound messages. `true`: not marked as read. `false`: marked as read.")
            .boolean_or_text(),
        search: fields
            .optional("search")
            .about("Words of the text, a name, a user name, a phone number, or a reference.")
            .string(1..=512)
            .map(SearchQuery::parse),
        order: fields
            .optional("order")
            .about("`desc` (default): newest first. `asc`: oldest first.")
            .choice_with(&ORDERS, ORDER_SYNONYMS)
            .unwrap_or_default(),
    };
    let page = PageQuery::read_ordered("messages", filter.order, fields);
    (filter, text("account", "ID or name of an account."), page)
}

/// Values of `order`.
const ORDERS: [(&str, ListOrder); 2] = [("asc", ListOrder::OldestFirst), ("desc", ListOrder::NewestFirst)];

/// Words for an order in other APIs.
const ORDER_SYNONYMS: &[(&str, &str)] =
    &[("ascending", "asc"), ("oldest", "asc"), ("descending", "desc"), ("newest", "desc")];

/// Words for a status in other APIs.
const STATUS_SYNONYMS: &[(&str, &str)] = &[
    ("accepted", "sent"),
    ("cancelled", "canceled"),
    ("error", "failed"),
    ("undelivered", "failed"),
    ("pending", "queued"),
    ("scheduled", "queued"),
    ("seen", "read"),
    ("opened", "read"),
    ("incoming", "received"),
];

/// Reads statuses, separated by commas.
fn read_statuses(fields: &Fields<'_, '_>) -> Vec<MessageStatus> {
    let known = MessageStatus::ALL.map(MessageStatus::as_str);
    let item = fields
        .optional("status")
        .about("Statuses of the messages, separated by commas.")
        .written_as(|| Schema::array(Schema::enumeration(known), 1..=known.len()).into());
    let mut statuses = Vec::new();
    for name in item.string(1..).into_iter().flat_map(|text| text.split(',')).map(str::trim) {
        match name.parse() {
            Ok(status) if statuses.contains(&status) => {}
            Ok(status) => statuses.push(status),
            Err(_) => item.refuse(match nearest_of(name, &known, STATUS_SYNONYMS) {
                Some(nearest) => format!("unknown status `{name}`; did you mean `{nearest}`?"),
                None => format!("unknown status `{name}`; known are {}", known.join(", ")),
            }),
        }
    }
    statuses
}

/// Reads the id or the phone number of a contact.
pub(crate) fn read_contact(item: &Item<'_, '_>) -> Option<ContactRef> {
    let text = item.string(1..=64)?;
    if let Ok(id) = text.parse() {
        return Some(ContactRef::Id(id));
    }
    match PhoneNumber::parse(text) {
        Ok(number) => {
            let spellings = std::iter::once(number.clone()).chain(number.variants());
            Some(ContactRef::Numbers(spellings.map(|number| number.digits().to_owned()).collect()))
        }
        Err(error) => {
            item.refuse(format!("must be the id or the phone number of a contact: {error}"));
            None
        }
    }
}
