//! What Meta posted, as it is kept.

use bytes::Bytes;
use domain::contacts::opt_out::OptOutSignal;
use domain::id::{AccountId, ContactId, MediaId, MessageId, WorkspaceId};
use domain::webhooks_in::update::WebhookUpdate;
use jiff::Timestamp;

/// What shows that a POST is Meta's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The signature header, as it came.
    pub signature: Option<Bytes>,
    /// The accounts whose secret verified it when it came.
    pub signers: Vec<AccountId>,
}

/// A POST that is in the store already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Its place.
    pub seq: i64,
    /// When it came.
    pub heard_at: Timestamp,
}

/// A POST as it is kept.
#[derive(Clone, Debug)]
pub struct KeptPost {
    /// Where and since when it is kept.
    pub again: Again,
    /// The bytes that came.
    pub body: Bytes,
    /// What shows that it is Meta's.
    pub proof: Proof,
}

/// Which kept POSTs to take once more.
#[derive(Clone, Copy, Debug)]
pub struct KeptPosts {
    /// That came at this time or later.
    pub since: Timestamp,
    /// Only those with a part in this state.
    pub with: Option<PartState>,
    /// After this place.
    pub after: i64,
    /// At most this many.
    pub limit: u32,
}

/// What became of a part that changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartState {
    /// Nobody here was concerned, or nobody whose secret signed it.
    Unrouted,
    /// It could not be understood.
    Undecodable,
}

impl PartState {
    /// The word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unrouted => "unrouted",
            Self::Undecodable => "undecodable",
        }
    }
}

/// One POST of Meta's, split and routed.
#[derive(Clone, Debug)]
pub struct Post {
    /// The bytes that came.
    pub body: Bytes,
    /// Its parts.
    pub parts: Vec<RoutedPart>,
    /// What shows that it is Meta's.
    pub proof: Proof,
    /// Set when it is taken once more, by a decoder that may understand more of it.
    pub again: Option<Again>,
    /// Now.
    pub now: Timestamp,
}

/// One part of a POST.
#[derive(Clone, Debug)]
pub struct RoutedPart {
    /// Whom it concerns; `None`: nobody whose secret signed it.
    pub route: Option<Route>,
    /// What it says.
    pub update: WebhookUpdate,
    /// Where it stands in the body: first byte and number of bytes.
    pub span: (u32, u32),
    /// Meta's name of the webhook field, such as `messages`.
    pub field: String,
    /// The WhatsApp Business Account that it names.
    pub waba_id: Option<String>,
    /// The number that it names.
    pub phone_number_id: Option<String>,
    /// When Meta says that it happened, where the envelope tells.
    pub time: Option<Timestamp>,
    /// Why it could not be decoded.
    pub undecodable: Option<String>,
    /// Ids for what the part may create.
    pub ids: FreshIds,
    /// What the person asks for with it.
    pub wish: Option<OptOutSignal>,
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
    /// For a file.
    pub media: MediaId,
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
    /// Whether there is a file to fetch.
    pub has_media: bool,
    /// Whether an account changed.
    pub has_account_changes: bool,
    /// Whether Meta told that the words of a template have changed: its list tells the rest.
    pub has_new_words: bool,
}
