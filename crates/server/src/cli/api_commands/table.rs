//! Table of the commands that call the API.

use http::Method;

use super::definition::ParameterKind::{Boolean, Flag, FutureTime, List, Pairs, PastTime};
use super::definition::{
    ApiCall, ApiCommand, ApiParameter, CommandEffect, CommandGroup, IdLookup, ResultFormat, TableColumn,
};

/// All commands, by resource.
pub(super) const GROUPS: &[CommandGroup] = &[
    CommandGroup { name: "templates", about: "Message templates: list, show, sync", commands: TEMPLATES },
    CommandGroup {
        name: "messages",
        about: "Messages: list, show, cancel, reschedule, resolve, mark as read",
        commands: MESSAGES,
    },
    CommandGroup { name: "events", about: "Events: list, follow", commands: EVENTS },
    CommandGroup {
        name: "webhooks",
        about: "Webhook endpoints: list, add, update, test; deliveries: list, redeliver, replay, skip",
        commands: WEBHOOKS,
    },
    CommandGroup {
        name: "contacts",
        about: "Contacts: list, show, add, update, remove, import, export",
        commands: CONTACTS,
    },
];

const fn get(path: &'static str, format: ResultFormat) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::GET, path, format })
}

const fn post(path: &'static str, format: ResultFormat) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::POST, path, format })
}

const fn put(path: &'static str, format: ResultFormat) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::PUT, path, format })
}

const fn delete(path: &'static str, done: &'static str) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::DELETE, path, format: ResultFormat::Sentence(done) })
}

const fn rows(member: &'static str, columns: &'static [TableColumn]) -> ResultFormat {
    ResultFormat::Rows { member, columns, continues: "cursor" }
}

const ACCOUNT: ApiParameter = ApiParameter::query("account", "ID|NAME", "Only of this account");
const SEARCH: ApiParameter = ApiParameter::query("search", "TEXT", "Only rows that contain this text");

const TEMPLATE: ApiParameter =
    ApiParameter::path("ID|NAME", "ID of the template, or its name if the name has one language").found_by(
        &IdLookup {
            path: "/api/templates",
            filter: "name",
            member: "templates",
            equals: Some("name"),
            what: "template with the name",
        },
    );

const TEMPLATES: &[ApiCommand] = &[
    ApiCommand {
        name: "list",
        about: "List templates, oldest first",
        parameters: &[
            ApiParameter::query("name", "NAME", "Only this name"),
            ApiParameter::query("language", "CODE", "Only this language"),
            ApiParameter::query("status", "STATUS", "Only this status, such as APPROVED"),
            ApiParameter::query("category", "CATEGORY", "Only this category, such as MARKETING"),
            SEARCH,
            ACCOUNT,
        ],
        effect: get("/api/templates", rows("templates", TEMPLATE_COLUMNS)),
    },
    ApiCommand {
        name: "show",
        about: "Show a template",
        parameters: &[TEMPLATE],
        effect: get("/api/templates/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "sync",
        about: "Read the templates from Meta; the command ends when the synchronization is complete",
        parameters: &[
            ApiParameter::body("account", "ID|NAME", "Only of this account").named("whatsapp_account")
        ],
        effect: post("/api/templates/sync", ResultFormat::Members),
    },
];

const TEMPLATE_COLUMNS: &[TableColumn] = &[
    TableColumn("NAME", "/name"),
    TableColumn("LANGUAGE", "/language"),
    TableColumn("CATEGORY", "/category"),
    TableColumn("STATUS", "/status"),
    TableColumn("QUALITY", "/quality"),
    TableColumn("ID", "/id"),
];

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

const MESSAGES: &[ApiCommand] = &[
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
                "New time, such as 2030-01-01T09:00:00Z, or a duration from now such as 2h",
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

const MESSAGE_COLUMNS: &[TableColumn] = &[
    TableColumn("CREATED", "/created_at"),
    TableColumn("DIRECTION", "/direction"),
    TableColumn("STATUS", "/status"),
    TableColumn("TYPE", "/type"),
    TableColumn("FROM OR TO", "/to|/from|/recipient|/user_id"),
    TableColumn("REFERENCE", "/client_reference"),
    TableColumn("ERROR", "/error/code"),
    TableColumn("ID", "/id"),
];

const EVENT_FILTERS: &[ApiParameter] = &[
    ApiParameter::query(
        "after",
        "ID",
        "Position: only events after the event with this ID. `latest`: events from now on",
    ),
    EVENT_KINDS,
    ACCOUNT,
];

const EVENT_KINDS: ApiParameter =
    ApiParameter::query("types", "TYPE", "Only these types, separated by commas, such as message.incoming")
        .named("events")
        .of_kind(List);

const EVENTS: &[ApiCommand] = &[
    ApiCommand {
        name: "list",
        about: "List the stored events, oldest first",
        parameters: EVENT_FILTERS,
        effect: get(
            "/api/events",
            ResultFormat::Rows { member: "events", columns: EVENT_COLUMNS, continues: "after" },
        ),
    },
    ApiCommand {
        name: "tail",
        about: "Print events as they happen, until Ctrl-C; no event is missed when the connection breaks",
        parameters: EVENT_FILTERS,
        effect: CommandEffect::FollowEvents,
    },
];

const EVENT_COLUMNS: &[TableColumn] = &[
    TableColumn("TIME", "/timestamp"),
    TableColumn("EVENT", "/event"),
    TableColumn("STATUS", "/data/event_status|/data/status"),
    TableColumn("SUBJECT", "/data/from|/data/to|/data/phone_number|/data/name|/data/recipient"),
    TableColumn("ID", "/id"),
];

const WEBHOOK: ApiParameter =
    ApiParameter::path("ID|NAME", "ID or name of the webhook endpoint").found_by(&IdLookup {
        path: "/api/webhooks",
        filter: "search",
        member: "webhooks",
        equals: Some("name"),
        what: "webhook endpoint with the name",
    });

const DELIVERY: ApiParameter = ApiParameter::path("ID", "ID of the delivery");

const WEBHOOK_NAME: ApiParameter = ApiParameter::body("name", "NAME", "Name of the webhook endpoint");
const WEBHOOK_URL: ApiParameter =
    ApiParameter::body("endpoint", "URL", "URL that receives the events").named("url");
const WEBHOOK_EVENTS: ApiParameter =
    ApiParameter::body("events", "TYPES", "Types of events, separated by commas; `*` is every type")
        .of_kind(List);
const WEBHOOK_ACCOUNTS: ApiParameter = ApiParameter::body(
    "accounts",
    "ID|NAME",
    "Only events of these accounts, separated by commas; empty: all accounts",
)
.of_kind(List);
const WEBHOOK_HEADERS: ApiParameter =
    ApiParameter::body("header", "NAME=VALUE", "Header of each request; can be repeated")
        .named("headers")
        .of_kind(Pairs);
const WEBHOOK_ORDERING: ApiParameter = ApiParameter::body(
    "ordering",
    "strict|best_effort",
    "Whether an event that the endpoint refuses holds back the later events of its contact",
);
const WEBHOOK_ENABLED: ApiParameter =
    ApiParameter::body("enabled", "", "`false`: events wait until the endpoint is enabled").of_kind(Boolean);

const WEBHOOKS: &[ApiCommand] = &[
    ApiCommand {
        name: "list",
        about: "List webhook endpoints",
        parameters: &[SEARCH],
        effect: get("/api/webhooks", rows("webhooks", WEBHOOK_COLUMNS)),
    },
    ApiCommand {
        name: "show",
        about: "Show a webhook endpoint",
        parameters: &[WEBHOOK],
        effect: get("/api/webhooks/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "add",
        about: "Add a webhook endpoint; its signing secret is printed only once",
        parameters: &[
            WEBHOOK_NAME.required(),
            WEBHOOK_URL.required(),
            WEBHOOK_EVENTS.required(),
            WEBHOOK_ACCOUNTS,
            WEBHOOK_HEADERS,
            WEBHOOK_ORDERING,
            WEBHOOK_ENABLED,
        ],
        effect: post("/api/webhooks", ResultFormat::Members),
    },
    ApiCommand {
        name: "update",
        about: "Change a webhook endpoint; `--enabled true` enables a disabled endpoint",
        parameters: &[
            WEBHOOK,
            WEBHOOK_NAME,
            WEBHOOK_URL,
            WEBHOOK_EVENTS,
            WEBHOOK_ACCOUNTS,
            WEBHOOK_HEADERS,
            WEBHOOK_ORDERING,
            WEBHOOK_ENABLED,
        ],
        effect: put("/api/webhooks/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "remove",
        about: "Remove a webhook endpoint; its waiting events are not delivered",
        parameters: &[WEBHOOK],
        effect: delete("/api/webhooks/{id}", "the webhook endpoint is removed"),
    },
    ApiCommand {
        name: "test",
        about: "Post a test event to a webhook endpoint, and print the result; the exit code is 0 if it was accepted",
        parameters: &[
            WEBHOOK,
            ApiParameter::body("event", "TYPE", "Type of an example event [default: webhook.test]"),
        ],
        effect: post("/api/webhooks/{id}/test", ResultFormat::MembersIf("succeeded")),
    },
    ApiCommand {
        name: "rotate-secret",
        about: "Replace the signing secret; both secrets sign for 24 hours",
        parameters: &[WEBHOOK],
        effect: post("/api/webhooks/{id}/rotate-secret", ResultFormat::Members),
    },
    ApiCommand {
        name: "deliveries",
        about: "List the deliveries of a webhook endpoint, newest first",
        parameters: &[
            WEBHOOK,
            ApiParameter::query(
                "status",
                "STATUS",
                "Only with this status: pending, succeeded, failed or dead",
            ),
        ],
        effect: get("/api/webhooks/{id}/deliveries", rows("deliveries", DELIVERY_COLUMNS)),
    },
    ApiCommand {
        name: "redeliver",
        about: "Post the event of a delivery again",
        parameters: &[DELIVERY],
        effect: post("/api/deliveries/{id}/redeliver", ResultFormat::Members),
    },
    ApiCommand {
        name: "skip",
        about: "Skip a delivery that waits, so that the later events of its contact follow",
        parameters: &[DELIVERY],
        effect: post("/api/deliveries/{id}/skip", ResultFormat::Members),
    },
    ApiCommand {
        name: "replay",
        about: "Post all events since a time again",
        parameters: &[
            WEBHOOK,
            ApiParameter::body(
                "since",
                "TIME|DURATION",
                "Time of the earliest event, or a duration before now such as 2d",
            )
            .of_kind(PastTime)
            .required(),
        ],
        effect: post("/api/webhooks/{id}/replay", ResultFormat::Members),
    },
];

const WEBHOOK_COLUMNS: &[TableColumn] = &[
    TableColumn("NAME", "/name"),
    TableColumn("URL", "/url"),
    TableColumn("EVENTS", "/events"),
    TableColumn("STATUS", "/status"),
    TableColumn("REASON", "/status_reason"),
    TableColumn("ID", "/id"),
];

const DELIVERY_COLUMNS: &[TableColumn] = &[
    TableColumn("CREATED", "/created_at"),
    TableColumn("EVENT", "/event"),
    TableColumn("STATUS", "/status"),
    TableColumn("ATTEMPT", "/attempt"),
    TableColumn("HTTP", "/http_status"),
    TableColumn("MS", "/latency_ms"),
    TableColumn("NEXT ATTEMPT", "/next_attempt_at"),
    TableColumn("ID", "/id"),
];

const CONTACT: ApiParameter =
    ApiParameter::path("ID|NUMBER", "ID or phone number of the contact").found_by(&IdLookup {
        path: "/api/contacts",
        filter: "phone_number",
        member: "contacts",
        equals: None,
        what: "contact with the number",
    });

const CONTACT_FILTERS: &[ApiParameter] = &[
    ApiParameter::query("phone-number", "NUMBER", "Only this phone number").named("phone_number"),
    ApiParameter::query("tag", "TAG", "Only with this tag"),
    ApiParameter::query("stage", "STAGE", "Only with this stage"),
    ApiParameter::query("opted-out", "", "Only contacts that have opted out of marketing, or all others")
        .named("opted_out")
        .of_kind(Boolean),
    ApiParameter::query("username", "NAME", "Only this user name"),
    SEARCH,
];

const PHONE_NUMBER: ApiParameter =
    ApiParameter::body("phone-number", "NUMBER", "Phone number in international format")
        .named("phone_number");
const CONTACT_NAME: ApiParameter = ApiParameter::body("name", "NAME", "Name");
const TAGS: ApiParameter = ApiParameter::body("tags", "TAGS", "Tags, separated by commas").of_kind(List);
const STAGE: ApiParameter = ApiParameter::body("stage", "STAGE", "Stage");
const EMAIL: ApiParameter = ApiParameter::body("email", "ADDRESS", "E-mail address");
const CUSTOM_FIELDS: ApiParameter =
    ApiParameter::body("field", "NAME=VALUE", "Custom field; can be repeated")
        .named("custom_fields")
        .of_kind(Pairs);
const OPTED_OUT: ApiParameter =
    ApiParameter::body("opted-out", "", "`true`: the contact gets no marketing messages")
        .named("opted_out")
        .of_kind(Boolean);

const CONTACTS: &[ApiCommand] = &[
    ApiCommand {
        name: "list",
        about: "List contacts, newest first",
        parameters: CONTACT_FILTERS,
        effect: get("/api/contacts", rows("contacts", CONTACT_COLUMNS)),
    },
    ApiCommand {
        name: "show",
        about: "Show a contact",
        parameters: &[CONTACT],
        effect: get("/api/contacts/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "add",
        about: "Add a contact",
        parameters: &[
            PHONE_NUMBER.required(),
            CONTACT_NAME,
            TAGS,
            STAGE,
            EMAIL,
            CUSTOM_FIELDS,
            OPTED_OUT,
            ApiParameter::query("upsert", "", "Update the contact if there is one with this number")
                .of_kind(Flag),
        ],
        effect: post("/api/contacts", ResultFormat::Members),
    },
    ApiCommand {
        name: "update",
        about: "Change fields of a contact; an empty value deletes a field",
        parameters: &[CONTACT, PHONE_NUMBER, CONTACT_NAME, TAGS, STAGE, EMAIL, CUSTOM_FIELDS, OPTED_OUT],
        effect: put("/api/contacts/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "remove",
        about: "Erase a contact with all messages; this cannot be undone",
        parameters: &[CONTACT],
        effect: delete("/api/contacts/{id}", "the contact and its messages are erased"),
    },
    ApiCommand {
        name: "messages",
        about: "List the messages of a contact, newest first",
        parameters: &[CONTACT],
        effect: get("/api/contacts/{id}/messages", rows("messages", MESSAGE_COLUMNS)),
    },
    ApiCommand {
        name: "window",
        about: "Show the customer service windows of a contact",
        parameters: &[CONTACT, ACCOUNT],
        effect: get("/api/contacts/{id}/window", ResultFormat::Members),
    },
    ApiCommand {
        name: "import",
        about: "Import contacts from a CSV file",
        parameters: &[
            ApiParameter::file("CSV file; `-` is standard input"),
            ApiParameter::query("dry-run", "", "Check the file and change nothing")
                .named("dry_run")
                .of_kind(Flag),
        ],
        effect: post("/api/contacts/import", ResultFormat::Members),
    },
    ApiCommand {
        name: "export",
        about: "Print contacts as CSV",
        parameters: CONTACT_FILTERS,
        effect: get("/api/contacts/export", ResultFormat::Text),
    },
];

const CONTACT_COLUMNS: &[TableColumn] = &[
    TableColumn("NAME", "/name"),
    TableColumn("NUMBER OR USER ID", "/phone_number|/user_id"),
    TableColumn("STAGE", "/stage"),
    TableColumn("TAGS", "/tags"),
    TableColumn("OPTED OUT", "/opted_out"),
    TableColumn("LAST MESSAGE", "/last_inbound_at"),
    TableColumn("ID", "/id"),
];
