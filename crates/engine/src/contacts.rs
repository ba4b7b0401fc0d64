//! People: written down, changed, erased.
//!
//! A contact belongs to its workspace, not to an account. So a key that may use some of the accounts only sees the people
//! that it has a message with; one that is bound to them by its maker changes nobody.

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::contacts::contact::ContactChange;
use domain::contacts::opt_out::OptOutReason;
use domain::id::{AccountId, ContactId, WorkspaceId};
use jiff::SignedDuration;

use crate::access::api_key::Caller;
use crate::ports::{
    Contact, ContactTarget, ContactUpsert, ErasureStep, MessageFilter, PageRequest, PageStart, StoreError,
    UpsertContactResult,
};
use crate::{AuditContext, Deps};

/// How often it is looked whether somebody is left to be erased.
pub const ERASE_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// How many rows one step of an erasure looks at: a few milliseconds of the store's time.
const ROWS_A_STEP: u32 = 500;

/// Whose people the caller sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Those with a message from or to one of these accounts; `None`: everybody.
    pub accounts: Option<Vec<AccountId>>,
    /// Whether those without any message are seen as well: nobody's account speaks against it.
    pub has_unplaced: bool,
}

/// Whose people the caller sees.
pub fn view(deps: &Deps, caller: &Caller) -> View {
    View { accounts: caller.visible(deps), has_unplaced: !caller.names_accounts() }
}

/// One contact, as far as the caller may see it. The inner `None`: it is there, and others' business.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(
    deps: &Deps,
    caller: &Caller,
    id: ContactId,
) -> Result<Option<Option<Contact>>, StoreError> {
    let workspace = caller.workspace();
    let Some(found) = deps.contacts.get_contact(workspace, id).await? else { return Ok(None) };
    let View { accounts, has_unplaced } = view(deps, caller);
    let Some(accounts) = accounts else { return Ok(Some(Some(found))) };
    let one = PageRequest { per_page: 1, start: PageStart::Page(1) };
    let with = |accounts| MessageFilter { contact: Some(id), accounts, ..MessageFilter::default() };
    let is_seen = deps.messages.list_messages(workspace, &with(Some(accounts)), one).await?.total > 0
        || has_unplaced && deps.messages.list_messages(workspace, &with(None), one).await?.total == 0;
    Ok(Some(is_seen.then_some(found)))
}

/// What somebody wants to be written down.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom it is about.
    pub target: ContactTarget,
    /// What.
    pub change: ContactChange,
    /// Who says so.
    pub reason: OptOutReason,
}

/// Writes down one thing about one person.
///
/// # Errors
/// When the store cannot be written.
pub async fn put(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    target: ContactTarget,
    change: ContactChange,
) -> Result<UpsertContactResult, StoreError> {
    let request = Request { target, change, reason: OptOutReason::Api };
    let ends = put_all(deps, (audit, Batch::One), workspace, vec![request]).await?;
    Ok(ends.into_iter().next().unwrap_or(UpsertContactResult::NotFound))
}

/// What many things are written down for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// There is only one.
    One,
    /// A list.
    List,
    /// A part of a table.
    Table,
    /// To know what would become of it: nothing is written.
    DryRun,
}

impl Batch {
    /// What the audit log says of it; of one, the store knows whom it was about, and whether the person was new.
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

/// Writes things down about people, each for itself; a rehearsal only says what would become of them.
///
/// # Errors
/// When the store cannot be written: then nothing is.
pub async fn put_all(
    deps: &Deps,
    (audit, batch): (&AuditContext, Batch),
    workspace: WorkspaceId,
    requests: Vec<Request>,
) -> Result<Vec<UpsertContactResult>, StoreError> {
    let put = |request: Request| {
        let Request { target, change, reason } = request;
        ContactUpsert { target, change, reason, fresh: deps.new_id(ContactId::from_parts) }
    };
    let puts = requests.into_iter().map(put).collect();
    deps.contacts.upsert_contacts(workspace, puts, batch.entry(deps, audit, workspace), deps.now()).await
}

/// Erases a person for good. What is more than a few rows follows in [`tick`]. `false`: there is no such contact.
///
/// # Errors
/// When the store cannot be written.
pub async fn erase(
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
        deps.erase_hint.notify_one();
    }
    Ok(is_erased)
}

/// Goes on with what is left to erase, step by step, until nothing is. Returns how many steps were taken.
///
/// # Errors
/// When the store cannot be used; the next round goes on where this one ended.
pub async fn tick(deps: &Deps) -> Result<u32, StoreError> {
    let mut n_steps = 0_u32;
    loop {
        match deps.erasures.run_erasure_step(ROWS_A_STEP, deps.now()).await? {
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
