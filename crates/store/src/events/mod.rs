//! The event log.

pub(crate) mod log;

use crate::sqlite::port_macro::sqlite_port;
use domain::id::WorkspaceId;
use engine::ports::{EventFilter, EventPage, EventStart, StoreError};

engine::events_port! {
    sqlite_port for Events {
        list_events(workspace, filter, start, limit) cloning(filter) {
            read "reading events", move |tx| log::list_events(tx, workspace, &filter, start, limit)
        }
    }
}
