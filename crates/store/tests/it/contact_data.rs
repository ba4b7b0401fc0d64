//! Merge, import, opt-out and erasure of contacts.

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
    AttemptResult, CachedResponse, ChangeRoute, ContactFilter, ContactRef, ContactTarget, ContactUpsert,
    Contacts, ErasureStep, Erasures, EventFilter, EventStart, Events, LeaseCheck, MessageFailure,
    MessageFilter, MessageKey, Messages, NewIdempotencyRecord, Recipient, RoutedChange, UpsertContactResult,
    Workers,
};
use jiff::Timestamp;

use crate::support::{CUSTOMER, TestStore, page};

const MAYA: &str = "447700900111";
const USER: &str = "GB.77120394857261034";

fn number(digits: &str) -> Patch<PhoneNumber> {
    Patch::Set(PhoneNumber::from_wa_id(digits).unwrap())
}

async fn upsert(app: &TestStore, target: ContactTarget, change: ContactChange) -> UpsertContactResult {
    let put =
        ContactUpsert { target, change, reason: OptOutReason::Api, new_id: app.id(ContactId::from_parts) };
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
async fn a_merged_contact_has_the_data_of_both_contacts() {
    let app = TestStore::new().await;
    let numbered = ContactChange {
        phone_number: number(MAYA),
        name: Patch::Set("Maya".to_owned()),
        tags: Patch::Set(vec!["vip".to_owned(), "a".to_owned()]),
        custom_fields: Patch::Set(CustomFields::All(texts(&[("plan", "gold"), ("city", "Lagos")]))),
        ..ContactChange::default()
    };
    upsert(&app, ContactTarget::New, numbered).await;
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
    upsert(&app, ContactTarget::New, identified).await;
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
async fn contacts_of_another_workspace_are_not_found() {
    let app = TestStore::new().await;
    let change = ContactChange { phone_number: number(MAYA), ..ContactChange::default() };
    let UpsertContactResult::Created(maya) = upsert(&app, ContactTarget::New, change).await else {
        panic!("made")
    };
    let elsewhere = WorkspaceId::from_parts(1, &[7; 10]);
    let put = ContactUpsert {
        target: ContactTarget::Existing(maya.id),
        change: ContactChange { name: Patch::Set("x".to_owned()), ..ContactChange::default() },
        reason: OptOutReason::Api,
        new_id: app.id(ContactId::from_parts),
    };
    let entry = AuditEntry { workspace: elsewhere, ..app.entry(AuditAction::ContactErased) };
    let ends = app.store.upsert_contacts(elsewhere, vec![put], Some(entry.clone()), app.now()).await.unwrap();
    assert_eq!(ends, [UpsertContactResult::NotFound]);
    assert!(!app.store.begin_erasure(maya.id, entry).await.unwrap());
    assert_eq!(contacts(&app).await.len(), 1);
}

#[tokio::test]
async fn imported_custom_fields_are_added_up_to_the_maximum_number() {
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
    upsert(&app, ContactTarget::New, with(CustomFields::All(fields))).await;
    let some = |pairs: &[(&str, &str)]| {
        with(CustomFields::Some(
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ))
    };
    let same = upsert(&app, ContactTarget::Matching, some(&[("k7", "7")])).await;
    assert!(matches!(same, UpsertContactResult::Unchanged(_)), "{same:?}");
    let more = upsert(&app, ContactTarget::Matching, some(&[("k7", "seven"), ("new", "x")])).await;
    assert!(matches!(more, UpsertContactResult::Updated(_)), "{more:?}");
    assert_eq!(
        upsert(&app, ContactTarget::Matching, some(&[("newer", "x")])).await,
        UpsertContactResult::TooManyFields(51)
    );
    let keys = app.store.list_custom_field_names(app.workspace, 500).await.unwrap();
    assert_eq!(keys.len(), 50);
}

#[tokio::test]
async fn an_opt_out_and_an_opt_in_in_one_payload_are_applied_in_order() {
    let app = TestStore::new().await;
    let later = app.now();
    app.advance(60);
    let said = |wamid: &str, at, signal| RoutedChange {
        opt_out_signal: Some(signal),
        ..app.change(WebhookUpdate::Message(InboundMessage { at, ..app.text_from(CUSTOMER, wamid) }), (0, 4))
    };
    let start_then_stop =
        vec![said("wamid.2", app.now(), OptOutSignal::Start), said("wamid.1", later, OptOutSignal::Stop)];
    app.post("stop and start", start_then_stop).await;
    assert_eq!(contacts(&app).await[0].opted_out, None);
    app.post("stop again", vec![said("wamid.3", app.now(), OptOutSignal::Stop)]).await;
    // Of two signals at the same time, the opt-out counts.
    assert_eq!(contacts(&app).await[0].opted_out, Some((app.now(), OptOutReason::Keyword)));
}

/// Erases the only contact with this number completely. Returns the number of steps.
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

fn n_occurrences(app: &TestStore, identifier: &str) -> usize {
    let mut bytes = std::fs::read(app.path()).unwrap();
    bytes.extend(std::fs::read(app.path().with_extension("db-wal")).unwrap_or_default());
    bytes.windows(identifier.len()).filter(|window| *window == identifier.as_bytes()).count()
}

#[tokio::test]
async fn a_contact_is_erased_in_steps_and_statuses_in_the_meantime_are_dropped() {
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
    // A status of the last message arrives before the message is erased.
    assert!(n_occurrences(&app, "parcel 449") > 0);
    let report = |status| {
        let body = format!("{last} {status}");
        let span = (0, u32::try_from(body.len()).unwrap());
        let change = app.change(WebhookUpdate::Status(app.reported(&last, status)), span);
        let app = &app;
        async move { app.post(&body, vec![change]).await }
    };
    let effect = report(MessageStatus::Read).await;
    assert_eq!((effect.applied, effect.duplicates), (0, 1));
    while app.store.run_erasure_step(50, app.now()).await.unwrap() == ErasureStep::RowsRemain {}
    assert!(app.store.finish_erasures().await.unwrap());
    assert_eq!(app.store.run_erasure_step(50, app.now()).await.unwrap(), ErasureStep::Idle);
    for identifier in ["parcel", "NDQ3NzAwOTAwMTEx", MAYA] {
        assert_eq!(n_occurrences(&app, identifier), 0, "{identifier}");
    }
    let filter = MessageFilter { contact: Some(ContactRef::Id(maya.id)), ..MessageFilter::default() };
    assert_eq!(app.store.list_messages(app.workspace, &filter, page(5)).await.unwrap().total, 450);
    assert_eq!(app.status(first.unwrap()).await, MessageStatus::Sent);
    // A status that arrives after the erasure is dropped, too.
    let again = report(MessageStatus::Played).await;
    assert_eq!((again.applied, again.pending_statuses), (0, 0));
    assert_eq!(n_occurrences(&app, &last), 0);
}

#[tokio::test]
async fn a_reply_to_an_erased_message_refers_to_its_hash() {
    let app = TestStore::new().await;
    let wamid = "wamid.HBgMNDQ3NzAwOTAwMTEx";
    let change = app.change(WebhookUpdate::Message(app.text_from(MAYA, wamid)), (0, 26));
    app.post(wamid, vec![change]).await;
    // A message to another contact replies to the erased message.
    let new = engine::ports::NewMessage { context_wamid: Some(wamid.to_owned()), ..app.new_message() };
    let other = new.id;
    app.accept(new).await;
    erase(&app, MAYA).await;
    let context = app.detail(other).await.message.context_wamid.unwrap();
    assert_eq!(context.len(), 64);
    let found = app.store.get_message(app.workspace, &MessageKey::Wamid(context)).await.unwrap().unwrap();
    assert_eq!(found.message.content, None);
    assert_eq!(n_occurrences(&app, "NDQ3NzAwOTAwMTEx"), 0);
}

#[tokio::test]
async fn payloads_keep_the_data_of_other_contacts_and_other_workspaces() {
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
    let span = |change: &str| {
        (u32::try_from(body.find(change).unwrap()).unwrap(), u32::try_from(change.len()).unwrap())
    };
    let routed = |workspace: WorkspaceId, account: AccountId, wamid: &str, from: &str, span| RoutedChange {
        route: Some(ChangeRoute { workspace, waba_id: "1".to_owned(), account: Some(account) }),
        ..app.change(WebhookUpdate::Message(app.text_from(from, wamid)), span)
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
    assert_eq!(n_occurrences(&app, "wamid.A"), 0);
}

#[tokio::test]
async fn a_reader_of_the_log_delays_the_end_of_an_erasure() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(MAYA, "wamid.1")).await;
    let reader = rusqlite::Connection::open(app.path()).unwrap();
    reader.execute_batch("begin; select count(*) from messages;").unwrap();
    let contact = contacts(&app).await[0].id;
    assert!(app.store.begin_erasure(contact, app.entry(AuditAction::ContactErased)).await.unwrap());
    while app.store.run_erasure_step(50, app.now()).await.unwrap() == ErasureStep::RowsRemain {}
    assert!(!app.store.finish_erasures().await.unwrap());
    // Other writes succeed in the meantime, and the next attempt succeeds.
    app.store.check_writable(app.now()).await.unwrap();
    assert_eq!(app.store.run_erasure_step(50, app.now()).await.unwrap(), ErasureStep::FilesRemain);
    reader.execute_batch("commit").unwrap();
    assert!(app.store.finish_erasures().await.unwrap());
    assert_eq!(n_occurrences(&app, MAYA), 0);
}

#[tokio::test]
async fn erased_events_keep_their_positions_and_lose_their_data() {
    let app = TestStore::new().await;
    app.inbound(app.text_from(MAYA, "wamid.1")).await;
    app.inbound(app.text_from(CUSTOMER, "wamid.2")).await;
    erase(&app, MAYA).await;
    let all = EventFilter { includes_workspace_events: true, ..EventFilter::default() };
    let page = app.store.list_events(app.workspace, &all, EventStart::Oldest, 50).await.unwrap().unwrap();
    let positions: Vec<_> = page.events.iter().map(|event| event.position).collect();
    assert_eq!(positions, [1, 2, 3, 4]);
    let erased: Vec<_> = page.events.iter().map(|event| event.data.ends_with(",\"erased\":true}")).collect();
    assert_eq!(erased, [true, true, false, false]);
}

#[tokio::test]
async fn a_message_that_is_being_sent_is_finished_without_the_erased_contact() {
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
        let check = app.store.finish_attempt(&lease, &end, Some(response), app.now()).await.unwrap();
        assert_eq!(check, LeaseCheck::Valid);
        assert_eq!(app.status(lease.message).await, expected);
        // The key stays in use: a repeated request sends nothing.
        let owner = OwnerId::from_parts(1, &[3; 10]);
        let key = app.store.get_idempotency_record(app.workspace, owner, "key", app.now()).await.unwrap();
        assert_eq!(key.unwrap().response, None);
        assert!(contacts(&app).await.is_empty());
        for identifier in [MAYA, "NDQ3NzAwOTAwMTEx"] {
            assert_eq!(n_occurrences(&app, identifier), 0, "{identifier} after {end:?}");
        }
    }
}
