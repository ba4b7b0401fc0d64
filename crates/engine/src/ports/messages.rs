//! Messages and their queues.

use super::port_macro::port;
use super::{
    AttemptResult, CachedResponse, CancelMessageResult, IdempotencyRecord, InsertMessageResult, Lease,
    LeaseBatch, LeaseCheck, LeaseRequest, LeaseToken, LeasedMessage, MessageDetail, MessageFilter,
    MessageKey, NewMessage, Page, PageRequest, Recipient, StoreError, StoredMessage,
};
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, MessageId, OwnerId, WorkerId, WorkspaceId};
use domain::messages::admission::AdmissionFacts;
use jiff::Timestamp;
use std::collections::BTreeMap;

port! {
    storage messages_port;

    /// Messages and their attempts.
    pub trait Messages {
        /// Checks the window and writes the message, in one transaction.
        async fn insert_message(&self, new: NewMessage) -> Result<InsertMessageResult, StoreError>;

        /// Returns the facts that the admission of a message depends on, except for the next send slot.
        async fn get_admission_facts(
            &self,
            workspace: WorkspaceId,
            account: AccountId,
            recipient: &Recipient,
        ) -> Result<AdmissionFacts, StoreError>;

        /// Writes down that a held message leaves now. [`LeaseCheck::Lost`]: it must not be sent.
        async fn begin_attempt(&self, lease: &Lease, now: Timestamp) -> Result<LeaseCheck, StoreError>;

        /// Writes down how a handing-over ended.
        ///
        /// Returns [`LeaseCheck::Lost`] when the claim is another's by now; a definite answer is written all the same.
        ///
        /// `answer` is kept for repeated requests, in the same transaction; without one the caller's key is free again, unless
        /// the message waits for another attempt.
        async fn finish_attempt(
            &self,
            lease: &Lease,
            end: &AttemptResult,
            answer: Option<CachedResponse>,
            now: Timestamp,
        ) -> Result<LeaseCheck, StoreError>;

        /// Claims messages of the queue that are due: the first of each contact, oldest first. A message whose window has
        /// closed is changed to its fallback, or failed.
        async fn lease_due_messages(&self, request: LeaseRequest) -> Result<LeaseBatch, StoreError>;

        /// Takes a message back that waits in the queue.
        async fn cancel_message(
            &self,
            workspace: WorkspaceId,
            id: MessageId,
            now: Timestamp,
        ) -> Result<CancelMessageResult, StoreError>;

        /// Claims a message whose outcome is unknown, to send it again; that happens once.
        async fn lease_unknown_message(
            &self,
            workspace: WorkspaceId,
            id: MessageId,
            audit: (WorkerId, LeaseToken),
            audit_entry: AuditEntry,
        ) -> Result<Option<LeasedMessage>, StoreError>;

        /// Gives up a message whose outcome is unknown. `false`: it is not unknown, or it is being sent again.
        async fn fail_unknown_message(
            &self,
            workspace: WorkspaceId,
            id: MessageId,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// The caller's key for repeated requests, if it was used before.
        async fn get_idempotency_record(
            &self,
            workspace: WorkspaceId,
            owner: OwnerId,
            key: &str,
            now: Timestamp,
        ) -> Result<Option<IdempotencyRecord>, StoreError>;

        /// One message with its story, by our id or Meta's.
        async fn get_message(
            &self,
            workspace: WorkspaceId,
            key: &MessageKey,
        ) -> Result<Option<MessageDetail>, StoreError>;

        /// One page of messages, newest first.
        async fn list_messages(
            &self,
            workspace: WorkspaceId,
            filter: &MessageFilter,
            page: PageRequest,
        ) -> Result<Page<StoredMessage>, StoreError>;
    }
}

port! {
    storage message_queue_port;

    /// Queues of messages and the limits that apply to them.
    pub trait MessageQueue {
        /// Ends messages of the queue whose time has run out or whose account is gone, and forgets kept answers and reports
        /// of unknown messages whose time has run out, at most `limit` of each. Returns how many messages ended.
        async fn expire_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

        /// How many messages wait in each account's queue.
        async fn list_queue_depths(&self) -> Result<BTreeMap<AccountId, u32>, StoreError>;

        /// How many people templates have reached outside their window since a time, by WhatsApp Business Account.
        async fn get_messaging_limit_usage(
            &self,
            workspace: WorkspaceId,
            since: Timestamp,
        ) -> Result<BTreeMap<String, u32>, StoreError>;

        /// Forgets people whom the messaging limit counts no more, and writes the event of each limit that has come to a mark.
        async fn update_messaging_limits(&self, now: Timestamp) -> Result<(), StoreError>;
    }
}
