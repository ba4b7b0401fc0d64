//! Commands of messages.

use super::super::definition::ParameterKind::{Flag, FutureTime, List, PastTime};
use super::super::definition::{ApiCommand, ApiParameter, ResultFormat, TableColumn, get, post, put, rows};
use super::shared::{ACCOUNT, SEARCH};

const MESSAGE: ApiParameter = ApiParameter::path("ID", "ID of the message: Waypost's or Meta's");

const MESSAGE_FILTERS: &[ApiParameter] = &[
    ApiParameter::query("contact", "ID|NUMBER", "Only of this contact"),
    ACCOUNT,
    ApiParameter::query("status", "STATUS", "Only with this status; several are separated by commas")
        .of_kind(List),
    ApiParameter::query("type", "TYPE", "Only of this type, such as text"),
    ApiParameter::query("direction", "inbound|outbound", "Only from customers, or only to customers"),
    ApiParameter::query("client-reference", "TEXT", "Only with this reference of yours")
        .named("client_reference"),
    ApiParameter::query("batch", "ID", "Only of this batch"),
    ApiParameter::query("since", "TIME|DURATION", "Earliest time, or a duration before now such as 2d")
        .of_kind(PastTime),
    ApiParameter::query("until", "TIME|DURATION", "Latest time, or a duration before now").of_kind(PastTime),
    ApiParameter::query("updated-since", "TIME|DURATION", "Only messages that have changed since then")
        .named("updated_since")
        .of_kind(PastTime),
    ApiParameter::query("scheduled", "", "Only messages that wait for their time").of_kind(Flag),
    ApiParameter::query("unread", "", "Only messages from customers that are not marked as read")
        .of_kind(Flag),
    ApiParameter::query("order", "asc|desc", "Oldest or newest first"),
    SEARCH,
];

/// Commands of messages.
pub(super) const MESSAGES: &[ApiCommand] = &[
    ApiCommand {
        name: "list",
        about: "List messages, newest first",
        parameters: MESSAGE_FILTERS,
        effect: get("/api/messages", rows("messages", MESSAGE_COLUMNS)),
    },
    ApiCommand {
        name: "show",
        about: "Show a message with its timeline",
        parameters: &[MESSAGE],
        effect: get("/api/messages/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "cancel",
        about: "Cancel a message that has not left",
        parameters: &[MESSAGE],
        effect: post("/api/messages/{id}/cancel", ResultFormat::Members),
    },
    ApiCommand {
        name: "reschedule",
        about: "Change the time of a message that has not left",
        parameters: &[
            MESSAGE,
            ApiParameter::body(
                "send-at",
                "TIME|DURATION",
                "New time, such as 2030-01-01T09:00:00.000Z, or a duration from now such as 2h",
            )
            .named("send_at")
            .of_kind(FutureTime)
            .required(),
        ],
        effect: put("/api/messages/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "resolve",
        about: "End a message with the status `unknown`: send it again, or let it fail",
        parameters: &[
            MESSAGE,
            ApiParameter::body("action", "resend|fail", "What happens to the message").required(),
        ],
        effect: post("/api/messages/{id}/resolve", ResultFormat::Members),
    },
    ApiCommand {
        name: "read",
        about: "Mark a customer's message as read",
        parameters: &[
            MESSAGE,
            ApiParameter::body("typing-indicator", "", "Show the customer that somebody is typing")
                .named("typing_indicator")
                .of_kind(Flag),
        ],
        effect: post("/api/messages/{id}/read", ResultFormat::Sentence("the message is marked as read")),
    },
];

/// Columns of a list of messages.
pub(super) const MESSAGE_COLUMNS: &[TableColumn] = &[
    TableColumn("CREATED", "/created_at"),
    TableColumn("DIRECTION", "/direction"),
    TableColumn("STATUS", "/status"),
    TableColumn("TYPE", "/type"),
    TableColumn("FROM OR TO", "/to|/from|/recipient|/user_id"),
    TableColumn("REFERENCE", "/client_reference"),
    TableColumn("ERROR", "/error/code"),
    TableColumn("ID", "/id"),
];
