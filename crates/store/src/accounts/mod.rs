//! Accounts, and the updates of accounts that Meta reports.

pub(crate) mod account_events;
pub(crate) mod account_updates;
pub(crate) mod directory;
pub(crate) mod records;
pub(crate) mod status;
pub(crate) mod token_expiry;

use crate::access::workspaces;
use crate::revisions;
use crate::scope::Scope;
use crate::sqlite::port_macro::sqlite_port;
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, WorkspaceId};
use engine::ports::{
    AccountChanges, AccountSuspension, DeleteAccountResult, Directory, NewAccount, PhoneNumberInfo, Revision,
    StoreError,
};
use jiff::Timestamp;

engine::accounts_port! {
    sqlite_port for Accounts {
        get_directory() with sealer {
            read "reading the accounts and keys", move |tx| directory::get_directory(tx, &sealer)
        }
        get_revision() {
            read "reading the revision", revisions::get_revision
        }
        insert_workspace(id, name, audit_entry) cloning(name) {
            write "adding a workspace", move |tx| workspaces::insert_workspace(tx, id, &name, &audit_entry)
        }
        insert_account(new, audit_entry) with sealer {
            write "adding an account", move |tx| records::insert_account(tx, &sealer, &new, &audit_entry)
        }
        update_account(workspace, id, changes, audit_entry) with sealer {
            write "changing an account",
            move |tx| records::update_account(tx, &sealer, Scope { workspace, account: id }, &changes, &audit_entry)
        }
        update_account_suspension(workspace, id, suspension, audit_entry) {
            write "updating an account's suspension",
            move |tx| status::update_status(tx, Scope { workspace, account: id }, suspension.as_ref(), &audit_entry)
        }
        resume_probed_account(workspace, id, reason, audit_entry) {
            write "resuming an account after a probe",
            move |tx| status::resume_probed(tx, Scope { workspace, account: id }, &reason, &audit_entry)
        }
        update_account_number(workspace, id, number, now) cloning(number) {
            write "updating an account's number",
            move |tx| status::update_profile(tx, workspace, id, &number, now)
        }
        update_account_token_expiry(workspace, id, expires_at, now) {
            write "updating a token's expiry",
            move |tx| token_expiry::update_token_expiry(tx, workspace, id, expires_at, now)
        }
        delete_account(workspace, id, is_forced, audit_entry) {
            write "removing an account",
            move |tx| records::delete_account(tx, workspace, id, is_forced, &audit_entry)
        }
    }
}
