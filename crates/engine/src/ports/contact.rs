//! What the store keeps of people, and how it is changed and erased.

use async_trait::async_trait;
use domain::access::audit::AuditEntry;
use domain::contacts::contact::ContactChange;
use domain::contacts::opt_out::OptOutReason;
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::json::Object;
use domain::messages::window::Window;
use jiff::Timestamp;

use super::StoreError;

/// A person.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Our id.
    pub id: ContactId,
    /// The number: digits.
    pub wa_id: Option<String>,
    /// The business-scoped user id.
    pub user_id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The user name that the person has chosen at WhatsApp.
    pub username: Option<String>,
    /// Words that sort people into groups.
    pub tags: Vec<String>,
    /// How far the person is on the way to whatever the application wants.
    pub stage: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whatever else the application keeps.
    pub custom_fields: Object,
    /// When the person last wrote or called.
    pub last_inbound_at: Option<Timestamp>,
    /// Since when, and why, the person takes no marketing.
    pub opted_out: Option<(Timestamp, OptOutReason)>,
    /// When we met.
    pub created_at: Timestamp,
}

/// Which contacts to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct ContactFilter {
    /// With a message from or to one of these accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// Where accounts are named: those without any message as well.
    pub has_unplaced: bool,
    /// With one of these numbers: digits. Spellings of one number are one person.
    pub wa_ids: Option<Vec<String>>,
    /// With this tag.
    pub tag: Option<String>,
    /// At this stage.
    pub stage: Option<String>,
    /// Who take no marketing, or who do.
    pub has_opted_out: Option<bool>,
    /// With this in the name or number.
    pub search: Option<String>,
}

/// A wish to write something down about a person.
#[derive(Clone, Debug)]
pub struct ContactUpsert {
    /// Whom it is about.
    pub target: ContactTarget,
    /// What.
    pub change: ContactChange,
    /// Who says that the person takes no marketing, or takes it again.
    pub reason: OptOutReason,
    /// The id of the contact, should the person be new.
    pub fresh: ContactId,
}

/// Whom a [`ContactUpsert`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactTarget {
    /// Somebody who is not known.
    New,
    /// Whoever has the number or user id of the change; somebody new if nobody has.
    Matching,
    /// The person with this id.
    Existing(ContactId),
}

/// What became of a [`ContactUpsert`].
#[derive(Clone, Debug, PartialEq)]
pub enum UpsertContactResult {
    /// There is a new contact.
    Created(Contact),
    /// The contact is as wished.
    Updated(Contact),
    /// The contact was as wished before.
    Unchanged(Contact),
    /// Nothing was written: the number or user id is this contact's.
    Conflict(ContactId),
    /// Nothing was written: there is no such contact.
    NotFound,
    /// Nothing was written: the person would be known by nothing.
    NoIdentifier,
    /// Nothing was written: there would be this many custom fields, which is too many.
    TooManyFields(usize),
}

/// The windows of a person: account and window.
pub type Windows = Vec<(AccountId, Window)>;

/// People: what is written down about them, and how they are forgotten.
#[async_trait]
pub trait Contacts: Send + Sync {
    /// Writes things down about people, each for itself: one that cannot be written takes nobody with it. The ends are in
    /// the order of the wishes. Without an act it is a rehearsal, which tells what would become of each and writes
    /// nothing. The act is written if anything has changed: with the counts; one about a contact, with the contact's id,
    /// and as its creation where the contact is new.
    async fn upsert_contacts(
        &self,
        workspace: WorkspaceId,
        puts: Vec<ContactUpsert>,
        act: Option<AuditEntry>,
        now: Timestamp,
    ) -> Result<Vec<UpsertContactResult>, StoreError>;

    /// The names of all custom fields, in order, at most `limit`.
    async fn list_custom_field_names(
        &self,
        workspace: WorkspaceId,
        limit: u32,
    ) -> Result<Vec<String>, StoreError>;

    /// The windows of a person, of the accounts where there ever was one.
    async fn list_contact_windows(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
    ) -> Result<Windows, StoreError>;

    /// Begins to erase a person of the act's workspace, who is gone from now on; what waits in the queue for them is canceled. `false`: there
    /// is no such contact.
    async fn begin_erasure(&self, contact: ContactId, act: AuditEntry) -> Result<bool, StoreError>;

    /// Takes the oldest erasure a step further, which looks at `limit` rows at most.
    async fn run_erasure_step(&self, limit: u32, now: Timestamp) -> Result<ErasureStep, StoreError>;

    /// Takes what was erased out of the store's files, and ends the erasures that have come so far. `false`: a reader is
    /// in the way; nothing is lost by trying again.
    async fn finish_erasures(&self) -> Result<bool, StoreError>;
}

/// How far the erasures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureStep {
    /// There is nothing to erase.
    Idle,
    /// There is more to look at.
    RowsRemain,
    /// The rows are clean; the files are next.
    FilesRemain,
}
