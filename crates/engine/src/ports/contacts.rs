//! Contacts.

use super::port_macro::port;
use super::{Page, PageRequest, StoreError};
use domain::access::audit::AuditEntry;
use domain::contacts::contact::ContactChange;
use domain::contacts::opt_out::OptOutReason;
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::json::Object;
use domain::messages::window::Window;
use jiff::Timestamp;

port! {
    storage contacts_port;

    /// Contacts: create, update, list and erase.
    pub trait Contacts {
        /// One contact.
        async fn get_contact(&self, workspace: WorkspaceId, id: ContactId)
        -> Result<Option<Contact>, StoreError>;

        /// One page of contacts, newest first.
        async fn list_contacts(
            &self,
            workspace: WorkspaceId,
            filter: &ContactFilter,
            page: PageRequest,
        ) -> Result<Page<Contact>, StoreError>;

        /// Writes things down about people, each for itself: one that cannot be written takes nobody with it. The ends are in
        /// the order of the wishes. Without an act it is a rehearsal, which tells what would become of each and writes
        /// nothing. The act is written if anything has changed: with the counts; one about a contact, with the contact's id,
        /// and as its creation where the contact is new.
        async fn upsert_contacts(
            &self,
            workspace: WorkspaceId,
            puts: Vec<ContactUpsert>,
            audit_entry: Option<AuditEntry>,
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
    }
}

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
