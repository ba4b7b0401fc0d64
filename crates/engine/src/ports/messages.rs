//! Ports of messages and their queues.

use super::lease::LeaseCheck;
use super::message_records::{
    AttemptResult, CachedResponse, CancelMessageResult, IdempotencyRecord, InsertMessageResult, Lease,
    LeaseBatch, LeaseHolder, LeaseRequest, LeasedMessage, MessageDetail, MessageFilter, MessageKey,
    NewMessage, RescheduleRequest, RescheduleResult, StoredMessage,
};
use super::port_macro::port;
use super::recipient::Recipient;
use super::storage::{Page, PageRequest, StoreError};
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, MessageId, OwnerId, WorkspaceId};
use domain::messages::admission::AdmissionFacts;
use jiff::Timestamp;
use std::collections::BTreeMap;

port! {
    storage messages_port;

    /// Messages and their attempts.
    pub trait Messages {
        /// Decides about the admission of a message and inserts the message, in one transaction.
        async fn insert_message(&self, new: NewMessage) -> Result<InsertMessageResult, StoreError>;

        /// Returns the facts that the admission of a message depends on, except for the next send slot.
        async fn get_admission_facts(
            &self,
            workspace: WorkspaceId,
            account: AccountId,
            recipient: &Recipient,
        ) -> Result<AdmissionFacts, StoreError>;

        /// Sets a leased message to `sending`. After [`LeaseCheck::Lost`], the message must not be sent.
        async fn begin_attempt(&self, lease: &Lease, now: Timestamp) -> Result<LeaseCheck, StoreError>;

        /// Stores the result of an attempt.
        ///
        /// Returns [`LeaseCheck::Lost`] if the lease is not valid any more; a definite result is stored anyway.
        ///
        /// In the same transaction, `response` is cached for repeated requests. Without a response the idempotency key can be
        /// used again, unless another attempt follows or the outcome is unknown.
        async fn finish_attempt(
            &self,
            lease: &Lease,
            result: &AttemptResult,
            response: Option<CachedResponse>,
            now: Timestamp,
        ) -> Result<LeaseCheck, StoreError>;

        /// Leases due messages: the first message of each contact, oldest first. A message whose customer service window is
        /// closed is sent as its fallback, or fails.
        async fn lease_due_messages(&self, request: LeaseRequest) -> Result<LeaseBatch, StoreError>;

        /// Cancels a queued message.
        async fn cancel_message(
            &self,
            workspace: WorkspaceId,
            id: MessageId,
            now: Timestamp,
        ) -> Result<CancelMessageResult, StoreError>;

        /// Changes the send time of a queued message that is not leased.
        async fn update_send_at(
            &self,
            request: RescheduleRequest,
            audit_entry: AuditEntry,
        ) -> Result<RescheduleResult, StoreError>;

        /// Marks an inbound message and earlier messages of its conversation as read, at most `limit`. Messages that were
        /// marked before stay unchanged. Returns the number of messages.
        async fn update_messages_read(
            &self,
            workspace: WorkspaceId,
            id: MessageId,
            now: Timestamp,
            limit: u32,
        ) -> Result<u32, StoreError>;

        /// Leases a message whose outcome is unknown, to send it again. A message is leased in this way once.
        async fn lease_unknown_message(
            &self,
            workspace: WorkspaceId,
            id: MessageId,
            holder: LeaseHolder,
            audit_entry: AuditEntry,
        ) -> Result<Option<LeasedMessage>, StoreError>;

        /// Sets a message whose outcome is unknown to `failed`. Returns `false` if the outcome is not unknown, or the message is being resent.
        async fn fail_unknown_message(
            &self,
            workspace: WorkspaceId,
            id: MessageId,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Returns the idempotency record of a key, if the key was used before.
        async fn get_idempotency_record(
            &self,
            workspace: WorkspaceId,
            owner: OwnerId,
            key: &str,
            now: Timestamp,
        ) -> Result<Option<IdempotencyRecord>, StoreError>;

        /// Returns a message with its timeline.
        async fn get_message(
            &self,
            workspace: WorkspaceId,
            key: &MessageKey,
        ) -> Result<Option<MessageDetail>, StoreError>;

        /// Returns a page of messages.
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
        /// Expires queued messages, cancels queued messages of removed accounts, and deletes expired idempotency records and
        /// pending statuses, at most `limit` of each. Returns the number of messages.
        async fn expire_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

        /// Returns the number of queued messages of each account.
        async fn list_queue_depths(&self) -> Result<BTreeMap<AccountId, u32>, StoreError>;

        /// Returns the number of recipients that count towards the messaging limit since a time, by WhatsApp Business Account.
        async fn get_messaging_limit_usage(
            &self,
            workspace: WorkspaceId,
            since: Timestamp,
        ) -> Result<BTreeMap<String, u32>, StoreError>;

        /// Deletes recipients that no longer count towards the messaging limit, and emits an event for each limit that has reached a threshold.
        async fn update_messaging_limits(&self, now: Timestamp) -> Result<(), StoreError>;
    }
}

port! {
    storage search_index_port;

    /// Full-text index of messages. A message is added after the transaction that accepts it.
    pub trait SearchIndex {
        /// Returns `true` if messages or contacts are to be added to the index.
        async fn get_search_backlog(&self) -> Result<bool, StoreError>;

        /// Adds messages and contacts to the index, at most `limit`. Returns their number.
        async fn update_search_index(&self, limit: u32) -> Result<u32, StoreError>;
    }
}
