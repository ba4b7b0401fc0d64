//! Changes of accounts and templates, and expiry of access tokens.

use domain::access::audit::AuditAction;
use domain::accounts::suspension::SuspensionCause;
use domain::check::Patch;
use domain::events::EventKind;
use domain::id::{AccountId, TemplateId};
use domain::messages::status::MessageStatus;
use domain::templates::{ParameterFormat, Template, TemplateCategory, TemplateStatus};
use engine::ports::{
    AccountChanges, AccountRecord, AccountSuspension, Accounts, DeleteAccountResult, EventFilter, EventStart,
    Events, ListedTemplate, MessageQueue, StoreError, StoreErrorKind, TemplateDeletion, TemplateFilter,
    TemplateRecords, TemplateSync, TemplateSyncScope,
};
use jiff::SignedDuration;
use rusqlite::Connection;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::support::{CUSTOMER, TestStore, page};

const DAY: i64 = 86_400;

async fn change(app: &TestStore, id: AccountId, changes: AccountChanges) -> Result<bool, StoreError> {
    app.store.update_account(app.workspace, id, changes, app.entry(AuditAction::AccountChanged)).await
}

async fn record(app: &TestStore, id: AccountId) -> AccountRecord {
    let directory = app.store.get_directory().await.unwrap();
    let record = directory.accounts.iter().find(|record| record.account.id == id).unwrap();
    (**record).clone()
}

/// Returns the data of the events of the account.
async fn changes(app: &TestStore) -> Vec<Value> {
    let filter = EventFilter { kinds: Some(vec![EventKind::AccountStatus]), ..EventFilter::default() };
    let events =
        app.store.list_events(app.workspace, &filter, EventStart::Oldest, 100).await.unwrap().unwrap();
    events.events.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect()
}

#[tokio::test]
async fn an_update_changes_only_the_fields_that_it_contains() {
    let app = TestStore::new().await;
    let token = Some(SecretString::from("demo-second-token"));
    let named =
        AccountChanges { access_token: token, name: Some("desk".into()), ..AccountChanges::default() };
    assert!(change(&app, app.account, named).await.unwrap());
    let app = app.restart();
    let now = record(&app, app.account).await;
    assert_eq!((now.account.name.as_str(), now.access_token.expose_secret()), ("desk", "demo-second-token"));
    assert_eq!(now.app_secret.unwrap().expose_secret(), "demo-app-secret");
    assert_eq!(now.verify_token_digest, Some([7; 32]));

    let cleared = AccountChanges {
        app_secret: Patch::Clear,
        verify_token_digest: Patch::Set([8; 32]),
        ..AccountChanges::default()
    };
    assert!(change(&app, app.account, cleared).await.unwrap());
    let now = record(&app, app.account).await;
    assert!(now.app_secret.is_none());
    assert_eq!(now.verify_token_digest, Some([8; 32]));
    assert_eq!(now.access_token.expose_secret(), "demo-second-token");
    let nobody = AccountId::from_parts(9, &[9; 10]);
    assert!(!change(&app, nobody, AccountChanges::default()).await.unwrap());
    let bytes = std::fs::read(app.path()).unwrap();
    assert!(!bytes.windows(17).any(|window| window == b"demo-second-token"));
}

#[tokio::test]
async fn the_link_setting_of_an_account_stays_until_it_is_changed() {
    let app = TestStore::new().await;
    let says = |fetches_links| AccountChanges { fetches_links, ..AccountChanges::default() };
    assert_eq!(record(&app, app.account).await.account.fetches_links, None);
    for (word, stored) in [
        (Patch::Set(true), Some(true)),
        (Patch::Unchanged, Some(true)),
        (Patch::Set(false), Some(false)),
        (Patch::Clear, None),
    ] {
        assert!(change(&app, app.account, says(word)).await.unwrap());
        assert_eq!(record(&app, app.account).await.account.fetches_links, stored);
    }
}

#[tokio::test]
async fn an_update_to_a_used_name_is_rejected() {
    let app = TestStore::new().await;
    let other = app.add_account("clinic", "330011220099888").await;
    let clash =
        AccountChanges { name: Some("main".into()), is_default: Some(true), ..AccountChanges::default() };
    assert_eq!(change(&app, other, clash).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    let stored = record(&app, other).await.account;
    assert_eq!((stored.name.as_str(), stored.is_default), ("clinic", false));
}

#[tokio::test]
async fn a_workspace_has_one_default_account_and_its_successor_is_of_the_same_kind() {
    let app = TestStore::new().await;
    let second = app.add_account("second", "330011220099888").await;
    let third = app.add_account("third", "330011220099889").await;
    for id in [app.account, third] {
        let chosen = AccountChanges { is_default: Some(true), ..AccountChanges::default() };
        assert!(change(&app, id, chosen).await.unwrap());
    }
    let directory = app.store.get_directory().await.unwrap();
    let defaults: Vec<_> = directory.accounts.iter().filter(|one| one.account.is_default).collect();
    assert_eq!(defaults.len(), 1);
    assert_eq!(defaults[0].account.id, third);
    let removal = app
        .store
        .delete_account(app.workspace, third, false, app.entry(AuditAction::AccountRemoved))
        .await
        .unwrap();
    assert_eq!(removal, DeleteAccountResult::Deleted);
    // The deletion of another account does not change the default.
    let late = AccountChanges { is_default: Some(true), ..AccountChanges::default() };
    assert!(!change(&app, third, late).await.unwrap());
    assert!(record(&app, app.account).await.account.is_default);
    assert!(!record(&app, second).await.account.is_default);
    let again = app
        .store
        .delete_account(app.workspace, third, false, app.entry(AuditAction::AccountRemoved))
        .await
        .unwrap();
    assert_eq!(again, DeleteAccountResult::NotFound);
    // Only an account at Meta is left: messages for the simulator must not be sent to customers.
    let mut live = record(&app, second).await;
    live.account.id = app.id(AccountId::from_parts);
    live.account.name = "live".to_owned();
    live.account.phone_number_id = "330011220099890".to_owned();
    live.account.is_sandbox = false;
    let live_id = live.account.id;
    let new = engine::ports::NewAccount { record: live, created_at: app.now() };
    app.store.insert_account(new, app.entry(AuditAction::AccountAdded)).await.unwrap();
    for id in [second, app.account] {
        app.store
            .delete_account(app.workspace, id, false, app.entry(AuditAction::AccountRemoved))
            .await
            .unwrap();
    }
    assert!(!record(&app, live_id).await.account.is_default);
}

#[tokio::test]
async fn an_account_with_queued_messages_is_deleted_only_by_force() {
    let app = TestStore::new().await;
    let first = app.accept(app.queued(CUSTOMER)).await.message;
    let second = app.accept(app.queued("15550100002")).await.message;
    let remove = |is_forced| {
        app.store.delete_account(
            app.workspace,
            app.account,
            is_forced,
            app.entry(AuditAction::AccountRemoved),
        )
    };
    assert_eq!(remove(false).await.unwrap(), DeleteAccountResult::HasQueuedMessages(2));
    assert_eq!(app.status(first).await, MessageStatus::Queued);
    assert_eq!(remove(true).await.unwrap(), DeleteAccountResult::Deleted);
    // The messages are canceled one at a time, as in a long queue.
    assert_eq!(app.store.expire_messages(app.now(), 1).await.unwrap(), 1);
    assert_eq!(app.store.expire_messages(app.now(), 1).await.unwrap(), 1);
    assert_eq!(app.store.expire_messages(app.now(), 1).await.unwrap(), 0);
    for id in [first, second] {
        assert_eq!(app.status(id).await, MessageStatus::Canceled);
    }
    assert!(app.store.list_queue_depths().await.unwrap().is_empty());
}

#[tokio::test]
async fn each_warning_about_a_token_expiry_is_published_once_also_after_a_restart() {
    let app = TestStore::new().await;
    let ends = app.now() + SignedDuration::from_hours(24 * 20);
    let check = |app: &TestStore| {
        let (store, workspace, account, now) = (app.store.clone(), app.workspace, app.account, app.now());
        async move { store.update_account_token_expiry(workspace, account, Some(ends), now).await.unwrap() }
    };
    let days = |events: &[Value]| -> Vec<i64> {
        events.iter().map(|data| data["details"]["within_days"].as_i64().unwrap()).collect()
    };
    check(&app).await;
    assert!(changes(&app).await.is_empty());
    app.advance(6 * DAY);
    check(&app).await;
    check(&app).await;
    let app = app.restart();
    check(&app).await;
    assert_eq!(days(&changes(&app).await), [14]);
    for _ in 0..20 {
        app.advance(DAY / 2);
        check(&app).await;
    }
    assert_eq!(days(&changes(&app).await), [14, 7]);
    app.advance(3 * DAY);
    check(&app).await;
    let events = changes(&app).await;
    assert_eq!(days(&events), [14, 7, 1]);
    assert_eq!(events[2]["change"], "token_expiry");
    assert_eq!(events[2]["details"]["expires_at"], domain::time::rfc3339(ends));
    // A new token has its own warnings; a token without an expiry has none.
    let next = app.now() + SignedDuration::from_hours(24 * 14);
    app.store.update_account_token_expiry(app.workspace, app.account, Some(next), app.now()).await.unwrap();
    app.store.update_account_token_expiry(app.workspace, app.account, None, app.now()).await.unwrap();
    assert_eq!(days(&changes(&app).await), [14, 7, 1, 14]);
}

/// Suspends the account without probes.
async fn suspend(app: &TestStore, reason: &str) {
    let suspension = AccountSuspension { reason: reason.to_owned(), is_probed: false };
    let entry = app.entry(AuditAction::AccountHeld);
    app.store.update_account_suspension(app.workspace, app.account, Some(suspension), entry).await.unwrap();
}

#[tokio::test]
async fn an_update_ends_only_the_suspension_with_the_given_reason() {
    let app = TestStore::new().await;
    let token = || Some(SecretString::from("demo-second-token"));
    for (reason, status) in [("Meta refused the token.", "connected"), ("Meta refused the number.", "held")] {
        suspend(&app, reason).await;
        let untried = AccountChanges { access_token: token(), ..AccountChanges::default() };
        change(&app, app.account, untried).await.unwrap();
        assert_eq!(record(&app, app.account).await.account.status.as_str(), "held");
        let lifts_suspension = Some("Meta refused the token.".to_owned());
        let tried = AccountChanges { lifts_suspension, access_token: token(), ..AccountChanges::default() };
        change(&app, app.account, tried).await.unwrap();
        assert_eq!(record(&app, app.account).await.account.status.as_str(), status);
    }
    let events: Vec<_> = changes(&app).await.iter().map(|data| data["status"].clone()).collect();
    assert_eq!(events, ["held", "connected", "held"]);
}

#[tokio::test]
async fn a_working_token_does_not_end_a_suspension_by_meta() {
    let app = TestStore::new().await;
    let reason = "Meta refused the token.";
    suspend(&app, reason).await;
    let cause = SuspensionCause::Disabled;
    let database = Connection::open(app.path()).unwrap();
    assert_eq!(database.execute("update accounts set suspension_cause = ?1", [cause.as_str()]).unwrap(), 1);
    let tried = AccountChanges { lifts_suspension: Some(reason.to_owned()), ..AccountChanges::default() };
    change(&app, app.account, tried).await.unwrap();
    assert_eq!(record(&app, app.account).await.account.status.as_str(), "held");
}

#[tokio::test]
async fn templates_are_deleted_in_one_language_or_in_all_languages() {
    let app = TestStore::new().await;
    let listed = |language: &str| ListedTemplate {
        meta_id: "707001122334455".to_owned(),
        template: Template {
            name: "ferry_delay".to_owned(),
            language: language.to_owned(),
            status: TemplateStatus::Approved,
            category: TemplateCategory::Utility,
            parameter_format: ParameterFormat::Positional,
            components: Default::default(),
        },
        components: "[]".to_owned(),
        quality: None,
        rejected_reason: None,
    };
    let put = TemplateSync {
        workspace: app.workspace,
        waba_id: "210987650001234".to_owned(),
        templates: ["en", "fr", "de"].map(|word| (app.id(TemplateId::from_parts), listed(word))).to_vec(),
        scope: TemplateSyncScope::Waba { written_before: app.now() },
        now: app.now(),
        entry: None,
    };
    app.store.sync_templates(put).await.unwrap();
    let before = app.store.get_revision().await.unwrap();
    let forget = |language: Option<&str>| {
        let entry = app.entry(AuditAction::TemplateRemoved);
        let deletion = TemplateDeletion {
            workspace: app.workspace,
            waba_id: "210987650001234".to_owned(),
            name: "ferry_delay".to_owned(),
            language: language.map(str::to_owned),
        };
        app.store.delete_templates(deletion, entry)
    };
    let total = || async {
        app.store.list_templates(app.workspace, &TemplateFilter::default(), page(10)).await.unwrap().total
    };
    forget(Some("fr")).await.unwrap();
    assert_eq!(total().await, 2);
    assert!(before.templates < app.store.get_revision().await.unwrap().templates);
    forget(None).await.unwrap();
    assert_eq!(total().await, 0);
}
