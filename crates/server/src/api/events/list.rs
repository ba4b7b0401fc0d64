//! List events, with long poll.

use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::optional;
use crate::api::openapi::schema::required;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::json::{Object, Value};
use engine::events::EventWait;
use engine::ports::{EventStart, StoredEvent};
use engine::{Deps, events};
use jiff::{SignedDuration, Timestamp};

use crate::api::error::ApiError;
use crate::api::events::query::{EventQuery, unknown_position};
use crate::api::request_context::Authorized;
use crate::api::{request_body, response};

/// Default number of events in a response.
pub(crate) const PER_PAGE: i64 = 100;
/// Maximum number of events in a response.
pub(crate) const MAX_PER_PAGE: i64 = 200;
/// Maximum time that a long poll waits for an event, in seconds.
pub(crate) const MAX_WAIT: i64 = 60;

/// Lists the events after a position; waits for the first one if the client asks for a long poll.
pub(crate) async fn list_events(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (event_query, (limit, wait)) = request_body::read(&query, |fields| {
        let paging = read_paging(fields);
        (EventQuery::read(Some((&deps, &caller)), fields, None), paging)
    })?;
    let _reader = if wait > 0 { Some(events::open_reader(&deps, &caller)?) } else { None };
    let deadline = deps.now().saturating_add(SignedDuration::from_secs(wait)).unwrap_or(Timestamp::MAX);
    let filter = || caller.is_valid(&deps).then(|| event_query.filter(&deps, &caller));
    let page = events::wait_for_events(
        &deps,
        &caller,
        filter,
        EventWait { start: event_query.start, limit, deadline },
    )
    .await?;
    let page = page.ok_or_else(unknown_position)?;
    let mut data = Object::new();
    // Without an event, the next request continues at the position of this one.
    let position = match event_query.start {
        EventStart::After(_) => query.get("after").cloned().unwrap_or_default(),
        EventStart::Oldest | EventStart::Newest => Value::Null,
    };
    let next = page.last.map_or(position, |id| id.to_string().into());
    data.insert("events", Value::Array(page.events.iter().map(serialize_event).collect()));
    data.insert("next_cursor", next);
    data.insert("has_more", page.has_more);
    if page.has_gap {
        // Retention has deleted events after the position of the request.
        data.insert("gap", true);
    }
    Ok(response::success(StatusCode::OK, &data))
}

fn serialize_event(event: &StoredEvent) -> Value {
    serde_json::from_str(&event.body()).unwrap_or_default()
}

/// Reads the number of events and the seconds to wait.
pub(crate) fn read_paging(fields: &Fields<'_, '_>) -> (u32, i64) {
    let limit = fields.optional("per_page").about("Largest number of events in the response.");
    let limit = limit.default_of(PER_PAGE).integer_or_text(1..=MAX_PER_PAGE).unwrap_or(PER_PAGE);
    let wait = fields.optional("wait").about("Seconds to wait for an event, if there is none.");
    let wait = wait.default_of(0).integer_or_text(0..=MAX_WAIT).unwrap_or(0);
    (u32::try_from(limit).unwrap_or(1), wait)
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_events",
            "List events",
            "Returns the events after a position, oldest first. With `wait`, the response \
             comes as soon as there is an event. No event is missing or repeated. Long polls count towards the limit of streams.",
        )
        .query(RequestSchema::of_query(|fields| {
            let _described = (read_paging(fields), EventQuery::read(None, fields, None));
        }))
        .responds(
            200,
            "Events.",
            Schema::object([
                required("events", Schema::array(Schema::reference("Event"), ..)),
                required(
                    "next_cursor",
                    Schema::string(1..).or_null().about("Value of `after` for the next request."),
                ),
                required("has_more", Schema::boolean().about("`true`: there are more events.")),
                optional(
                    "gap",
                    Schema::boolean().set("const", true).about(
                        "`true`: events after the position have been deleted and are missing from the \
             response.",
                    ),
                ),
            ]),
            LIST_EVENTS_RESPONSE,
        ),
    ]
}

const LIST_EVENTS_RESPONSE: &str = r#"{"events":[{"id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","sequence":9,"timestamp":"2026-05-29T10:30:01.000Z",
    "data":{"id":"01a2b3c4-0000-7000-8000-000000000001","message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA",
    "status":"sent","event_status":"sent","to":"+15550100001","recipient":null,"type":"text","client_reference":"order 7",
    "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","at":"2026-05-29T10:30:01.000Z","error":null,"pricing":null,
    "sent_as":"message"}}],"next_cursor":"01a2b3c4-0000-7000-8000-000000000009","has_more":false}"#;
