//! Contacts: lookup, creation, update, merge, number changes, opt-outs, customer service windows.

pub(crate) mod contact_events;
pub(crate) mod contact_fields;
pub(crate) mod lookup;
pub(crate) mod merge;
pub(crate) mod number_changes;
pub(crate) mod numbers;
pub(crate) mod opt_out;
pub(crate) mod preferences;
pub(crate) mod records;
pub(crate) mod renumber;
pub(crate) mod resolve;
pub(crate) mod service_windows;
pub(crate) mod tags;
pub(crate) mod upsert;

use crate::sqlite::port_macro::sqlite_port;
use domain::access::audit::AuditEntry;
use domain::id::{ContactId, WorkspaceId};
use engine::ports::{
    Contact, ContactFilter, ContactUpsert, Page, PageRequest, StoreError, UpsertContactResult, Windows,
};
use jiff::Timestamp;

engine::contacts_port! {
    sqlite_port for Contacts {
        get_contact(workspace, id) {
            read "reading a contact", move |tx| records::get_contact(tx, workspace, id)
        }
        list_contacts(workspace, filter, page) cloning(filter) {
            list "listing contacts", move |tx| records::list_contacts(tx, workspace, &filter, page)
        }
        upsert_contacts(workspace, upserts, audit_entry, now) {
            write "writing contacts",
            move |tx| upsert::upsert_contacts(tx, workspace, &upserts, audit_entry.as_ref(), now)
        }
        list_custom_field_names(workspace, limit) {
            list "reading custom field names", move |tx| records::list_custom_field_names(tx, workspace, limit)
        }
        list_contact_windows(workspace, contact) {
            read "reading a contact's windows", move |tx| service_windows::list_windows(tx, workspace, contact)
        }
    }
}
