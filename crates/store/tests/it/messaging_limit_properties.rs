//! Properties of the messaging limit: two processes together never exceed the limit.

use std::sync::Arc;

use domain::contacts::bsuid::Bsuid;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::WorkerId;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::webhooks_in::update::{InboundCall, WebhookUpdate};
use engine::ports::{
    Accounts, AttemptResult, Lease, MessageFailure, MessageQueue, Messages, NewMessage, PhoneNumberInfo,
    Recipient, Workers,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use store::SqliteStore;

use crate::support::{CUSTOMER, TestStore, open};

const USER: &str = "GB.77120394857261034";

/// Operation on the store. Numbers select a contact or a lease.
#[derive(Clone, Debug)]
enum Step {
    Queue { contact: u8 },
    Lease { is_other: bool, n: usize },
    Finish { nth: usize, how: u8 },
    Report { nth: usize, status: MessageStatus },
    Inbound { contact: u8 },
    Review,
    FiveHours,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status =
        prop::sample::select(vec![MessageStatus::Sent, MessageStatus::Failed, MessageStatus::Delivered]);
    let step = prop_oneof![
        6 => (0_u8..10).prop_map(|contact| Step::Queue { contact }),
        5 => (any::<bool>(), 1_usize..5).prop_map(|(is_other, n)| Step::Lease { is_other, n }),
        6 => (0_usize..8, 0_u8..5).prop_map(|(nth, how)| Step::Finish { nth, how }),
        2 => (0_usize..8, status).prop_map(|(nth, status)| Step::Report { nth, status }),
        1 => (0_u8..10).prop_map(|contact| Step::Inbound { contact }),
        1 => Just(Step::Review),
        2 => Just(Step::FiveHours),
    ];
    prop::collection::vec(step, 10..60)
}

/// Two processes with one database, and their leases.
struct Model {
    app: TestStore,
    other: Arc<SqliteStore>,
    reader: rusqlite::Connection,
    leases: Vec<Lease>,
    n_written: u32,
}

const LIMIT: u32 = 3;

impl Model {
    async fn new() -> Self {
        let app = TestStore::new().await;
        let number = PhoneNumberInfo {
            messaging_limit_tier: Some(format!("TIER_{LIMIT}")),
            ..PhoneNumberInfo::default()
        };
        app.store.update_account_number(app.workspace, app.account, &number, app.now()).await.unwrap();
        let other = open(&app.path(), &app.clock, &app.random);
        let reader = rusqlite::Connection::open(app.path()).unwrap();
        Self { app, other, reader, leases: Vec::new(), n_written: 0 }
    }

    async fn run(&mut self, step: Step) {
        let now = self.app.now();
        match step {
            Step::Queue { contact } => {
                let to = format!("1555010007{contact}");
                let new = NewMessage { kind: "template", ..self.app.queued(&to) };
                self.app.accept(new).await;
            }
            Step::Lease { is_other, n } => {
                let worker = WorkerId::from_parts(3, &[u8::from(is_other); 10]);
                let store = if is_other { &self.other } else { &self.app.store };
                store.record_heartbeat(worker, now).await.unwrap();
                let round = store.lease_due_messages(self.app.lease_request(worker, n)).await.unwrap();
                self.leases.extend(round.leased.into_iter().map(|leased| leased.lease));
            }
            Step::Finish { nth, how } => {
                if nth >= self.leases.len() {
                    return;
                }
                let lease = self.leases.swap_remove(nth);
                let end = match how {
                    0 | 1 => {
                        let wamid = format!("wamid.{}.{}", lease.message, lease.attempt);
                        AttemptResult::Sent(AcceptedMessage { wamid, ..AcceptedMessage::default() })
                    }
                    2 => AttemptResult::Failed(MessageFailure { code: "meta_unavailable", meta: None }),
                    3 => AttemptResult::Unknown { reason: "cut".to_owned() },
                    _ => AttemptResult::Retry { due_at: now, keeps_lease: false, error: None },
                };
                self.other.finish_attempt(&lease, &end, None, now).await.unwrap();
            }
            Step::Report { nth, status } => {
                let Some(lease) = self.leases.get(nth) else { return };
                let wamid = format!("wamid.{}.{}", lease.message, lease.attempt);
                self.app.report(self.app.reported_for(lease.message, &wamid, status)).await;
            }
            Step::Inbound { contact } => {
                self.n_written += 1;
                let wamid = format!("wamid.in.{}", self.n_written);
                self.app.inbound(self.app.text_from(&format!("1555010007{contact}"), &wamid)).await;
            }
            Step::Review => self.app.store.update_messaging_limits(now).await.unwrap(),
            Step::FiveHours => {
                // No attempt takes that long.
                self.app.die().await;
                self.leases.clear();
                self.app.advance(5 * 3600);
            }
        }
    }

    /// Checks the properties.
    fn check(&self) {
        let one = |sql: &str| self.reader.query_row::<u32, _, _>(sql, (), |row| row.get(0)).unwrap();
        let n_recipients = one("select coalesce(sum(n_recipients), 0) from messaging_limit_usage");
        let n_reserved = one("select coalesce(sum(n_reserved), 0) from messaging_limit_usage");
        assert_eq!(
            n_recipients,
            one("select count(*) from messaging_limit_recipients where reserved_by is null")
        );
        assert_eq!(
            n_reserved,
            one("select count(*) from messaging_limit_recipients where reserved_by is not null")
        );
        assert!(n_recipients + n_reserved <= LIMIT, "{n_recipients} counted and {n_reserved} reserved");
        let n_orphaned = one(
            "select count(*) from messaging_limit_recipients r where reserved_by is not null and not exists (
                 select 1 from messages m where m.id = r.reserved_by and m.worker_id is not null)",
        );
        assert_eq!(n_orphaned, 0, "a reservation without a message");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_messaging_limit_is_never_exceeded(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for step in steps {
                model.run(step).await;
                model.check();
            }
        });
    }
}

#[test]
fn the_queries_of_waiting_messages_use_indexes() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let app = runtime.block_on(TestStore::new());
    let reader = rusqlite::Connection::open(app.path()).unwrap();
    for (sql, index) in [
        (
            "select exists (select 1 from messages
             where account_id = ?1 and status = 'queued' and deferred_by is not null)",
            "messages_deferred",
        ),
        (
            "select seq from messages where account_id = ?1 and status = 'queued' and deferred_by is not null
             order by due_at, seq limit 5",
            "messages_deferred",
        ),
        (
            "update messages set deferred_by = null
             where +workspace_id = ?1 and contact_id = ?2 and mode = 'queue' and status in ('queued', 'sending')
               and deferred_by is not null",
            "messages_in_queue",
        ),
        ("delete from messaging_limit_recipients where workspace_id = ?1 and waba_id = ?2 and counted_at <= ?3", "messaging_limit_recipients_by_time"),
    ] {
        let mut statement = reader.prepare(&format!("explain query plan {sql}")).unwrap();
        let parameters = rusqlite::params_from_iter(vec![0; statement.parameter_count()]);
        let plan: Vec<String> =
            statement.query_map(parameters, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

/// Inserts and leases a template for a recipient, which reserves the messaging limit.
async fn reserve(app: &TestStore, recipient: Recipient) -> Lease {
    let number =
        PhoneNumberInfo { messaging_limit_tier: Some("TIER_3".to_owned()), ..PhoneNumberInfo::default() };
    app.store.update_account_number(app.workspace, app.account, &number, app.now()).await.unwrap();
    app.accept(NewMessage { kind: "template", recipient, ..app.queued(CUSTOMER) }).await;
    app.lease(1).await.remove(0).lease
}

fn by_user() -> Recipient {
    Recipient::Bsuid(Bsuid::parse(USER).unwrap())
}

/// Ingests a call that merges the contact of the user ID with the contact of the number.
async fn merge(app: &TestStore) {
    let from = WhatsAppUser {
        wa_id: Some(CUSTOMER.to_owned()),
        user_id: Some(USER.to_owned()),
        ..WhatsAppUser::default()
    };
    let call = InboundCall { from, at: app.now() - SignedDuration::from_hours(48) };
    let change = app.change(WebhookUpdate::Call(call), (0, 4));
    assert_eq!(app.post("call", vec![change]).await.applied, 1);
}

async fn messaging_limit_usage(app: &TestStore) -> Option<u32> {
    let usage = app.store.get_messaging_limit_usage(app.workspace, Timestamp::MIN).await.unwrap();
    usage.values().copied().next()
}

#[tokio::test]
async fn a_reservation_of_a_merged_contact_was_never_released() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(CUSTOMER, "wamid.1")).await;
    app.advance(48 * 3600);
    let lease = reserve(&app, by_user()).await;
    merge(&app).await;
    assert_eq!(messaging_limit_usage(&app).await, None);
    let end = AttemptResult::Failed(MessageFailure { code: "meta_unavailable", meta: None });
    app.store.finish_attempt(&lease, &end, None, app.now()).await.unwrap();
    assert_eq!(messaging_limit_usage(&app).await, None, "no recipient was counted");
}

#[tokio::test]
async fn a_counted_recipient_was_lost_after_the_reservation_of_a_merged_contact_was_released() {
    let app = TestStore::new().await;
    let known_by_user = NewMessage { kind: "template", recipient: by_user(), ..app.new_message() };
    let sent = AcceptedMessage { wamid: "wamid.out".to_owned(), ..AcceptedMessage::default() };
    let lease = app.accept(known_by_user).await;
    app.store.finish_attempt(&lease, &AttemptResult::Sent(sent), None, app.now()).await.unwrap();
    assert_eq!(messaging_limit_usage(&app).await, Some(1));
    let lease = reserve(&app, app.queued(CUSTOMER).recipient).await;
    merge(&app).await;
    let end = AttemptResult::Failed(MessageFailure { code: "meta_unavailable", meta: None });
    app.store.finish_attempt(&lease, &end, None, app.now()).await.unwrap();
    assert_eq!(messaging_limit_usage(&app).await, Some(1));
}
