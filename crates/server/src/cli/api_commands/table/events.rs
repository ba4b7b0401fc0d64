//! Commands of events.

use super::super::definition::ParameterKind::List;
use super::super::definition::{ApiCommand, ApiParameter, CommandEffect, ResultFormat, TableColumn, get};
use super::shared::ACCOUNT;

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

/// Commands of events.
pub(super) const EVENTS: &[ApiCommand] = &[
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
