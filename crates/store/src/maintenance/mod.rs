//! Maintenance: retention, erasure, backup, re-encryption, workers.

pub(crate) mod backup;
pub(crate) mod erasure;
pub(crate) mod integrity_check;
pub(crate) mod quarantine;
pub(crate) mod reencrypt;
pub(crate) mod retention;
pub(crate) mod stats;
pub(crate) mod workers;

use crate::access::audit;
use crate::maintenance::erasure::begin;
use crate::sqlite::port_macro::sqlite_port;
use domain::access::audit::AuditEntry;
use domain::id::{ContactId, WorkerId};
use engine::ports::{
    ErasureStep, ExpiredRows, RecentSend, RetentionCursor, RetentionTarget, StoreError, StoreStats,
};
use jiff::Timestamp;

engine::workers_port! {
    sqlite_port for Workers {
        record_heartbeat(worker, now) with sealer {
            write "recording a heartbeat", move |tx| workers::upsert_worker(tx, worker, sealer.key_id(), now)
        }
        deregister_worker(worker) {
            write "deregistering a worker", move |tx| workers::delete_worker(tx, worker)
        }
        recover_messages(silent_since, now, limit) {
            write "recovering messages of dead workers",
            move |tx| workers::recover_leases(tx, silent_since, now, limit)
        }
        get_stats(now) with path {
            read "reading statistics", move |tx| stats::get_stats(tx, &path, now)
        }
        check_writable(now) {
            write "checking that the store is writable", move |tx| workers::probe_write(tx, now)
        }
        list_recent_sends(since) {
            read "reading recent sends", move |tx| workers::list_recent_sends(tx, since)
        }
    }
}

engine::erasures_port! {
    sqlite_port for Erasures {
        begin_erasure(contact, audit_entry) {
            write "beginning an erasure", move |tx| {
                let is_erased = begin::begin_erasure(tx, audit_entry.workspace, contact, audit_entry.at)?;
                if is_erased {
                    audit::insert_entry(tx, &audit_entry)?;
                }
                Ok(is_erased)
            }
        }
        run_erasure_step(limit, now) {
            write "running an erasure step", move |tx| erasure::run_step(tx, limit, now)
        }
        finish_erasures() {
            call erasure::finish_erasures_in_store
        }
    }
}

engine::maintenance_port! {
    sqlite_port for Maintenance {
        list_expired_rows(target, before, after, limit) {
            read "reading expired rows", move |tx| retention::list_expired(tx, target, before, after, limit)
        }
        delete_expired_rows(target, before, rows) {
            write "deleting expired rows", move |tx| retention::delete_expired(tx, target, before, &rows)
        }
        get_restored_backup_time() {
            read "reading the backup marker", quarantine::get_backup_marker
        }
        quarantine_messages(now, limit) {
            write "quarantining messages", move |tx| quarantine::quarantine_messages(tx, now, limit)
        }
    }
}
