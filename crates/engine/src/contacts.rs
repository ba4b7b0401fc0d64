//! Contacts: reads, changes, erasure.
//!
//! A contact belongs to its workspace, not to an account. A key that may use only some accounts sees the contacts that
//! have a message from or to one of these accounts, and a key that lists accounts changes no contacts.

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::contacts::contact::ContactChange;
use domain::contacts::opt_out::OptOutReason;
use domain::id::{AccountId, ContactId, WorkspaceId};
use jiff::SignedDuration;

use crate::access::caller::Caller;
use crate::ports::{
    Contact, ContactRef, ContactTarget, ContactUpsert, ErasureStep, MessageFilter, PageRequest, PageStart,
    StoreError, UpsertContactResult,
};
use crate::{AuditContext, Deps};

/// Interval at which the store is searched for erasures that are not finished.
pub const ERASURE_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
/// Maximum number of rows that a step of an erasure reads. A step takes a few milliseconds.
const ROWS_PER_STEP: u32 = 500;

/// Contacts that a caller may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactVisibility {
    /// Accounts; contacts with a message from or to one of them are visible. `None`: all contacts are visible.
    pub accounts: Option<Vec<AccountId>>,
    /// `true` if contacts without messages are visible as well.
    pub includes_without_messages: bool,
}

/// Returns the contacts that the caller may see.
pub fn contact_visibility(deps: &Deps, caller: &Caller) -> ContactVisibility {
    ContactVisibility {
        accounts: caller.visible_accounts(deps),
        includes_without_messages: !caller.is_account_restricted(),
    }
}

/// Contact that was looked up for a caller.
#[derive(Clone, Debug, PartialEq)]
pub enum ContactLookup {
    /// The contact exists and the caller may see it.
    Visible(Box<Contact>),
    /// The contact exists, but the caller may not see it.
    Hidden,
}

impl ContactLookup {
    /// Returns the contact if the caller may see it.
    pub fn visible(self) -> Option<Contact> {
        match self {
            Self::Visible(contact) => Some(*contact),
            Self::Hidden => None,
        }
    }
}

/// Looks up a contact for a caller. Returns `None` if the contact does not exist.
///
/// # Errors
/// The store cannot be read.
pub async fn get_contact(
    deps: &Deps,
    caller: &Caller,
    id: ContactId,
) -> Result<Option<ContactLookup>, StoreError> {
    let workspace = caller.workspace();
    let Some(found) = deps.contacts.get_contact(workspace, id).await? else { return Ok(None) };
    let ContactVisibility { accounts, includes_without_messages } = contact_visibility(deps, caller);
    let Some(accounts) = accounts else { return Ok(Some(ContactLookup::Visible(Box::new(found)))) };
    let one_row = PageRequest { per_page: 1, start: PageStart::Page(1) };
    let with =
        |accounts| MessageFilter { contact: Some(ContactRef::Id(id)), accounts, ..MessageFilter::default() };
    let is_visible = deps.messages.list_messages(workspace, &with(Some(accounts)), one_row).await?.total > 0
        || includes_without_messages
            && deps.messages.list_messages(workspace, &with(None), one_row).await?.total == 0;
    Ok(Some(if is_visible { ContactLookup::Visible(Box::new(found)) } else { ContactLookup::Hidden }))
}

/// Request to create or update a contact.
#[derive(Clone, Debug)]
pub struct ContactRequest {
    /// Contact to create or update.
    pub target: ContactTarget,
    /// New values.
    pub change: ContactChange,
    /// Source of an opt-out or opt-in in the change.
    pub reason: OptOutReason,
}

/// Creates or updates one contact.
///
/// # Errors
/// The store cannot be written.
pub async fn upsert_contact(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    target: ContactTarget,
    change: ContactChange,
) -> Result<UpsertContactResult, StoreError> {
    let request = ContactRequest { target, change, reason: OptOutReason::Api };
    let results = upsert_contacts(deps, audit, ContactBatch::One, workspace, vec![request]).await?;
    Ok(results.into_iter().next().unwrap_or(UpsertContactResult::NotFound))
}

/// Origin of a batch of contact requests. It determines the audit entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactBatch {
    /// Request about one contact.
    One,
    /// Request with a list of contacts.
    List,
    /// Rows of an imported table.
    Table,
    /// Dry run: nothing is written.
    DryRun,
}

impl ContactBatch {
    /// Returns the audit entry. The store completes the entry of a single contact with the contact's id, and with the
    /// action of a creation if the contact is new.
    fn entry(self, deps: &Deps, audit: &AuditContext, workspace: WorkspaceId) -> Option<AuditEntry> {
        let (action, kind) = match self {
            Self::One => (AuditAction::ContactChanged, AuditTargetKind::Contact),
            Self::List => (AuditAction::ContactsPut, AuditTargetKind::Workspace),
            Self::Table => (AuditAction::ContactsImported, AuditTargetKind::Workspace),
            Self::DryRun => return None,
        };
        let id = workspace.to_string();
        Some(audit.entry(deps, workspace, action, AuditTarget { kind, id, name: None }))
    }
}

/// Creates or updates contacts. Each request succeeds or fails by itself; the results are in the order of the requests. A
/// dry run returns the results without writing.
///
/// # Errors
/// The store cannot be written. Nothing was written.
pub async fn upsert_contacts(
    deps: &Deps,
    audit: &AuditContext,
    batch: ContactBatch,
    workspace: WorkspaceId,
    requests: Vec<ContactRequest>,
) -> Result<Vec<UpsertContactResult>, StoreError> {
    let upsert = |request: ContactRequest| {
        let ContactRequest { target, change, reason } = request;
        ContactUpsert { target, change, reason, new_id: deps.new_id(ContactId::from_parts) }
    };
    let upserts = requests.into_iter().map(upsert).collect();
    deps.contacts.upsert_contacts(workspace, upserts, batch.entry(deps, audit, workspace), deps.now()).await
}

/// Erases a contact with its messages and files. The contact is deleted at once; [`run_erasures`] erases the rest. Returns
/// `false` if the contact does not exist.
///
/// # Errors
/// The store cannot be written.
pub async fn erase_contact(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    contact: ContactId,
) -> Result<bool, StoreError> {
    let subject = AuditTarget { kind: AuditTargetKind::Contact, id: contact.to_string(), name: None };
    let entry = audit.entry(deps, workspace, AuditAction::ContactErased, subject);
    let is_erased = deps.erasures.begin_erasure(contact, entry).await?;
    if is_erased {
        deps.media.expiry_hint.notify_one();
        deps.erasure_hint.notify_one();
    }
    Ok(is_erased)
}

/// Runs the steps of all erasures that are not finished. Returns the number of steps.
///
/// # Errors
/// The store cannot be read or written. The next call continues.
pub async fn run_erasures(deps: &Deps) -> Result<u32, StoreError> {
    let mut n_steps = 0_u32;
    loop {
        match deps.erasures.run_erasure_step(ROWS_PER_STEP, deps.now()).await? {
            ErasureStep::Idle => return Ok(n_steps),
            ErasureStep::RowsRemain => {}
            ErasureStep::FilesRemain => {
                if !deps.erasures.finish_erasures().await? {
                    return Ok(n_steps);
                }
            }
        }
        n_steps = n_steps.saturating_add(1);
        if deps.stopping.is_cancelled() {
            return Ok(n_steps);
        }
    }
}
