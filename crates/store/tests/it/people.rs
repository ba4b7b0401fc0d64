//! What is written down about people, joined and erased.

use domain::access::audit::{AuditAction, AuditEntry};
use domain::check::Patch;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::contact::{ContactChange, CustomFields};
use domain::contacts::opt_out::{OptOutReason, OptOutSignal};
use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, ContactId, OwnerId, WorkspaceId};
use domain::json::Object;
use domain::messages::inbound::InboundMessage;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::webhooks_in::update::WebhookUpdate;
use engine::ports::{
    AttemptResult, CachedResponse, ChangeRoute, ContactFilter, ContactTarget, ContactUpsert, Contacts,
    ErasureStep, Erasures, EventFilter, EventStart, Events, LeaseCheck, MessageFailure, MessageFilter,
    MessageKey, Messages, NewIdempotencyRecord, Recipient, RoutedChange, UpsertContactResult, Workers,
};
use jiff::Timestamp;

use crate::support::{CUSTOMER, TestStore, page};

const MAYA: &str = "447700900111";
const USER: &str = "GB.77120394857261034";

fn number(digits: &str) -> Patch<PhoneNumber> {
    Patch::Set(PhoneNumber::from_wa_id(digits).unwrap())
}

async fn put(app: &TestStore, target: ContactTarget, change: ContactChange) -> UpsertContactResult {
    let put =
        ContactUpsert { target, change, reason: OptOutReason::Api, fresh: app.id(ContactId::from_parts) };
    app.store
        .upsert_contacts(app.workspace, vec![put], Some(app.entry(AuditAction::ContactChanged)), app.now())
        .await
        .unwrap()
        .remove(0)
}

async fn contacts(app: &TestStore) -> Vec<engine::ports::Contact> {
    app.store.list_contacts(app.workspace, &ContactFilter::default(), page(50)).await.unwrap().rows
}

fn texts(pairs: &[(&str, &str)]) -> Object {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect()
}

#[tokio::test]
async fn two_that_turn_out_to_be_one_keep_what_both_had() {
    let app = TestStore::new().await;
    let numbered = ContactChange {
        phone_number: number(MAYA),
        name: Patch::Set("Maya".to_owned()),
        tags: Patch::Set(vec!["vip".to_owned(), "a".to_owned()]),
        custom_fields: Patch::Set(CustomFields::All(texts(&[("plan", "gold"), ("city", "Lagos")]))),
        ..ContactChange::default()
    };
    put(&app, ContactTarget::New, numbered).await;
    app.advance(10);
    let identified = ContactChange {
        user_id: Patch::Set(Bsuid::parse(USER).unwrap()),
        name: Patch::Set("Osei".to_owned()),
        tags: Patch::Set(vec!["b".to_owned(), "vip".to_owned()]),
        stage: Patch::Set("lead".to_owned()),
        email: Patch::Set("maya@example.com".to_owned()),
        custom_fields: Patch::Set(CustomFields::All(texts(&[("plan", "tin"), ("size", "M")]))),
        opted_out: Patch::Set(true),
        ..ContactChange::default()
    };
    put(&app, ContactTarget::New, identified).await;
    assert_eq!(contacts(&app).await.len(), 2);
    let from = WhatsAppUser {
        wa_id: Some(MAYA.to_owned()),
        user_id: Some(USER.to_owned()),
        ..WhatsAppUser::default()
    };
    app.inbound(InboundMessage { from, ..app.text_from(MAYA, "wamid.1") }).await;
    let known = contacts(&app).await;
    assert_eq!(known.len(), 1);
    let one = &known[0];
    assert_eq!((one.name.as_deref(), one.stage.as_deref()), (Some("Maya"), Some("lead")));
    assert_eq!(one.tags, ["vip", "a", "b"]);
    assert!(one.custom_fields.same_as(&texts(&[("plan", "gold"), ("city", "Lagos"), ("size", "M")])));
    assert_eq!(one.email.as_deref(), Some("maya@example.com"));
    assert_eq!(one.opted_out.map(|(_, reason)| reason), Some(OptOutReason::Api));
    for tag in ["vip", "a", "b"] {
        let filter = ContactFilter { tag: Some(tag.to_owned()), ..ContactFilter::default() };
        assert_eq!(app.store.list_contacts(app.workspace, &filter, page(5)).await.unwrap().total, 1, "{tag}");
    }
}

#[tokio::test]
async fn another_workspaces_people_are_nobody_here() {
    let app = TestStore::new().await;
    let change = ContactChange { phone_number: number(MAYA), ..ContactChange::default() };
    let UpsertContactResult::Created(maya) = put(&app, ContactTarget::New, change).await else {
        panic!("made")
    };
    let elsewhere = WorkspaceId::from_parts(1, &[7; 10]);
    let put = ContactUpsert {
        target: ContactTarget::Existing(maya.id),
        change: ContactChange { name: Patch::Set("x".to_owned()), ..ContactChange::default() },
        reason: OptOutReason::Api,
        fresh: app.id(ContactId::from_parts),
    };
    let entry = AuditEntry { workspace: elsewhere, ..app.entry(AuditAction::ContactErased) };
    let ends = app.store.upsert_contacts(elsewhere, vec![put], Some(entry.clone()), app.now()).await.unwrap();
    assert_eq!(ends, [UpsertContactResult::NotFound]);
    assert!(!app.store.begin_erasure(maya.id, entry).await.unwrap());
    assert_eq!(contacts(&app).await.len(), 1);
}

#[tokio::test]
async fn texts_from_a_table_join_the_custom_fields_up_to_their_number() {
    let app = TestStore::new().await;
    let with = |fields| ContactChange {
        phone_number: number(MAYA),
        custom_fields: Patch::Set(fields),
        ..ContactChange::default()
    };
    let mut fields = Object::new();
    for i in 0..49_i64 {
        fields.insert(&format!("k{i}"), i);
    }
    put(&app, ContactTarget::New, with(CustomFields::All(fields))).await;
    let some = |pairs: &[(&str, &str)]| {
        with(CustomFields::Some(
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ))
    };
    let same = put(&app, ContactTarget::Matching, some(&[("k7", "7")])).await;
    assert!(matches!(same, UpsertContactResult::Unchanged(_)), "{same:?}");
    let more = put(&app, ContactTarget::Matching, some(&[("k7", "seven"), ("new", "x")])).await;
    assert!(matches!(more, UpsertContactResult::Updated(_)), "{more:?}");
    assert_eq!(
        put(&app, ContactTarget::Matching, some(&[("newer", "x")])).await,
        UpsertContactResult::TooManyFields(51)
    );
    let keys = app.store.list_custom_field_names(app.workspace, 500).await.unwrap();
    assert_eq!(keys.len(), 50);
}

#[tokio::test]
async fn a_word_and_its_opposite_in_one_post_end_as_they_were_said() {
    let app = TestStore::new().await;
    let later = app.now();
    app.advance(60);
    let said = |wamid: &str, at, wish| RoutedChange {
        opt_out_signal: Some(wish),
        ..app.part(WebhookUpdate::Message(InboundMessage { at, ..app.text_from(CUSTOMER, wamid) }), (0, 4))
    };
    let start_then_stop =
        vec![said("wamid.2", app.now(), OptOutSignal::Start), said("wamid.1", later, OptOutSignal::Stop)];
    app.post("stop and start", start_then_stop).await;
    assert_eq!(contacts(&app).await[0].opted_out, None);
    app.post("stop again", vec![said("wamid.3", app.now(), OptOutSignal::Stop)]).await;
    // At the same moment the one to be left alone counts.
    assert_eq!(contacts(&app).await[0].opted_out, Some((app.now(), OptOutReason::Keyword)));
}

/// Erases the only contact with this number, to the end. Returns how many steps that took.
async fn erase(app: &TestStore, digits: &str) -> usize {
    let filter = ContactFilter { wa_ids: Some(vec![digits.to_owned()]), ..ContactFilter::default() };
    let maya = app.store.list_contacts(app.workspace, &filter, page(5)).await.unwrap().rows.remove(0);
    assert!(app.store.begin_erasure(maya.id, app.entry(AuditAction::ContactErased)).await.unwrap());
    let mut n_steps = 0;
    loop {
        n_steps += 1;
        match app.store.run_erasure_step(50, app.now()).await.unwrap() {
            ErasureStep::RowsRemain => {}
            ErasureStep::FilesRemain => assert!(app.store.finish_erasures().await.unwrap()),
            ErasureStep::Idle => return n_steps,
        }
    }
}

fn places(app: &TestStore, mark: &str) -> usize {
    let mut bytes = std::fs::read(app.path()).unwrap();
    bytes.extend(std::fs::read(app.path().with_extension("db-wal")).unwrap_or_default());
    bytes.windows(mark.len()).filter(|window| *window == mark.as_bytes()).count()
}

#[tokio::test]
async fn a_person_of_many_messages_is_erased_in_steps_and_reports_meanwhile_are_dropped() {
    let app = TestStore::new().await;
    let mut first = None;
    for i in 0..450 {
        let new = engine::ports::NewMessage {
            recipient: Recipient::Phone(PhoneNumber::from_wa_id(MAYA).unwrap()),
            content: format!(r#"{{"body":"parcel {i}"}}"#).into(),
            ..app.new_message()
        };
        let id = new.id;
        let lease = app.accept(new).await;
        app.finish_sent(&lease, &format!("wamid.{i:04}-NDQ3NzAwOTAwMTEx")).await;
        first.get_or_insert(id);
    }
    let last = format!("wamid.{:04}-NDQ3NzAwOTAwMTEx", 449);
    let filter = ContactFilter { wa_ids: Some(vec![MAYA.to_owned()]), ..ContactFilter::default() };
    let maya = app.store.list_contacts(app.workspace, &filter, page(5)).await.unwrap().rows.remove(0);
    assert!(app.store.begin_erasure(maya.id, app.entry(AuditAction::ContactErased)).await.unwrap());
    // The last message has not been reached, and a report of it comes.
    assert!(places(&app, "parcel 449") > 0);
    let report = |status| {
        let body = format!("{last} {status}");
        let span = (0, u32::try_from(body.len()).unwrap());
        let part = app.part(WebhookUpdate::Status(app.reported(&last, status)), span);
        let app = &app;
        async move { app.post(&body, vec![part]).await }
    };
    let effect = report(MessageStatus::Read).await;
    assert_eq!((effect.applied, effect.duplicates), (0, 1));
    while app.store.run_erasure_step(50, app.now()).await.unwrap() == ErasureStep::RowsRemain {}
    assert!(app.store.finish_erasures().await.unwrap());
    assert_eq!(app.store.run_erasure_step(50, app.now()).await.unwrap(), ErasureStep::Idle);
    for mark in ["parcel", "NDQ3NzAwOTAwMTEx", MAYA] {
        assert_eq!(places(&app, mark), 0, "{mark}");
    }
    let filter = MessageFilter { contact: Some(maya.id), ..MessageFilter::default() };
    assert_eq!(app.store.list_messages(app.workspace, &filter, page(5)).await.unwrap().total, 450);
    assert_eq!(app.status(first.unwrap()).await, MessageStatus::Sent);
    // Nor does one that comes when all is done.
    let again = report(MessageStatus::Played).await;
    assert_eq!((again.applied, again.pending_statuses), (0, 0));
    assert_eq!(places(&app, &last), 0);
}

#[tokio::test]
async fn an_answer_to_an_erased_message_names_it_by_its_digest() {
    let app = TestStore::new().await;
    let wamid = "wamid.HBgMNDQ3NzAwOTAwMTEx";
    let part = app.part(WebhookUpdate::Message(app.text_from(MAYA, wamid)), (0, 26));
    app.post(wamid, vec![part]).await;
    // Somebody used her message as the context of one to another person.
    let new = engine::ports::NewMessage { context_wamid: Some(wamid.to_owned()), ..app.new_message() };
    let other = new.id;
    app.accept(new).await;
    erase(&app, MAYA).await;
    let context = app.detail(other).await.message.context_wamid.unwrap();
    assert_eq!(context.len(), 64);
    let found = app.store.get_message(app.workspace, &MessageKey::Wamid(context)).await.unwrap().unwrap();
    assert_eq!(found.message.content, None);
    assert_eq!(places(&app, "NDQ3NzAwOTAwMTEx"), 0);
}

#[tokio::test]
async fn posts_keep_what_is_another_persons_or_another_workspaces() {
    let app = TestStore::new().await;
    let message = |from: &str, wamid: &str| {
        format!(
            r#"{{"from":"{from}","id":"{wamid}","timestamp":"1767225600","text":{{"body":"words of {from}"}}}}"#
        )
    };
    let change = |phone_number_id: &str, list: &str| {
        format!(r#"{{"value":{{"metadata":{{"phone_number_id":"{phone_number_id}"}},"messages":[{list}]}}}}"#)
    };
    let (hers, theirs) = (message(MAYA, "wamid.A"), message(CUSTOMER, "wamid.B"));
    let body = format!(
        r#"{{"entry":[{{"id":"1","changes":[{},{}]}}]}}"#,
        change("330011220099887", &format!("{hers},{theirs}")),
        change("5550001112223", &message(MAYA, "wamid.C")),
    );
    let elsewhere = app.add_workspace("elsewhere", "5550001112223");
    let span =
        |part: &str| (u32::try_from(body.find(part).unwrap()).unwrap(), u32::try_from(part.len()).unwrap());
    let routed = |workspace: WorkspaceId, account: AccountId, wamid: &str, from: &str, span| RoutedChange {
        route: Some(ChangeRoute { workspace, waba_id: "1".to_owned(), account: Some(account) }),
        ..app.part(WebhookUpdate::Message(app.text_from(from, wamid)), span)
    };
    let parts = vec![
        routed(app.workspace, app.account, "wamid.A", MAYA, span(&hers)),
        routed(app.workspace, app.account, "wamid.B", CUSTOMER, span(&theirs)),
        routed(elsewhere.0, elsewhere.1, "wamid.C", MAYA, span(&message(MAYA, "wamid.C"))),
    ];
    let taken = app.post(&body, parts).await;
    assert_eq!(taken.applied, 3);
    erase(&app, MAYA).await;
    let raw = |workspace, wamid: &str| {
        let (store, key) = (app.store.clone(), MessageKey::Wamid(wamid.to_owned()));
        async move { store.get_message(workspace, &key).await.unwrap().unwrap().raw }
    };
    assert_eq!(raw(app.workspace, "wamid.B").await.unwrap(), theirs);
    assert_eq!(raw(elsewhere.0, "wamid.C").await.unwrap(), message(MAYA, "wamid.C"));
    assert_eq!(places(&app, "wamid.A"), 0);
}

#[tokio::test]
async fn a_reader_in_the_way_puts_the_end_off() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(MAYA, "wamid.1")).await;
    let reader = rusqlite::Connection::open(app.path()).unwrap();
    reader.execute_batch("begin; select count(*) from messages;").unwrap();
    let contact = contacts(&app).await[0].id;
    assert!(app.store.begin_erasure(contact, app.entry(AuditAction::ContactErased)).await.unwrap());
    while app.store.run_erasure_step(50, app.now()).await.unwrap() == ErasureStep::RowsRemain {}
    assert!(!app.store.finish_erasures().await.unwrap());
    // Others write meanwhile, and the next round comes through.
    app.store.check_writable(app.now()).await.unwrap();
    assert_eq!(app.store.run_erasure_step(50, app.now()).await.unwrap(), ErasureStep::FilesRemain);
    reader.execute_batch("commit").unwrap();
    assert!(app.store.finish_erasures().await.unwrap());
    assert_eq!(places(&app, MAYA), 0);
}

#[tokio::test]
async fn the_log_keeps_its_positions_and_forgets_whom_it_told_of() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(MAYA, "wamid.1")).await;
    app.inbound(app.text_from(CUSTOMER, "wamid.2")).await;
    erase(&app, MAYA).await;
    let all = EventFilter { has_unplaced: true, ..EventFilter::default() };
    let page = app.store.list_events(app.workspace, &all, EventStart::Oldest, 50).await.unwrap().unwrap();
    let positions: Vec<_> = page.events.iter().map(|event| event.position).collect();
    assert_eq!(positions, [1, 2, 3, 4]);
    let erased: Vec<_> = page.events.iter().map(|event| event.data.ends_with(",\"erased\":true}")).collect();
    assert_eq!(erased, [true, true, false, false]);
}

#[tokio::test]
async fn a_message_under_way_ends_without_its_person() {
    for (end, expected) in [
        (
            AttemptResult::Sent(AcceptedMessage {
                wamid: "wamid.NDQ3NzAwOTAwMTEx".to_owned(),
                wa_id: Some(MAYA.to_owned()),
                ..AcceptedMessage::default()
            }),
            MessageStatus::Sent,
        ),
        (
            AttemptResult::Retry { due_at: Timestamp::UNIX_EPOCH, keeps_lease: true, error: None },
            MessageStatus::Canceled,
        ),
        (AttemptResult::Unknown { reason: "cut".to_owned() }, MessageStatus::Unknown),
        (AttemptResult::Failed(MessageFailure { code: "meta_error", meta: None }), MessageStatus::Failed),
    ] {
        let app = TestStore::new().await;
        let idempotency = NewIdempotencyRecord {
            owner: OwnerId::from_parts(1, &[3; 10]),
            key: "key".to_owned(),
            digest: [1; 32],
            expires_at: Timestamp::MAX,
            response: None,
        };
        let new = engine::ports::NewMessage {
            recipient: Recipient::Phone(PhoneNumber::from_wa_id(MAYA).unwrap()),
            idempotency: Some(idempotency),
            ..app.new_message()
        };
        let lease = app.accept(new).await;
        erase(&app, MAYA).await;
        let response = CachedResponse { status: 200, body: format!("to +{MAYA}").into_bytes().into() };
        let settled = app.store.finish_attempt(&lease, &end, Some(response), app.now()).await.unwrap();
        assert_eq!(settled, LeaseCheck::Valid);
        assert_eq!(app.status(lease.message).await, expected);
        // The key stays in use: a repeated request sends nothing.
        let owner = OwnerId::from_parts(1, &[3; 10]);
        let key = app.store.get_idempotency_record(app.workspace, owner, "key", app.now()).await.unwrap();
        assert_eq!(key.unwrap().response, None);
        assert!(contacts(&app).await.is_empty());
        for mark in [MAYA, "NDQ3NzAwOTAwMTEx"] {
            assert_eq!(places(&app, mark), 0, "{mark} after {end:?}");
        }
    }
}
