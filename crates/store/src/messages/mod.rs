//! Messages: acceptance, queue, statuses, timeline, idempotency records, messaging limit.

pub(crate) mod accept;
pub(crate) mod error_effects;
pub(crate) mod finish;
pub(crate) mod finish_erased;
pub(crate) mod idempotency;
pub(crate) mod lease;
pub(crate) mod mark_read;
pub(crate) mod message_events;
pub(crate) mod message_filter;
pub(crate) mod messaging_limit;
pub(crate) mod outbound_state;
pub(crate) mod pending_statuses;
pub(crate) mod probes;
pub(crate) mod queries;
pub(crate) mod queue;
pub(crate) mod queue_depth;
pub(crate) mod reschedule;
pub(crate) mod search;
pub(crate) mod search_index;
pub(crate) mod statuses;
pub(crate) mod terminate;
pub(crate) mod timeline;
pub(crate) mod wamids;

use crate::sqlite::port_macro::sqlite_port;
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, MessageId, OwnerId, WorkspaceId};
use domain::messages::admission::AdmissionFacts;
use engine::ports::{
    AttemptResult, CachedResponse, CancelMessageResult, IdempotencyRecord, InsertMessageResult, Lease,
    LeaseBatch, LeaseCheck, LeaseHolder, LeaseRequest, LeasedMessage, MessageDetail, MessageFilter,
    MessageKey, NewMessage, Page, PageRequest, Recipient, RescheduleRequest, RescheduleResult, StoreError,
    StoredMessage,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

engine::messages_port! {
    sqlite_port for Messages {
        insert_message(new) {
            write "adding a message", move |tx| accept::insert_message(tx, &new)
        }
        get_admission_facts(workspace, account, recipient) cloning(recipient) {
            read "reading a recipient", move |tx| accept::get_admission_facts(tx, workspace, account, &recipient)
        }
        begin_attempt(lease, now) cloning(lease) {
            write "beginning an attempt", move |tx| lease::begin_attempt(tx, &lease, now)
        }
        finish_attempt(lease, result, response, now) cloning(lease, result) {
            write "finishing an attempt",
            move |tx| finish::finish_attempt(tx, &lease, &result, response.as_ref(), now)
        }
        lease_due_messages(request) {
            write "leasing due messages", move |tx| lease::lease_due(tx, &request)
        }
        cancel_message(workspace, id, now) {
            write "canceling a message", move |tx| queue::cancel_message(tx, workspace, id, now)
        }
        update_send_at(request, audit_entry) {
            write "rescheduling a message", move |tx| reschedule::update_send_at(tx, &request, &audit_entry)
        }
        update_messages_read(workspace, id, now, limit) {
            write "marking messages as read",
            move |tx| mark_read::update_messages_read(tx, workspace, id, now, limit)
        }
        lease_unknown_message(workspace, id, holder, audit_entry) {
            write "leasing an unknown message",
            move |tx| lease::lease_unknown(tx, workspace, id, holder, &audit_entry)
        }
        fail_unknown_message(workspace, id, audit_entry) {
            write "failing an unknown message", move |tx| queue::fail_unknown(tx, workspace, id, &audit_entry)
        }
        get_idempotency_record(workspace, owner, key, now) cloning(key) {
            read "reading an idempotency record",
            move |tx| idempotency::get_record(tx, workspace, owner, &key, now)
        }
        get_message(workspace, key) cloning(key) {
            read "reading a message", move |tx| queries::get_message(tx, workspace, &key)
        }
        list_messages(workspace, filter, page) cloning(filter) {
            list "listing messages", move |tx| queries::list_messages(tx, workspace, &filter, page)
        }
    }
}

engine::message_queue_port! {
    sqlite_port for MessageQueue {
        expire_messages(now, limit) {
            write "expiring messages", move |tx| queue::expire_messages(tx, now, limit)
        }
        list_queue_depths() {
            read "reading queue depths", queue_depth::list_depths
        }
        get_messaging_limit_usage(workspace, since) {
            read "reading the messaging limit's usage",
            move |tx| messaging_limit::list_usage(tx, workspace, since)
        }
        update_messaging_limits(now) {
            write "updating the messaging limits", move |tx| messaging_limit::refresh_usage(tx, now)
        }
    }
}

engine::search_index_port! {
    sqlite_port for SearchIndex {
        get_search_backlog() {
            read "reading the backlog of the search index", search_index::get_backlog
        }
        update_search_index(limit) {
            write "updating the search index", move |tx| search_index::update_index(tx, limit)
        }
    }
}
