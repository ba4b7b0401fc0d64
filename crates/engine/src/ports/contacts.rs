//! Contacts.

use super::port_macro::port;
use super::storage::{Page, PageRequest, StoreError};
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
        /// Returns a contact.
        async fn get_contact(&self, workspace: WorkspaceId, id: ContactId)
        -> Result<Option<Contact>, StoreError>;

        /// Returns a page of contacts, newest first.
        async fn list_contacts(
            &self,
            workspace: WorkspaceId,
            filter: &ContactFilter,
            page: PageRequest,
        ) -> Result<Page<Contact>, StoreError>;

        /// Creates or updates contacts. Each upsert succeeds or fails by itself; the results are in the order of the upserts.
        ///
        /// Without an audit entry this is a dry run: the results are those of the upserts, and nothing is written. The audit
        /// entry is written if a contact changed, and gets the numbers of contacts by result. An entry whose target is a
        /// contact gets the id of the contact, and the action of a creation if the contact is new.
        async fn upsert_contacts(
            &self,
            workspace: WorkspaceId,
            upserts: Vec<ContactUpsert>,
            audit_entry: Option<AuditEntry>,
            now: Timestamp,
        ) -> Result<Vec<UpsertContactResult>, StoreError>;

        /// Returns the names of all custom fields, in alphabetical order, at most `limit`.
        async fn list_custom_field_names(
            &self,
            workspace: WorkspaceId,
            limit: u32,
        ) -> Result<Vec<String>, StoreError>;

        /// Returns the customer service windows of a contact, one for each account that ever had one.
        async fn list_contact_windows(
            &self,
            workspace: WorkspaceId,
            contact: ContactId,
        ) -> Result<Windows, StoreError>;
    }
}

/// Contact: a WhatsApp user that the workspace knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Identifier.
    pub id: ContactId,
    /// WhatsApp id: the phone number, digits.
    pub wa_id: Option<String>,
    /// Business-scoped user id.
    pub user_id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// User name at WhatsApp.
    pub username: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Stage in a process of the application, such as `lead`.
    pub stage: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Custom fields of the application.
    pub custom_fields: Object,
    /// Time of the last inbound message or call.
    pub last_inbound_at: Option<Timestamp>,
    /// Time and reason of the opt-out from marketing messages.
    pub opted_out: Option<(Timestamp, OptOutReason)>,
    /// Time of creation.
    pub created_at: Timestamp,
}

/// Filter of contacts; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct ContactFilter {
    /// Accounts; matches contacts with a message from or to one of them.
    pub accounts: Option<Vec<AccountId>>,
    /// `true` if contacts without messages match as well. No effect without `accounts`.
    pub includes_without_messages: bool,
    /// Phone numbers, digits. All spellings of one number match the same contact.
    pub wa_ids: Option<Vec<String>>,
    /// User name at WhatsApp; upper and lower case are equal.
    pub username: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// `true` matches contacts that opted out, `false` the other contacts.
    pub has_opted_out: Option<bool>,
    /// Text contained in the name or the phone number.
    pub search: Option<String>,
}

/// Creation or change of a contact.
#[derive(Clone, Debug)]
pub struct ContactUpsert {
    /// Contact to create or update.
    pub target: ContactTarget,
    /// New values.
    pub change: ContactChange,
    /// Source of an opt-out or opt-in in the change.
    pub reason: OptOutReason,
    /// Identifier of the contact if it is created.
    pub new_id: ContactId,
}

/// Contact that a [`ContactUpsert`] creates or updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactTarget {
    /// New contact.
    New,
    /// Contact with the phone number or user id of the change; a new contact if none matches.
    Matching,
    /// Contact with this id.
    Existing(ContactId),
}

/// Result of a [`ContactUpsert`].
#[derive(Clone, Debug, PartialEq)]
pub enum UpsertContactResult {
    /// The contact was created.
    Created(Contact),
    /// The contact was updated.
    Updated(Contact),
    /// The contact already had the values.
    Unchanged(Contact),
    /// Nothing was written: this contact has the phone number or user id.
    Conflict(ContactId),
    /// Nothing was written: the contact does not exist.
    NotFound,
    /// Nothing was written: the contact would have no phone number and no user id.
    NoIdentifier,
    /// Nothing was written: the contact would have this number of custom fields, which exceeds the limit.
    TooManyFields(usize),
}

/// Customer service windows of a contact: account and window.
pub type Windows = Vec<(AccountId, Window)>;
