//! Templates, as Meta last reported them.

pub(crate) mod components;
pub(crate) mod records;
pub(crate) mod template_events;
pub(crate) mod updates;

use crate::sqlite::port_macro::sqlite_port;
use domain::access::audit::AuditEntry;
use domain::id::WorkspaceId;
use engine::ports::{
    Page, PageRequest, StoreError, StoredTemplate, TemplateDeletion, TemplateFilter, TemplateSync,
    TemplateSyncCounts,
};

engine::templates_port! {
    sqlite_port for TemplateRecords {
        get_template(workspace, waba_id, name, language) cloning(waba_id, name, language) {
            read "reading a template",
            move |tx| records::get_template(tx, workspace, &waba_id, &name, &language)
        }
        list_templates(workspace, filter, page) cloning(filter) {
            read "listing templates", move |tx| records::list_templates(tx, workspace, &filter, page)
        }
        sync_templates(put) {
            write "synchronizing templates", move |tx| records::sync_templates(tx, &put)
        }
        delete_templates(deletion, audit_entry) {
            write "deleting templates", move |tx| records::delete_templates(tx, &deletion, &audit_entry)
        }
    }
}
