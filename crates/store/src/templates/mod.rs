//! Templates, as Meta last reported them.

pub(crate) mod components;
pub(crate) mod records;
pub(crate) mod template_events;
pub(crate) mod template_key;
pub(crate) mod updates;

use crate::sqlite::port_macro::sqlite_port;
use crate::templates::template_key::TemplateKey;
use domain::access::audit::AuditEntry;
use domain::id::WorkspaceId;
use engine::ports::{
    Page, PageRequest, StoreError, StoredTemplate, TemplateDeletion, TemplateFilter, TemplateNames,
    TemplateSync, TemplateSyncCounts,
};
use jiff::Timestamp;

engine::templates_port! {
    sqlite_port for TemplateRecords {
        get_template(workspace, waba_id, name, language) cloning(waba_id, name, language) {
            read "reading a template",
            move |tx| records::get_template(
                tx, TemplateKey { workspace, waba_id: &waba_id, name: &name, language: &language })
        }
        list_templates(workspace, filter, page) cloning(filter) {
            list "listing templates", move |tx| records::list_templates(tx, workspace, &filter, page)
        }
        list_template_names(workspace, waba_id, name) cloning(waba_id, name) {
            read "listing template names", move |tx| records::list_template_names(tx, workspace, &waba_id, &name)
        }
        get_templates_synced_at(workspace, waba_id) cloning(waba_id) {
            read "reading the time of a synchronization",
            move |tx| records::get_templates_synced_at(tx, workspace, &waba_id)
        }
        sync_templates(sync) {
            write "synchronizing templates", move |tx| records::sync_templates(tx, &sync)
        }
        delete_templates(deletion, audit_entry) {
            write "deleting templates", move |tx| records::delete_templates(tx, &deletion, &audit_entry)
        }
    }
}
