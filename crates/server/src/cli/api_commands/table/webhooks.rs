//! Commands of webhook endpoints and deliveries.

use super::super::definition::ParameterKind::{Boolean, List, Pairs, PastTime};
use super::super::definition::{
    ApiCommand, ApiParameter, IdLookup, ResultFormat, TableColumn, delete, get, post, put, rows,
};
use super::shared::SEARCH;

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
    "Order of the deliveries: with `strict`, later events of a contact wait for an event that the endpoint does not accept",
);
const WEBHOOK_ENABLED: ApiParameter =
    ApiParameter::body("enabled", "", "`false`: events wait until the endpoint is enabled").of_kind(Boolean);

/// Commands of webhook endpoints and deliveries.
pub(super) const WEBHOOKS: &[ApiCommand] = &[
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
