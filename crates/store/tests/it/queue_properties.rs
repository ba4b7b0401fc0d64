//! Properties of the queue that hold after any sequence of operations.

use std::collections::BTreeMap;

use domain::access::audit::AuditAction;
use domain::id::{AccountId, MessageId, WorkerId};
use domain::messages::admission::AdmissionRequest;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use engine::ports::{
    AttemptResult, CancelMessageResult, InsertMessageResult, Lease, LeaseCheck, LeaseToken, MessageFailure,
    MessageQueue, Messages, NewMessage, SendSchedule, Workers,
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::support::TestStore;

/// Operation on a queue. Numbers select a message or a lease.
#[derive(Clone, Debug)]
enum Step {
    Accept { person: u8, how: u8 },
    Lease { worker: u8, n: usize },
    Finish { nth: usize, how: u8 },
    Begin { nth: usize },
    Cancel { nth: usize },
    LeaseUnknown { nth: usize },
    FailUnknown { nth: usize },
    Report { nth: usize, status: MessageStatus },
    Advance,
    Expire,
    Recover,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status = prop::sample::select(vec![
        MessageStatus::Sent,
        MessageStatus::Failed,
        MessageStatus::Delivered,
        MessageStatus::Read,
    ]);
    let step = prop_oneof![
        6 => (0_u8..4, 0_u8..8).prop_map(|(person, how)| Step::Accept { person, how }),
        5 => (0_u8..3, 0_usize..4).prop_map(|(worker, n)| Step::Lease { worker, n }),
        6 => (0_usize..20, 0_u8..6).prop_map(|(nth, how)| Step::Finish { nth, how }),
        1 => (0_usize..20).prop_map(|nth| Step::Begin { nth }),
        2 => (0_usize..20).prop_map(|nth| Step::Cancel { nth }),
        1 => (0_usize..20).prop_map(|nth| Step::LeaseUnknown { nth }),
        1 => (0_usize..20).prop_map(|nth| Step::FailUnknown { nth }),
        2 => (0_usize..20, status).prop_map(|(nth, status)| Step::Report { nth, status }),
        2 => Just(Step::Advance),
        1 => Just(Step::Expire),
        1 => Just(Step::Recover),
    ];
    prop::collection::vec(step, 10..60)
}

/// A queue, its messages and its leases.
struct Model {
    app: TestStore,
    reader: rusqlite::Connection,
    accepted: Vec<MessageId>,
    leases: Vec<Lease>,
    /// Leases of the messages, according to the results of the operations.
    holders: BTreeMap<MessageId, LeaseToken>,
}

impl Model {
    async fn new() -> Self {
        let app = TestStore::new().await;
        let reader = rusqlite::Connection::open(app.path()).unwrap();
        Self { app, reader, accepted: Vec::new(), leases: Vec::new(), holders: BTreeMap::new() }
    }

    fn add_lease(&mut self, lease: Lease) {
        let before = self.holders.insert(lease.message, lease.token);
        assert_eq!(before, None, "held by two");
        self.leases.push(lease);
    }

    /// Checks that the result of an operation is valid if and only if the lease is current.
    fn check_lease(&mut self, lease: &Lease, check: LeaseCheck, releases: bool) {
        let is_ours = self.holders.get(&lease.message) == Some(&lease.token);
        assert!(is_ours || check == LeaseCheck::Lost, "check by somebody who does not hold it");
        if is_ours && releases {
            self.holders.remove(&lease.message);
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each step")]
    async fn run(&mut self, step: Step) {
        match step {
            Step::Accept { person, how } => {
                let to = format!("1555010007{person}");
                let queued = self.app.queued(&to);
                let new = match how {
                    0 => NewMessage { schedule: SendSchedule::Immediate, ..queued },
                    1 => NewMessage { schedule: SendSchedule::Paced, ..queued },
                    2 => NewMessage { expires_at: Some(self.app.now()), ..queued },
                    3 => {
                        let leaves_at = jiff::Timestamp::MIN;
                        let admission = AdmissionRequest { leaves_at, ..self.app.free_form() };
                        NewMessage { admission, ..queued }
                    }
                    _ => queued,
                };
                let is_held = !matches!(new.schedule, SendSchedule::Queued { .. });
                let lease = Lease {
                    workspace: new.workspace,
                    message: new.id,
                    account: new.account,
                    attempt: 1,
                    token: new.token,
                };
                if matches!(
                    self.app.store.insert_message(new).await.unwrap(),
                    InsertMessageResult::Accepted { .. }
                ) {
                    self.accepted.push(lease.message);
                    if is_held {
                        self.add_lease(lease);
                    }
                }
            }
            Step::Lease { worker, n } => {
                let request = self.app.lease_request(WorkerId::from_parts(3, &[worker; 10]), n);
                self.app.store.record_heartbeat(request.worker, request.now).await.unwrap();
                for leased in self.app.store.lease_due_messages(request).await.unwrap().leased {
                    self.add_lease(leased.lease);
                }
            }
            Step::Finish { nth, how } => {
                let Some(lease) = self.leases.get(nth).copied() else { return };
                let (end, releases) = match how {
                    0 | 1 => {
                        let wamid = format!("wamid.{}.{}", lease.message, lease.attempt);
                        (AttemptResult::Sent(AcceptedMessage { wamid, ..AcceptedMessage::default() }), true)
                    }
                    2 => {
                        (AttemptResult::Failed(MessageFailure { code: "meta_unavailable", meta: None }), true)
                    }
                    3 => (AttemptResult::Unknown { reason: "cut".to_owned() }, true),
                    _ => {
                        let keeps_lease = how == 4;
                        let due_at = self.app.now() + SignedDuration::from_secs(3);
                        let status = self.app.status(lease.message).await;
                        // After a status was reported, the lease is not kept.
                        let waits = matches!(status, MessageStatus::Queued | MessageStatus::Sending);
                        (AttemptResult::Retry { due_at, keeps_lease, error: None }, !keeps_lease || !waits)
                    }
                };
                let check = self.app.store.finish_attempt(&lease, &end, None, self.app.now()).await.unwrap();
                self.check_lease(&lease, check, releases);
            }
            Step::Begin { nth } => {
                let Some(lease) = self.leases.get(nth).copied() else { return };
                let begun = self.app.store.begin_attempt(&lease, self.app.now()).await.unwrap();
                self.check_lease(&lease, begun, false);
            }
            Step::Cancel { nth } => {
                let Some(id) = self.accepted.get(nth).copied() else { return };
                let end =
                    self.app.store.cancel_message(self.app.workspace, id, self.app.now()).await.unwrap();
                assert!(
                    end != CancelMessageResult::Canceled || !self.holders.contains_key(&id),
                    "canceled while it is leased"
                );
            }
            Step::LeaseUnknown { nth } => {
                let Some(id) = self.accepted.get(nth).copied() else { return };
                let holder = self.app.lease_holder();
                let entry = self.app.entry(AuditAction::MessageResolved);
                if let Some(leased) =
                    self.app.store.lease_unknown_message(self.app.workspace, id, holder, entry).await.unwrap()
                {
                    self.add_lease(leased.lease);
                }
            }
            Step::FailUnknown { nth } => {
                let Some(id) = self.accepted.get(nth).copied() else { return };
                let has_failed = self
                    .app
                    .store
                    .fail_unknown_message(
                        self.app.workspace,
                        id,
                        self.app.entry(AuditAction::MessageResolved),
                    )
                    .await
                    .unwrap();
                assert!(!has_failed || !self.holders.contains_key(&id), "resolved while it is leased");
            }
            Step::Report { nth, status } => {
                let Some(id) = self.accepted.get(nth).copied() else { return };
                self.app.report(self.app.reported_for(id, &format!("wamid.{id}.1"), status)).await;
            }
            Step::Advance => self.app.advance(2),
            Step::Expire => drop(self.app.store.expire_messages(self.app.now(), 10).await.unwrap()),
            Step::Recover => {
                self.app.die().await;
                self.holders.clear();
            }
        }
    }

    /// Checks the properties.
    async fn check(&self) {
        let mut counted = BTreeMap::new();
        let mut statement = self
            .reader
            .prepare_cached(
                "select account_id, count(*) from messages where status = 'queued' and mode = 'queue' group by 1",
            )
            .unwrap();
        let mut rows = statement.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            counted.insert(AccountId::from_bytes(row.get(0).unwrap()), row.get::<_, u32>(1).unwrap());
        }
        assert_eq!(self.app.store.list_queue_depths().await.unwrap(), counted, "the queue depth is wrong");
        let none = |sql: &str, why: &str| {
            let found: bool =
                self.reader.query_row(&format!("select exists ({sql})"), (), |row| row.get(0)).unwrap();
            assert!(!found, "{why}");
        };
        none(
            "select 1 from messages where mode = 'queue' and status = 'sending' group by contact_id having count(*) > 1",
            "two messages of the queue are sent to one contact at the same time",
        );
        none(
            "select 1 from messages where status = 'sending' and worker_id is null",
            "a message that is being sent has no lease",
        );
        none(
            "select 1 from messages where (worker_id is null) <> (lease_token is null)",
            "a lease without a token or a token without a lease",
        );
        none(
            "select 1 from messages where status in ('expired', 'canceled') and worker_id is not null",
            "a final message is leased",
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn each_message_has_at_most_one_lease_and_the_queue_depth_is_correct(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for step in steps {
                model.run(step).await;
                model.check().await;
            }
        });
    }
}
