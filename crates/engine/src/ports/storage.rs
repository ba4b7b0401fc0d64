//! Where everything is kept. One method is one transaction.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::access::{ApiKey, KeyDigest};
use domain::account::Account;
use domain::id::{AccountId, ContactId, KeyId, MessageId, TemplateId, WorkerId, WorkspaceId};
use domain::inbound::Update;
use domain::message::{Direction, Pricing, Status};
use domain::meta_error::MetaError;
use domain::outcome::Accepted;
use domain::phone::{PhoneNumber, UserId};
use domain::window::Window;
use jiff::Timestamp;
use secrecy::SecretString;

use super::ListedTemplate;

/// What went wrong in a store.
///
/// Opaque: callers ask what kind it is, the rest is for the log.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    doing: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store is down, full, locked or read-only: nothing was written; it may work later.
    Unavailable,
    /// Something with this name or number is there already.
    Conflict,
    /// A row cannot be read: somebody or something has damaged it.
    Corrupt,
    /// A fault of ours.
    Bug,
}

impl StoreError {
    /// An error of this kind, met while `doing` something.
    pub fn new(
        kind: StoreErrorKind,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, doing, source: Some(source.into()) }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = source.as_ref();
            source
        })
    }
}

/// Tenants, accounts, keys: what is small, read all the time and changed seldom.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Everything at once.
    async fn directory(&self) -> Result<Directory, StoreError>;

    /// A number that changes when the directory or a template does.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// Adds an account.
    ///
    /// # Errors
    /// `Conflict` when the name or the number is taken.
    async fn account_add(&self, new: NewAccount) -> Result<(), StoreError>;

    /// Removes an account that no longer sends; its messages stay. `false`: there is none.
    async fn account_remove(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Writes down that an account may send, or why it may not.
    async fn account_hold(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Writes down what Meta says of the account's number.
    async fn account_describe(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        number: &super::NumberInfo,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Adds a key.
    async fn key_add(&self, key: ApiKey) -> Result<(), StoreError>;

    /// Takes a key back. `false`: there is none, or it was taken back before.
    async fn key_revoke(&self, workspace: WorkspaceId, id: KeyId, now: Timestamp)
    -> Result<bool, StoreError>;

    /// Writes down when keys were last used.
    async fn keys_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError>;

    /// One template by its identity.
    async fn template(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        name: &str,
        language: &str,
    ) -> Result<Option<StoredTemplate>, StoreError>;

    /// One page of templates.
    async fn templates(
        &self,
        workspace: WorkspaceId,
        filter: &TemplateFilter,
        page: PageRequest,
    ) -> Result<Page<StoredTemplate>, StoreError>;

    /// Writes down what Meta lists.
    async fn templates_put(&self, put: TemplatesPut) -> Result<TemplateCounts, StoreError>;
}

/// Messages, contacts and windows.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Checks the window and writes the message, in one transaction.
    async fn accept(&self, new: NewMessage) -> Result<Admission, StoreError>;

    /// What is known of a recipient, for a check that writes nothing.
    async fn look_up(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        recipient: &Recipient,
    ) -> Result<Known, StoreError>;

    /// Writes down how a handing-over ended.
    ///
    /// Returns [`Settled::Lost`] when the claim is another's by now; a definite answer is written all the same.
    async fn settle(&self, claim: &Claim, end: &Settlement, now: Timestamp) -> Result<Settled, StoreError>;

    /// Writes down what Meta told us: one POST, one transaction.
    async fn ingest(&self, post: Post) -> Result<Ingested, StoreError>;

    /// One message with its story, by our id or Meta's.
    async fn message(
        &self,
        workspace: WorkspaceId,
        key: &MessageKey,
    ) -> Result<Option<MessageStory>, StoreError>;

    /// One page of messages, newest first.
    async fn messages(
        &self,
        workspace: WorkspaceId,
        filter: &MessageFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, StoreError>;

    /// One contact.
    async fn contact(&self, workspace: WorkspaceId, id: ContactId) -> Result<Option<Contact>, StoreError>;

    /// One page of contacts, newest first.
    async fn contacts(
        &self,
        workspace: WorkspaceId,
        filter: &ContactFilter,
        page: PageRequest,
    ) -> Result<Page<Contact>, StoreError>;
}

/// The processes at work.
#[async_trait]
pub trait Work: Send + Sync {
    /// Says that a worker is alive.
    async fn heartbeat(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError>;

    /// Settles what dead workers (silent since before `silent_since`) left behind, at most `limit` messages:
    /// `sending` becomes `unknown`, a sync message that waited becomes `failed` (`interrupted`).
    /// Returns how many were settled.
    async fn recover(&self, silent_since: Timestamp, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Whether the store takes writes.
    async fn probe(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// The directory as it was at `revision`.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// When it was read.
    pub revision: Revision,
    /// Names of workspaces.
    pub workspaces: BTreeMap<WorkspaceId, String>,
    /// Accounts with their secrets.
    pub accounts: Vec<Arc<AccountRecord>>,
    /// Keys by digest.
    pub keys: BTreeMap<KeyDigest, Arc<ApiKey>>,
}

/// Counts changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// Of workspaces, accounts and keys.
    pub directory: i64,
    /// Of templates.
    pub templates: i64,
}

/// An account with its secrets, opened.
#[derive(Clone, Debug)]
pub struct AccountRecord {
    /// The account.
    pub account: Account,
    /// Calls Meta.
    pub access_token: SecretString,
    /// Proves that a webhook is Meta's.
    pub app_secret: Option<SecretString>,
    /// SHA-256 of the word with which Meta checks the callback.
    pub verify_token_digest: Option<[u8; 32]>,
}

/// An account to add.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The account with its secrets.
    pub record: AccountRecord,
    /// When.
    pub created_at: Timestamp,
}

/// A template that is kept.
#[derive(Clone, Debug)]
pub struct StoredTemplate {
    /// Our id.
    pub id: TemplateId,
    /// The WhatsApp Business Account that owns it.
    pub waba_id: String,
    /// Meta's listing of it.
    pub listed: ListedTemplate,
    /// When Meta last told us.
    pub synced_at: Timestamp,
}

/// Which templates to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct TemplateFilter {
    /// With this id of ours.
    pub id: Option<TemplateId>,
    /// Of this WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// With exactly this name.
    pub name: Option<String>,
    /// In this language.
    pub language: Option<String>,
    /// In this status, upper case.
    pub status: Option<String>,
    /// In this category, upper case.
    pub category: Option<String>,
    /// With this in the name.
    pub search: Option<String>,
}

/// What Meta listed of one WhatsApp Business Account.
#[derive(Clone, Debug)]
pub struct TemplatesPut {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The WhatsApp Business Account.
    pub waba_id: String,
    /// The templates, each with the id that it gets if it is new.
    pub templates: Vec<(TemplateId, ListedTemplate)>,
    /// Whether this is all there is: what is missing here is gone at Meta.
    pub is_complete: bool,
    /// When.
    pub now: Timestamp,
}

/// What a sync changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplateCounts {
    /// New ones.
    pub added: u32,
    /// Changed ones.
    pub updated: u32,
    /// Gone ones.
    pub removed: u32,
    /// All there are now.
    pub total: u32,
}

/// Whom a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A phone number.
    Phone(PhoneNumber),
    /// A business-scoped user id.
    User(UserId),
}

/// A message to accept.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its id, and Meta's reference to it.
    pub id: MessageId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The sender.
    pub account: AccountId,
    /// The key that asked.
    pub key: Option<KeyId>,
    /// Whom it goes to.
    pub recipient: Recipient,
    /// The id of the contact, should the recipient be new.
    pub contact: ContactId,
    /// Its `type`.
    pub kind: &'static str,
    /// The object named by the type, as JSON text in Meta's form.
    pub content: Arc<str>,
    /// Whether the window must be open.
    pub needs_window: bool,
    /// Whether it is a marketing template: opted-out people get none.
    pub is_marketing: bool,
    /// The message that it answers.
    pub context_wamid: Option<String>,
    /// Meta's identity check.
    pub recipient_identity_key_hash: Option<String>,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// The process that hands it over.
    pub worker: WorkerId,
    /// The secret of the claim.
    pub token: ClaimToken,
    /// Now.
    pub now: Timestamp,
}

/// Proves that a message is still held by who claimed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimToken(pub i64);

/// A message held for handing over.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The message.
    pub message: MessageId,
    /// The sender.
    pub account: AccountId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The proof.
    pub token: ClaimToken,
}

/// What became of a request to accept.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// On disk, as `sending`.
    Accepted {
        /// The person.
        contact: ContactId,
    },
    /// Nothing was written: the window is closed.
    OutsideWindow(Window),
    /// Nothing was written: the person takes no marketing.
    OptedOut,
    /// Nothing was written: the person takes no marketing before this time.
    Resting(Timestamp),
}

/// What is known of a recipient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// The person, if we know them.
    pub contact: Option<ContactId>,
    /// Their window at the account.
    pub window: Window,
    /// Whether they take no marketing.
    pub has_opted_out: bool,
    /// Until when Meta lets them rest from marketing.
    pub resting_until: Option<Timestamp>,
}

/// How a handing-over ended, decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// Meta took it.
    Sent(Accepted),
    /// It will not be sent.
    Failed(Failure),
    /// Nobody knows.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Our code, such as `meta_error`.
    pub code: &'static str,
    /// Meta's error, if it was Meta's.
    pub meta: Option<MetaError>,
}

/// Whether a settlement was the claim's to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was.
    Held,
    /// Another holds or has settled the message.
    Lost,
}

/// One POST of Meta's, split and routed.
#[derive(Clone, Debug)]
pub struct Post {
    /// The bytes that came.
    pub body: Bytes,
    /// Its parts.
    pub parts: Vec<RoutedPart>,
    /// When it came.
    pub now: Timestamp,
}

/// One part of a POST.
#[derive(Clone, Debug)]
pub struct RoutedPart {
    /// Whom it concerns; `None`: nobody whose secret signed it.
    pub route: Option<Route>,
    /// What it says.
    pub update: Update,
    /// Where it stands in the body: first byte and number of bytes.
    pub span: (u32, u32),
    /// Meta's name of the webhook field, such as `messages`.
    pub field: String,
    /// Why it could not be decoded.
    pub undecodable: Option<String>,
    /// Ids for what the part may create.
    pub ids: FreshIds,
}

/// Whom a part concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The WhatsApp Business Account.
    pub waba_id: String,
    /// The sender, where the part names a number.
    pub account: Option<AccountId>,
}

/// Ids at hand for rows that a part may create.
#[derive(Clone, Copy, Debug)]
pub struct FreshIds {
    /// For an inbound message.
    pub message: MessageId,
    /// For a contact.
    pub contact: ContactId,
}

/// What a POST did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Parts that changed something.
    pub applied: u32,
    /// Parts that had been heard before.
    pub repeated: u32,
    /// Statuses of messages that are not known yet, kept.
    pub early: u32,
    /// Parts of nobody here, kept.
    pub unrouted: u32,
    /// Parts that could not be understood, kept.
    pub undecodable: u32,
    /// Whether a template changed.
    pub has_template_changes: bool,
}

/// How a message is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKey {
    /// By our id.
    Id(MessageId),
    /// By Meta's id.
    Wamid(String),
}

/// A message that is kept.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// Our id.
    pub id: MessageId,
    /// The sender or receiver of ours.
    pub account: AccountId,
    /// The person.
    pub contact: ContactId,
    /// Who wrote.
    pub direction: Direction,
    /// Its `type`.
    pub kind: String,
    /// Where it stands.
    pub status: Status,
    /// Meta's id of it.
    pub wamid: Option<String>,
    /// The person's number: digits.
    pub wa_id: Option<String>,
    /// The person's business-scoped user id.
    pub user_id: Option<String>,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// The object named by the type, as JSON text.
    pub content: Option<String>,
    /// The message that it answers.
    pub context_wamid: Option<String>,
    /// Our code of the failure.
    pub failure_code: Option<String>,
    /// Meta's error.
    pub error: Option<MetaError>,
    /// What it costs.
    pub pricing: Option<Pricing>,
    /// When we took it, or Meta's time of an inbound one.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A message with its story.
#[derive(Clone, Debug)]
pub struct MessageStory {
    /// The message.
    pub message: StoredMessage,
    /// What happened, in the order in which we heard of it.
    pub timeline: Vec<TimelineEntry>,
    /// What Meta sent: the bytes of an inbound message.
    pub raw: Option<Bytes>,
}

/// One thing that happened to a message.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// What.
    pub status: Status,
    /// When: by Meta's time where Meta reported it.
    pub at: Timestamp,
    /// When we heard of it.
    pub heard_at: Timestamp,
    /// Whether Meta reported it, or we did it.
    pub is_report: bool,
    /// Meta's id of the message that it is about.
    pub wamid: Option<String>,
    /// Whether it is about a second copy of the message.
    pub is_duplicate: bool,
    /// Why it failed.
    pub error: Option<MetaError>,
    /// What it costs.
    pub pricing: Option<Pricing>,
}

/// Which messages to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// With this id, ours or Meta's.
    pub key: Option<MessageKey>,
    /// Of this person.
    pub contact: Option<ContactId>,
    /// Of this account.
    pub account: Option<AccountId>,
    /// In this status.
    pub status: Option<Status>,
    /// Of this type.
    pub kind: Option<String>,
    /// In this direction.
    pub direction: Option<Direction>,
    /// With this reference.
    pub client_reference: Option<String>,
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
    /// With this in the person's name or number.
    pub search: Option<String>,
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
    /// When the person last wrote or called.
    pub last_inbound_at: Option<Timestamp>,
    /// Whether the person takes no marketing.
    pub has_opted_out: bool,
    /// When we met.
    pub created_at: Timestamp,
}

/// Which contacts to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct ContactFilter {
    /// With this number: digits.
    pub wa_id: Option<String>,
    /// Who take no marketing, or who do.
    pub has_opted_out: Option<bool>,
    /// With this in the name or number.
    pub search: Option<String>,
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows on a page, 1 to 200.
    pub per_page: u32,
    /// Where it starts.
    pub start: PageStart,
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// At the first row of this page, counted from 1.
    Page(u32),
    /// After the row with this position.
    After(i64),
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many there are in all, counted up to [`COUNT_CAP`].
    pub total: u32,
    /// Whether there are more than that.
    pub is_total_capped: bool,
    /// The position of the last row, if more follow.
    pub next: Option<i64>,
}

/// How far rows are counted.
pub const COUNT_CAP: u32 = 10_000;
