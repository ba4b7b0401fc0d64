//! Tests of SQLite's query plans.
//!
//! No statement of a background loop or of a send reads a whole large table. The tests run the functions on a small
//! database. SQLite reports the executed statements and their plans: a new statement is checked without being listed
//! here.

mod lists;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{
    AccountId, ContactId, MediaId, MessageId, OwnerId, RequestId, WebhookId, WorkerId, WorkspaceId,
};
use domain::messages::admission::{AdmissionRequest, AdmissionStage};
use domain::messages::inbound::InboundMessage;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::StatusReport;
use domain::webhooks_in::update::WebhookUpdate;
use domain::webhooks_out::delivery::DeliveryDecision;
use jiff::{SignedDuration, Timestamp};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};
use secrecy::SecretSlice;

use crate::access::{idempotent_requests, sessions};
use crate::contacts::records;
use crate::maintenance::{quarantine, retention, workers};
use crate::media;
use crate::messages::{accept, finish, idempotency, lease, queue, queue_depth};
use crate::seal::Sealer;
use crate::sqlite::{connection, migrate};
use crate::webhooks_in::ingest;
use crate::webhooks_out::{dead_letters, deliveries, fan_out, passing};

use engine::ports::{
    AttemptResult, CachedResponse, ChangeRoute, ContactFilter, DeliveryAttemptResult, DeliveryLeaseRequest,
    EndpointCapacity, Lease, LeaseRequest, LeaseToken, MediaLeaseRequest, NewIdempotentRequest, NewMessage,
    OnUnknown, PageRequest, PageStart, PreallocatedIds, Random, Recipient, RequestEnd, RequestResponse,
    RetentionCursor, RetentionTarget, RoutedChange, SendSchedule, WebhookChange, WebhookPayload,
};

/// Tables that grow with the number of messages.
const LARGE: [&str; 18] = [
    "messages",
    "message_timeline",
    "wamids",
    "webhook_payloads",
    "events",
    "deliveries",
    "delivery_queues",
    "idempotency_records",
    "idempotent_requests",
    "contacts",
    "contact_numbers",
    "service_windows",
    "pending_statuses",
    "webhook_changes",
    "media",
    "media_uploads",
    "audit_entries",
    "sessions",
];

/// Statements that read a large table in its order and stop at their limit, without skipping rows.
const STOPS_EARLY: [&str; 1] = ["from messages order by seq desc limit"];

const WORKSPACE: [u8; 16] = [1; 16];

const ACCOUNT: [u8; 16] = [2; 16];

const WEBHOOK: [u8; 16] = [3; 16];

const WORKER: [u8; 16] = [4; 16];

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// Creates an empty database that records the executed statements.
fn database() -> (Connection, Arc<Mutex<BTreeSet<String>>>) {
    let mut connection = Connection::open_in_memory().unwrap();
    connection::prepare_once(&connection).unwrap();
    migrate::run(&mut connection, now()).unwrap();
    let executed = Arc::new(Mutex::new(BTreeSet::new()));
    let recorder = executed.clone();
    let record = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            recorder.lock().unwrap().insert(sql.to_owned());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(record)).unwrap();
    connection
        .execute_batch(
            "insert into workspaces (id, name, created_at) values (x'01010101010101010101010101010101', 'default', 0);
             insert into accounts (id, workspace_id, name, phone_number_id, waba_id, status, is_default, is_sandbox,
                                   created_at, updated_at)
             values (x'02020202020202020202020202020202', x'01010101010101010101010101010101', 'main', '1', '2',
                     'connected', 1, 1, 0, 0);
             insert into webhook_endpoints (id, workspace_id, name, url, events, accounts, is_enabled, status, after_seq,
                                   created_at, updated_at)
             values (x'03030303030303030303030303030303', x'01010101010101010101010101010101', 'shop',
                     'https://shop.example.com', '[\"*\"]', '[]', 1, 'active', 0, 0, 0);",
        )
        .unwrap();
    (connection, executed)
}

fn message(n: u8, schedule: SendSchedule) -> NewMessage {
    NewMessage {
        id: MessageId::from_bytes([n; 16]),
        workspace: WorkspaceId::from_bytes(WORKSPACE),
        account: AccountId::from_bytes(ACCOUNT),
        key: None,
        batch: None,
        recipient: Recipient::Phone(PhoneNumber::parse("15550100001").unwrap()),
        contact: ContactId::from_bytes([n; 16]),
        kind: "text",
        content: r#"{"body":"Hi"}"#.into(),
        admission: AdmissionRequest {
            stage: AdmissionStage::Sync,
            leaves_at: now(),
            needs_window: false,
            is_marketing: false,
            fallback: None,
        },
        context_wamid: None,
        recipient_identity_key_hash: None,
        client_reference: None,
        fallback: None,
        on_unknown: OnUnknown::Hold,
        send_at: None,
        schedule,
        expires_at: None,
        idempotency: None,
        worker: WorkerId::from_bytes(WORKER),
        token: LeaseToken(1),
        now: now(),
    }
}

fn change(update: WebhookUpdate, n: u8) -> RoutedChange {
    let route = ChangeRoute {
        workspace: WorkspaceId::from_bytes(WORKSPACE),
        waba_id: "2".to_owned(),
        account: Some(AccountId::from_bytes(ACCOUNT)),
    };
    let ids = PreallocatedIds {
        message: MessageId::from_bytes([n; 16]),
        contact: ContactId::from_bytes([n; 16]),
        media: MediaId::from_bytes([n; 16]),
    };
    let change = WebhookChange {
        waba_id: None,
        phone_number_id: None,
        time: None,
        update,
        span: (0, 2),
        field: "messages".to_owned(),
        undecodable: None,
    };
    RoutedChange { change, route: Some(route), ids, opt_out_signal: None }
}

fn report(wamid: &str) -> WebhookUpdate {
    WebhookUpdate::Status(StatusReport {
        wamid: wamid.to_owned(),
        status: MessageStatus::Delivered,
        at: now(),
        reference: None,
        recipient: Some("15550100001".to_owned()),
        user_id: None,
        error: None,
        pricing: None,
    })
}

/// Sends a synchronous message with the wamid `wamid.<n>`.
fn send(connection: &Connection, n: u8) {
    accept::insert_message(connection, &message(n, SendSchedule::Immediate)).unwrap();
    let lease = Lease {
        workspace: WorkspaceId::from_bytes(WORKSPACE),
        message: MessageId::from_bytes([n; 16]),
        account: AccountId::from_bytes(ACCOUNT),
        attempt: 1,
        token: LeaseToken(1),
    };
    let accepted = AcceptedMessage {
        wamid: format!("wamid.{n}"),
        wa_id: Some("15550100001".to_owned()),
        ..AcceptedMessage::default()
    };
    finish::finish_attempt(connection, &lease, &AttemptResult::Sent(accepted), None, now()).unwrap();
}

/// Inserts sent, queued and received messages.
fn run_messages(connection: &Connection) {
    let worker = WorkerId::from_bytes(WORKER);
    workers::upsert_worker(connection, worker, [0; 4], now()).unwrap();
    send(connection, 11);
    for n in 12..15 {
        let plan = SendSchedule::Queued { due_at: now(), order_at: now() };
        accept::insert_message(connection, &message(n, plan)).unwrap();
    }
    let inbound = InboundMessage {
        metadata: domain::messages::inbound::InboundMetadata::default(),
        wamid: "wamid.IN".to_owned(),
        from: WhatsAppUser { wa_id: Some("15550100001".to_owned()), ..WhatsAppUser::default() },
        at: now(),
        kind: "text".to_owned(),
        text: Some("Hello".to_owned()),
        object: None,
        context_wamid: None,
    };
    let changes = vec![
        change(WebhookUpdate::Message(inbound), 20),
        change(report("wamid.11"), 21),
        change(report("wamid.NEW"), 22),
    ];
    let post = WebhookPayload {
        body: Bytes::from_static(b"{}"),
        changes,
        signature: engine::ports::PayloadSignature::default(),
        archived: None,
        now: now(),
    };
    ingest::insert_payload(connection, &post).unwrap();
}

fn run_idempotent_requests(connection: &Connection) {
    let sealer = Sealer::new(&SecretSlice::from(vec![7; 32]), Arc::new(NoRandom)).unwrap();
    let request = NewIdempotentRequest {
        id: RequestId::from_bytes([9; 16]),
        workspace: WorkspaceId::from_bytes(WORKSPACE),
        owner: OwnerId::from_bytes([9; 16]),
        key: "order-7".to_owned(),
        digest: Some([7; 32]),
        worker: WorkerId::from_bytes(WORKER),
        now: now(),
        expires_at: now(),
    };
    idempotent_requests::insert_request(connection, &sealer, &request).unwrap();
    let response = CachedResponse { status: 201, body: Bytes::from_static(b"{}") };
    let end = RequestEnd::Finished(RequestResponse { response, has_secret: false });
    idempotent_requests::finish_request(connection, &sealer, request.id, None, &end).unwrap();
    idempotent_requests::finish_request(connection, &sealer, request.id, None, &RequestEnd::Interrupted)
        .unwrap();
    idempotent_requests::finish_request(connection, &sealer, request.id, None, &RequestEnd::Released)
        .unwrap();
    let later = now() + SignedDuration::from_hours(24 * 400);
    idempotent_requests::expire_requests(connection, later, 10).unwrap();
}

/// Random numbers that are always zero.
struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn run_deliveries(connection: &Connection, worker: WorkerId, later: Timestamp) {
    let workspace = WorkspaceId::from_bytes(WORKSPACE);
    assert!(fan_out::has_work(connection).unwrap());
    fan_out::fan_out_events(connection, now(), 10).unwrap();
    deliveries::get_pending(connection, now()).unwrap();
    let webhook = WebhookId::from_bytes(WEBHOOK);
    let request = DeliveryLeaseRequest {
        worker,
        token: LeaseToken(7),
        capacities: vec![EndpointCapacity { workspace, webhook, limit: 10 }],
        now: now(),
    };
    let leased = deliveries::lease_due(connection, &request).unwrap();
    // A failure that is repeated, so that later deliveries pass, and a last failure.
    let retry = DeliveryDecision::Retry { at: later };
    let first = std::iter::repeat_n(&leased[0], 2).zip([retry, retry]);
    let (by_position, head) = (
        "update deliveries set n_attempts = 1 where workspace_id = ?1 and seq = ?2",
        leased[0].lease.position,
    );
    connection.execute(by_position, (workspace.as_bytes(), head)).unwrap();
    for (leased, decision) in first.chain(leased.iter().skip(1).zip([DeliveryDecision::Dead])) {
        let end = DeliveryAttemptResult {
            decision,
            http_status: Some(200),
            latency_ms: 1,
            response: String::new(),
            reason: None,
            lease_next: true,
            now: now(),
        };
        deliveries::finish_attempt(connection, &leased.lease, &end).unwrap();
    }
    passing::update_blocked_queues(connection, now(), 10).unwrap();
    dead_letters::expire_deliveries(connection, later, 10).unwrap();
}

fn run_background_loops(connection: &Connection) {
    let (workspace, account) = (WorkspaceId::from_bytes(WORKSPACE), AccountId::from_bytes(ACCOUNT));
    let worker = WorkerId::from_bytes(WORKER);
    let later = now() + SignedDuration::from_hours(24 * 400);
    let request = LeaseRequest {
        workspace,
        account,
        worker,
        tokens: vec![LeaseToken(5), LeaseToken(6)],
        throttled_recipients: BTreeMap::new(),
        is_probe: false,
        now: now(),
    };
    let round = lease::lease_due(connection, &request).unwrap();
    lease::begin_attempt(connection, &round.leased[0].lease, now()).unwrap();
    queue::expire_messages(connection, later, 10).unwrap();
    queue_depth::list_depths(connection).unwrap();
    workers::list_recent_sends(connection, now()).unwrap();
    workers::probe_write(connection, now()).unwrap();
    idempotency::expire_records(connection, later, 10).unwrap();
    run_idempotent_requests(connection);
    run_deliveries(connection, worker, later);

    let request = MediaLeaseRequest {
        worker,
        tokens: vec![LeaseToken(8)],
        busy: vec![account],
        per_account: 4,
        silent_since: now(),
        until: later,
        now: now(),
    };
    media::records::lease_due(connection, &request).unwrap();
    media::records::expire_media(connection, later, 10).unwrap();
    sessions::expire_sessions(connection, later, later, 10).unwrap();
    quarantine::get_backup_marker(connection).unwrap();
    workers::recover_leases(connection, later, later, 10).unwrap();
    quarantine::quarantine_messages(connection, later, 10).unwrap();
    for what in [
        RetentionTarget::Messages(workspace),
        RetentionTarget::Events(workspace),
        RetentionTarget::Deliveries(workspace),
        RetentionTarget::Audit(workspace),
        RetentionTarget::PendingStatuses,
        RetentionTarget::WebhookChanges,
        RetentionTarget::WebhookPayloads,
    ] {
        let expired =
            retention::list_expired(connection, what, later, RetentionCursor::default(), 10).unwrap();
        let rows = if expired.rows.is_empty() { vec![1] } else { expired.rows };
        retention::delete_expired(connection, what, later, &rows).unwrap();
    }
}

/// Returns the steps of SQLite's plan.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("explain query plan {sql}")).unwrap();
    let n_parameters = statement.parameter_count();
    let nulls = vec![rusqlite::types::Null; n_parameters];
    let rows = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get("detail")).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Returns the partial indexes: a full scan of a partial index reads only the rows that wait.
fn partial_indexes(connection: &Connection) -> BTreeSet<String> {
    let sql = "select name from sqlite_schema where type = 'index' and sql like '% where %'";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Returns the large table that a step reads completely. `names` maps aliases to tables.
fn scanned(step: &str, names: &BTreeMap<String, String>, partial: &BTreeSet<String>) -> Option<String> {
    // SQLite builds an automatic index by reading the whole table.
    let is_automatic = step.contains("USING AUTOMATIC");
    let rest =
        step.strip_prefix("SCAN ").or_else(|| step.strip_prefix("SEARCH ").filter(|_| is_automatic))?;
    let name = rest.split_whitespace().next()?;
    let table = names.get(name).map_or(name, String::as_str);
    let index = step.split("INDEX ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let is_partial = index.is_some_and(|index| partial.contains(index));
    (LARGE.contains(&table) && !is_partial).then(|| table.to_owned())
}

/// Returns the aliases of a statement: `from messages m` gives `m` for `messages`.
fn aliases(sql: &str) -> BTreeMap<String, String> {
    let tokens: Vec<_> = sql.split(|letter: char| letter.is_whitespace() || "(),".contains(letter)).collect();
    let tokens: Vec<_> = tokens.into_iter().filter(|token| !token.is_empty()).collect();
    let pairs = tokens.windows(3).filter(|tokens| matches!(tokens[0], "from" | "join"));
    pairs.map(|tokens| (tokens[2].to_owned(), tokens[1].to_owned())).collect()
}

#[test]
fn no_background_loop_reads_a_whole_large_table() {
    let (connection, executed) = database();
    run_messages(&connection);
    run_background_loops(&connection);
    let executed = std::mem::take(&mut *executed.lock().unwrap());
    let partial = partial_indexes(&connection);
    let mut n_checked = 0;
    let mut found = Vec::new();
    for sql in &executed {
        let first = sql.split_whitespace().next().unwrap_or_default();
        if !matches!(first, "select" | "insert" | "update" | "delete") || sql.contains("values (x'") {
            continue;
        }
        n_checked += 1;
        if STOPS_EARLY.iter().any(|allowed| sql.contains(allowed)) {
            continue;
        }
        let names = aliases(sql);
        for step in plan(&connection, sql) {
            if let Some(table) = scanned(&step, &names, &partial) {
                found.push(format!("{table}: {step}\n{sql}"));
            }
        }
    }
    assert!(n_checked > 80, "{n_checked}");
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn the_test_detects_a_scan_of_a_large_table() {
    let (connection, _) = database();
    let partial = partial_indexes(&connection);
    for (sql, is_bad) in [
        ("select id from messages where kind = ?1", true),
        ("select m.id from messages m where m.kind = ?1", true),
        ("select 1 from accounts a join messages m on m.failure_code = a.name", true),
        ("select count(*) from events", true),
        ("select id from messages where workspace_id = ?1 and seq > ?2", false),
        ("select id from messages where worker_id is not null limit 5", false),
        ("select id from accounts where name = ?1", false),
    ] {
        let names = aliases(sql);
        let steps = plan(&connection, sql);
        let has_scan = steps.iter().any(|step| scanned(step, &names, &partial).is_some());
        assert_eq!(has_scan, is_bad, "{sql}: {steps:?}");
    }
}

#[test]
fn the_list_of_contacts_by_user_name_reads_an_index() {
    let (connection, executed) = database();
    let filter = ContactFilter { username: Some("maya.osei".to_owned()), ..ContactFilter::default() };
    let page = PageRequest { start: PageStart::Page(1), per_page: 50 };
    records::list_contacts(&connection, WorkspaceId::from_bytes(WORKSPACE), &filter, page).unwrap();
    let executed = std::mem::take(&mut *executed.lock().unwrap());
    let reading: Vec<_> = executed.iter().filter(|sql| sql.contains("from contacts")).collect();
    assert_eq!(reading.len(), 2, "{reading:#?}");
    for sql in reading {
        let steps = plan(&connection, sql);
        assert!(steps.iter().any(|step| step.contains("contacts_by_username")), "{sql}: {steps:?}");
    }
}

#[test]
fn no_statement_of_a_message_builds_a_temporary_table() {
    let (connection, executed) = database();
    run_messages(&connection);
    let executed = std::mem::take(&mut *executed.lock().unwrap());
    let building: Vec<_> =
        executed.iter().filter(|sql| sql.contains("?1") && builds_table(&connection, sql)).collect();
    assert!(executed.len() > 30, "{}", executed.len());
    assert!(building.is_empty(), "{building:#?}");
    assert!(builds_table(&connection, "update accounts set name = ?1 where id = ?2 returning seq"));
    assert!(builds_table(&connection, "select kind in ('text', 'image', ?1) from messages"));
}

/// Returns `true` if SQLite builds a temporary table each time that the statement runs.
fn builds_table(connection: &Connection, sql: &str) -> bool {
    let mut statement = connection.prepare(&format!("explain {sql}")).unwrap();
    let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get("opcode")).unwrap();
    let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
    steps.iter().any(|step| matches!(step.as_str(), "OpenEphemeral" | "OpenAutoindex" | "SorterOpen"))
}

#[test]
fn each_statement_of_a_message_is_prepared_once() {
    let (connection, executed) = database();
    run_messages(&connection);
    for n in 30..35 {
        send(&connection, n);
    }
    let executed = std::mem::take(&mut *executed.lock().unwrap());
    for sql in executed.iter().filter(|sql| sql.contains("?1")) {
        let statement = connection.prepare_cached(sql).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}
