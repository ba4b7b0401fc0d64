//! Properties of delivery queues that hold after any sequence of operations.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::audit::AuditAction;
use domain::events::EventSelection;
use domain::id::{WebhookId, WorkerId};
use domain::webhooks_out::delivery::{DeliveryDecision, DeliveryStatus, WebhookOrdering, WebhookStatus};
use engine::ports::{
    Deliveries, DeliveryAttemptResult, DeliveryFilter, DeliveryLeaseRequest, EndpointCapacity,
    LeasedDelivery, StoredDelivery, WebhookEndpoint, WebhookEndpoints, Workers,
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::support::{TestStore, page};

fn endpoint(app: &TestStore, ordering: WebhookOrdering) -> WebhookEndpoint {
    WebhookEndpoint {
        id: app.id(WebhookId::from_parts),
        workspace: app.workspace,
        name: "shop".to_owned(),
        url: "https://shop.example.com/hook".to_owned(),
        events: EventSelection::from_stored(vec!["message.incoming".to_owned()]),
        accounts: Vec::new(),
        headers: Vec::new(),
        secret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(),
        old_secret: None,
        ordering,
        is_enabled: true,
        status: WebhookStatus::Active,
        status_reason: None,
        created_at: app.now(),
        updated_at: app.now(),
    }
}

/// A store with one endpoint.
struct Queues {
    app: TestStore,
    endpoint: WebhookEndpoint,
    reader: rusqlite::Connection,
    n_messages: u32,
}

impl Queues {
    async fn new(ordering: WebhookOrdering) -> Self {
        let app = TestStore::new().await;
        let endpoint = endpoint(&app, ordering);
        let entry = app.entry(AuditAction::WebhookAdded);
        assert!(app.store.insert_webhook_endpoint(&endpoint, 10, entry).await.unwrap());
        let reader = rusqlite::Connection::open(app.path()).unwrap();
        Self { app, endpoint, reader, n_messages: 0 }
    }

    /// A person sends a message, whose event is fanned out.
    async fn write(&mut self, person: u8) {
        self.n_messages += 1;
        let message =
            self.app.text_from(&format!("1555010007{person}"), &format!("wamid.{}", self.n_messages));
        self.app.inbound(message).await;
        while self.app.store.fan_out_events(self.app.now(), 100).await.unwrap() {}
    }

    async fn order(&mut self, ordering: WebhookOrdering) {
        self.endpoint.ordering = ordering;
        let entry = self.app.entry(AuditAction::WebhookChanged);
        assert!(self.app.store.update_webhook_endpoint(&self.endpoint, false, entry).await.unwrap());
    }

    async fn lease(&self, worker: WorkerId, limit: u32) -> Vec<LeasedDelivery> {
        self.app.store.record_heartbeat(worker, self.app.now()).await.unwrap();
        let capacity = EndpointCapacity { workspace: self.app.workspace, webhook: self.endpoint.id, limit };
        let request = DeliveryLeaseRequest {
            worker,
            token: self.app.token(),
            capacities: vec![capacity],
            now: self.app.now(),
        };
        self.app.store.lease_deliveries(&request).await.unwrap()
    }

    fn result(&self, decision: DeliveryDecision, lease_next: bool) -> DeliveryAttemptResult {
        let has_failed = decision != DeliveryDecision::Succeeded;
        DeliveryAttemptResult {
            decision,
            http_status: Some(if has_failed { 403 } else { 200 }),
            latency_ms: 7,
            response: String::new(),
            reason: has_failed.then(|| "HTTP 403 Forbidden".to_owned()),
            lease_next,
            now: self.app.now(),
        }
    }

    fn retry(&self) -> DeliveryDecision {
        DeliveryDecision::Retry { at: self.app.now() + SignedDuration::from_secs(10) }
    }

    async fn finish(&self, leased: &LeasedDelivery, decision: DeliveryDecision) -> Option<LeasedDelivery> {
        let result = self.result(decision, true);
        self.app.store.finish_delivery_attempt(&leased.lease, &result).await.unwrap()
    }

    async fn skip(&self, position: i64) -> bool {
        let entry = self.app.entry(AuditAction::DeliverySkipped);
        self.app.store.finish_skipped_delivery(self.app.workspace, position, entry).await.unwrap()
    }

    /// Returns all deliveries, oldest first.
    async fn deliveries(&self) -> Vec<StoredDelivery> {
        let filter = DeliveryFilter::default();
        let mut rows =
            self.app.store.list_deliveries(self.app.workspace, &filter, page(200)).await.unwrap().rows;
        rows.reverse();
        rows
    }

    fn count(&self, sql: &str) -> u32 {
        self.reader.query_row(&format!("select count(*) from {sql}"), (), |row| row.get(0)).unwrap()
    }
}

#[tokio::test]
async fn the_second_failure_leases_the_next_delivery_and_keeps_the_schedule_of_the_first() {
    let mut queues = Queues::new(WebhookOrdering::BestEffort).await;
    queues.write(1).await;
    queues.write(1).await;
    let head = queues.lease(queues.app.worker, 10).await.remove(0);
    assert_eq!(queues.finish(&head, queues.retry()).await, None);
    assert_eq!(queues.lease(queues.app.worker, 10).await, []);
    queues.app.advance(10);
    let again = queues.lease(queues.app.worker, 10).await.remove(0);
    assert_eq!((again.lease.position, again.n_failures), (head.lease.position, 1));
    let next = queues.finish(&again, queues.retry()).await.unwrap();
    assert_eq!((next.lease.position, next.n_failures), (head.lease.position + 1, 0));
    // The passed delivery and the queue are leased independently.
    queues.app.advance(10);
    let passed = queues.lease(queues.app.worker, 10).await.remove(0);
    assert_eq!((passed.lease.position, passed.n_failures), (head.lease.position, 2));
    assert_eq!(queues.finish(&next, DeliveryDecision::Succeeded).await, None);
    assert_eq!(queues.finish(&passed, DeliveryDecision::Dead).await, None);
    assert_eq!(queues.count("delivery_queues"), 0);
}

#[tokio::test]
async fn a_strict_queue_continues_after_its_head_was_skipped() {
    let mut queues = Queues::new(WebhookOrdering::Strict).await;
    queues.write(1).await;
    queues.write(1).await;
    for _ in 0..3 {
        let head = queues.lease(queues.app.worker, 10).await.remove(0);
        assert_eq!(queues.finish(&head, queues.retry()).await, None);
        queues.app.advance(10);
    }
    // During an attempt, the queue stays leased, and the result of the attempt releases the next delivery.
    let head = queues.lease(queues.app.worker, 10).await.remove(0);
    assert!(queues.skip(head.lease.position).await);
    assert!(!queues.skip(head.lease.position).await);
    assert_eq!(queues.lease(queues.app.worker, 10).await, []);
    let next = queues.finish(&head, queues.retry()).await.unwrap();
    assert_eq!((next.lease.position, next.n_failures), (head.lease.position + 1, 0));
    let skipped = queues.deliveries().await.remove(0);
    assert_eq!((skipped.status, skipped.reason.as_deref()), (DeliveryStatus::Dead, Some("skipped")));
    assert_eq!(skipped.n_attempts, 4);
    // Another workspace cannot skip the other delivery.
    let (other, _) = queues.app.add_workspace("clinic", "440011220099887");
    let entry = queues.app.entry(AuditAction::DeliverySkipped);
    assert!(!queues.app.store.finish_skipped_delivery(other, next.lease.position, entry).await.unwrap());
}

#[tokio::test]
async fn a_late_failure_does_not_reopen_a_delivery_that_another_worker_completed() {
    let mut queues = Queues::new(WebhookOrdering::Strict).await;
    queues.write(1).await;
    let stalled = queues.lease(queues.app.worker, 10).await.remove(0);
    queues.app.die().await;
    let again = queues.lease(WorkerId::from_parts(2, &[2; 10]), 10).await.remove(0);
    assert_eq!(queues.finish(&again, DeliveryDecision::Succeeded).await, None);
    assert_eq!(queues.finish(&stalled, queues.retry()).await, None);
    let row = queues.deliveries().await.remove(0);
    assert_eq!((row.status, row.reason), (DeliveryStatus::Succeeded, None));
}

#[tokio::test]
async fn a_result_that_is_stored_twice_moves_the_head_once() {
    let mut queues = Queues::new(WebhookOrdering::BestEffort).await;
    queues.write(1).await;
    queues.write(1).await;
    let head = queues.lease(queues.app.worker, 10).await.remove(0);
    queues.finish(&head, queues.retry()).await;
    queues.app.advance(10);
    let head = queues.lease(queues.app.worker, 10).await.remove(0);
    assert!(queues.finish(&head, queues.retry()).await.is_some());
    // The worker did not learn that the result was stored, and stores it again without a request for the next delivery.
    let again = queues.result(queues.retry(), false);
    let next = queues.app.store.finish_delivery_attempt(&head.lease, &again).await.unwrap();
    assert_eq!(next, None);
    let next = queues.lease(queues.app.worker, 10).await.remove(0);
    assert_eq!(next.lease.position, head.lease.position + 1);
    assert_eq!(queues.count("delivery_queues"), 2);
}

/// Operation on the queues of an endpoint. Numbers select a person, a worker, a lease or a delivery.
#[derive(Clone, Debug)]
enum Step {
    Write { person: u8 },
    Lease { worker: u8, limit: u32 },
    Finish { nth: usize, how: u8 },
    Skip { nth: usize },
    Order(WebhookOrdering),
    Unblock,
    Advance,
    Expire,
    Recover,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ordering = prop::sample::select(WebhookOrdering::ALL.to_vec());
    let step = prop_oneof![
        6 => (0_u8..3).prop_map(|person| Step::Write { person }),
        8 => (0_u8..3, 1_u32..4).prop_map(|(worker, limit)| Step::Lease { worker, limit }),
        10 => (0_usize..6, 0_u8..8).prop_map(|(nth, how)| Step::Finish { nth, how }),
        1 => (0_usize..20).prop_map(|nth| Step::Skip { nth }),
        1 => ordering.prop_map(Step::Order),
        2 => Just(Step::Unblock),
        4 => Just(Step::Advance),
        1 => Just(Step::Expire),
        1 => Just(Step::Recover),
    ];
    prop::collection::vec(step, 20..60)
}

/// Queues, and the leases according to the results of the operations.
struct Model {
    queues: Queues,
    leases: Vec<LeasedDelivery>,
    /// Positions of the deliveries with a current lease.
    held: BTreeSet<i64>,
    /// `true` if the endpoint was strict all the time.
    is_always_strict: bool,
}

impl Model {
    /// Checks that the leased delivery may be attempted, and adds the lease.
    async fn add(&mut self, leased: LeasedDelivery) {
        let position = leased.lease.position;
        assert!(self.held.insert(position), "delivery {position} is leased twice");
        let contacts: BTreeMap<i64, Vec<u8>> = self.contacts();
        for earlier in self.queues.deliveries().await {
            let earlier_position = earlier.id.position(self.queues.app.workspace).unwrap();
            let is_open = matches!(earlier.status, DeliveryStatus::Pending | DeliveryStatus::Failed);
            if earlier_position < position
                && is_open
                && contacts.get(&earlier_position) == contacts.get(&position)
            {
                assert!(!self.is_always_strict, "{position} is attempted before {earlier_position}");
                assert!(earlier.n_attempts >= 2, "{position} passed {earlier_position} too early");
            }
        }
        self.leases.push(leased);
    }

    /// Returns the contact of each delivery.
    fn contacts(&self) -> BTreeMap<i64, Vec<u8>> {
        let sql = "select d.seq, e.contact_id from deliveries d
                   join events e on e.workspace_id = d.workspace_id and e.seq = d.event_seq";
        let mut statement = self.queues.reader.prepare(sql).unwrap();
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Write { person } => self.queues.write(person).await,
            Step::Lease { worker, limit } => {
                for leased in self.queues.lease(WorkerId::from_parts(3, &[worker; 10]), limit).await {
                    self.add(leased).await;
                }
            }
            Step::Finish { nth, how } => {
                if nth >= self.leases.len() {
                    return;
                }
                let leased = self.leases.remove(nth);
                let decision = match how {
                    0 | 1 => DeliveryDecision::Succeeded,
                    2 => DeliveryDecision::Dead,
                    _ => self.queues.retry(),
                };
                self.held.remove(&leased.lease.position);
                let result = self.queues.result(decision, how % 2 == 0);
                let store = &self.queues.app.store;
                if let Some(next) = store.finish_delivery_attempt(&leased.lease, &result).await.unwrap() {
                    self.add(next).await;
                }
            }
            Step::Skip { nth } => {
                let rows = self.queues.deliveries().await;
                let Some(row) = rows.get(nth) else { return };
                let is_open = matches!(row.status, DeliveryStatus::Pending | DeliveryStatus::Failed);
                let position = row.id.position(self.queues.app.workspace).unwrap();
                assert_eq!(self.queues.skip(position).await, is_open);
            }
            Step::Order(ordering) => {
                self.is_always_strict &= ordering == WebhookOrdering::Strict;
                self.queues.order(ordering).await;
            }
            Step::Unblock => {
                let app = &self.queues.app;
                app.store.update_blocked_queues(app.now(), 100).await.unwrap();
                assert!(!app.store.get_pending_deliveries(app.now()).await.unwrap().has_blocked);
            }
            Step::Advance => self.queues.app.advance(12),
            Step::Expire => {
                self.queues.app.advance(42 * 3600);
                self.queues.app.store.expire_deliveries(self.queues.app.now(), 100).await.unwrap();
            }
            Step::Recover => {
                self.queues.app.die().await;
                self.held.clear();
                self.leases.clear();
            }
        }
    }

    fn check(&self) {
        let none = |sql: &str, why: &str| assert_eq!(self.queues.count(sql), 0, "{why}");
        none(
            "deliveries d where d.status in ('pending', 'failed') and not exists (
                 select 1 from delivery_queues q where q.webhook_id = d.webhook_id and q.queue_key = d.queue_key)",
            "an open delivery has no queue",
        );
        none(
            "delivery_queues q where q.priority = 3 and (
                 select count(*) from deliveries d where d.webhook_id = q.webhook_id and d.queue_key = q.queue_key) <> 1",
            "a passed delivery shares its queue",
        );
        none(
            "delivery_queues q where q.worker_id is null and q.priority <> (
                 select case when length(q.queue_key) > 16 then 3 else min(d.n_attempts, 2) end from deliveries d
                 where d.webhook_id = q.webhook_id and d.queue_key = q.queue_key and d.status in ('pending', 'failed')
                 order by d.seq limit 1)",
            "the priority does not fit the head",
        );
        none(
            "delivery_queues where (worker_id is null) <> (lease_token is null)",
            "a lease without a token, or a token without a lease",
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_delivery_is_lost_leased_twice_or_attempted_too_early(
        ordering in prop::sample::select(WebhookOrdering::ALL.to_vec()), steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let queues = Queues::new(ordering).await;
            let is_always_strict = ordering == WebhookOrdering::Strict;
            let mut model =
                Model { queues, leases: Vec::new(), held: BTreeSet::new(), is_always_strict };
            for step in steps {
                model.run(step).await;
                model.check();
            }
            // After all steps, every delivery that is open can still be completed.
            model.run(Step::Recover).await;
            model.queues.app.advance(60);
            let store = &model.queues.app.store;
            store.update_blocked_queues(model.queues.app.now(), 100).await.unwrap();
            // Deliveries to an endpoint that was disabled become dead letters.
            while store.expire_deliveries(model.queues.app.now(), 100).await.unwrap() > 0 {}
            loop {
                let leased = model.queues.lease(model.queues.app.worker, 10).await;
                if leased.is_empty() {
                    break;
                }
                for one in leased {
                    let result = model.queues.result(DeliveryDecision::Succeeded, false);
                    store.finish_delivery_attempt(&one.lease, &result).await.unwrap();
                }
            }
            store.expire_deliveries(model.queues.app.now(), 100).await.unwrap();
            assert_eq!(model.queues.count("delivery_queues"), 0);
            assert_eq!(model.queues.count("deliveries where status in ('pending', 'failed')"), 0);
        });
    }
}
