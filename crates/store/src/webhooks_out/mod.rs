//! Webhook endpoints, fan-out of events, and delivery queues.

pub(crate) mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod delivery_list;
pub(crate) mod delivery_queues;
pub(crate) mod endpoint_health;
pub(crate) mod endpoints;
pub(crate) mod fan_out;
pub(crate) mod passing;
pub(crate) mod replays;
pub(crate) mod routed_events;

use crate::sqlite::port_macro::sqlite_port;
use domain::access::audit::AuditEntry;
use domain::id::{DeliveryId, ReplayId, WebhookId, WorkspaceId};
use engine::ports::{
    DeliveryAttemptResult, DeliveryFilter, DeliveryLease, DeliveryLeaseRequest, LeasedDelivery, NewReplay,
    NewTestDelivery, Page, PageRequest, PendingDeliveries, StoreError, StoredDelivery, WebhookEndpoint,
    WebhookSecretRotation,
};
use jiff::Timestamp;

engine::webhook_endpoints_port! {
    sqlite_port for WebhookEndpoints {
        insert_webhook_endpoint(new, limit, audit_entry) cloning(new) with sealer {
            write "adding an endpoint",
            move |tx| endpoints::insert_endpoint(tx, &sealer, &new, limit, &audit_entry)
        }
        update_webhook_endpoint(changed, reactivates, audit_entry) cloning(changed) with sealer {
            write "changing an endpoint",
            move |tx| endpoints::update_endpoint(tx, &sealer, &changed, reactivates, &audit_entry)
        }
        rotate_webhook_secret(rotation, audit_entry) with sealer {
            write "rotating an endpoint's secret",
            move |tx| endpoints::rotate_secret(tx, &sealer, &rotation, &audit_entry)
        }
        delete_webhook_endpoint(workspace, id, audit_entry) {
            write "removing an endpoint", move |tx| endpoints::delete_endpoint(tx, workspace, id, &audit_entry)
        }
    }
}

engine::deliveries_port! {
    sqlite_port for Deliveries {
        get_pending_deliveries(now) {
            read "reading pending deliveries", move |tx| deliveries::get_pending(tx, now)
        }
        fan_out_events(now, limit) {
            write "fanning out events", move |tx| fan_out::fan_out_events(tx, now, limit)
        }
        lease_deliveries(request) cloning(request) {
            write "leasing deliveries", move |tx| deliveries::lease_due(tx, &request)
        }
        finish_delivery_attempt(lease, result) cloning(lease, result) {
            write "finishing a delivery attempt", move |tx| deliveries::finish_attempt(tx, &lease, &result)
        }
        expire_deliveries(now, limit) {
            write "expiring deliveries", move |tx| dead_letters::expire_deliveries(tx, now, limit)
        }
        update_blocked_queues(now, limit) {
            write "unblocking delivery queues", move |tx| passing::update_blocked_queues(tx, now, limit)
        }
        finish_skipped_delivery(workspace, delivery, audit_entry) {
            write "skipping a delivery",
            move |tx| dead_letters::finish_skipped_delivery(tx, workspace, delivery, &audit_entry)
        }
        list_deliveries(workspace, filter, page) cloning(filter) {
            list "listing deliveries", move |tx| delivery_list::list_deliveries(tx, workspace, &filter, page)
        }
        insert_redelivery(workspace, delivery, replay, audit_entry) {
            write "adding a redelivery",
            move |tx| replays::insert_redelivery(tx, workspace, delivery, replay, &audit_entry)
        }
        insert_replay(replay, audit_entry) {
            write "adding a replay", move |tx| replays::insert_replay(tx, &replay, &audit_entry)
        }
        insert_test_delivery(new, audit_entry) {
            write "testing an endpoint",
            move |tx| deliveries::insert_test_delivery(tx, &new, &audit_entry)
        }
    }
}
