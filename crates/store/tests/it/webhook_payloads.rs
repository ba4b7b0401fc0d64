//! Pending statuses, archived payloads and account updates.

use domain::access::audit::AuditAction;
use domain::accounts::account::AccountChange;
use domain::accounts::suspension::{SuspensionCause, SuspensionChange};
use domain::check::Patch;
use domain::events::EventKind;
use domain::id::{AccountId, WorkspaceId};
use domain::messages::status::MessageStatus;
use domain::webhooks_in::update::{AccountUpdate, WebhookUpdate};
use engine::ports::{
    AccountChanges, Accounts, ArchiveQuery, ChangeRoute, EventFilter, EventStart, Events, IngestSummary,
    MessageQueue, PayloadSignature, RoutedChange, UnappliedReason, WebhookChange, WebhookPayload,
    WebhookPayloads,
};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use secrecy::ExposeSecret;

use crate::support::TestStore;

#[tokio::test]
async fn a_pending_status_expires_after_eight_days_in_small_steps() {
    let app = TestStore::new().await;
    for n in 0..7 {
        app.report(app.reported(&format!("wamid.old{n}"), MessageStatus::Sent)).await;
    }
    app.advance(86_400);
    app.report(app.reported("wamid.A", MessageStatus::Delivered)).await;
    let n_pending = || -> i64 {
        let connection = Connection::open(app.path()).unwrap();
        connection.query_row("select count(*) from pending_statuses", (), |row| row.get(0)).unwrap()
    };
    app.advance(7 * 86_400 - 1);
    app.store.expire_messages(app.now(), 3).await.unwrap();
    assert_eq!(n_pending(), 8);
    app.advance(2);
    for left in [5, 2, 1, 1] {
        app.store.expire_messages(app.now(), 3).await.unwrap();
        assert_eq!(n_pending(), left);
    }
    // The newer status still finds its message.
    let lease = app.accept(app.new_message()).await;
    app.finish_sent(&lease, "wamid.A").await;
    assert_eq!(app.status(lease.message).await, MessageStatus::Delivered);
    assert_eq!(n_pending(), 0);
}

#[tokio::test]
async fn a_payload_without_new_changes_is_not_archived_again() {
    let app = TestStore::new().await;
    let changes = || {
        vec![
            app.change(WebhookUpdate::Status(app.reported("wamid.early", MessageStatus::Read)), (0, 1)),
            app.change(WebhookUpdate::Message(app.text_from("447700900001", "wamid.1")), (1, 1)),
            app.change(hold(SuspensionCause::Disabled), (2, 1)),
            RoutedChange { route: None, ..app.change(WebhookUpdate::Other, (3, 1)) },
            undecodable(app.change(WebhookUpdate::Other, (4, 1))),
        ]
    };
    app.post("abcde", changes()).await;
    for body in ["abcde", "abcdefgh", "abcde with more"] {
        assert_eq!(
            app.post(body, changes()).await,
            IngestSummary { duplicates: 5, ..IngestSummary::default() }
        );
    }
    let connection = Connection::open(app.path()).unwrap();
    let n_payloads: u32 =
        connection.query_row("select count(*) from webhook_payloads", (), |row| row.get(0)).unwrap();
    assert_eq!(n_payloads, 1);
}

fn hold(cause: SuspensionCause) -> WebhookUpdate {
    WebhookUpdate::Account(AccountUpdate {
        change: AccountChange::Status,
        hold: Some(SuspensionChange::Suspend(cause, "on purpose")),
        ..AccountUpdate::notice(None, None)
    })
}

/// Inserts a workspace without the store.
fn add_workspace(app: &TestStore) -> WorkspaceId {
    let id = app.id(WorkspaceId::from_parts);
    let connection = Connection::open(app.path()).unwrap();
    connection
        .execute("insert into workspaces (id, name, created_at) values (?1, 'other', 0)", [id.as_bytes()])
        .unwrap();
    id
}

/// Returns the same change as a change that cannot be decoded.
fn undecodable(routed: RoutedChange) -> RoutedChange {
    let undecodable = Some("strange".to_owned());
    RoutedChange { change: WebhookChange { undecodable, ..routed.change }, ..routed }
}

async fn n_account_events(app: &TestStore, workspace: WorkspaceId) -> usize {
    let filter = EventFilter { kinds: Some(vec![EventKind::AccountStatus]), ..EventFilter::default() };
    let page = app.store.list_events(workspace, &filter, EventStart::Oldest, 100).await.unwrap().unwrap();
    page.events.len()
}

#[tokio::test]
async fn each_workspace_of_a_waba_receives_one_event_of_an_update() {
    let mut app = TestStore::new().await;
    let (first, other) = (app.workspace, add_workspace(&app));
    app.workspace = other;
    app.add_account("theirs", "330011220099999").await;
    let of = |workspace| {
        let route = ChangeRoute { workspace, waba_id: "210987650001234".to_owned(), account: None };
        RoutedChange { route: Some(route), ..app.change(hold(SuspensionCause::Disabled), (0, 3)) }
    };
    let changes = || vec![of(first), of(other)];
    assert_eq!(app.post("abc", changes()).await.applied, 2);
    assert_eq!(app.post("abc", changes()).await, IngestSummary { duplicates: 2, ..IngestSummary::default() });
    // The changes are in another payload, with other changes.
    let moved = |change: RoutedChange| RoutedChange {
        change: WebhookChange { span: (2, 3), ..change.change },
        ..change
    };
    let again = app.post("x abc", changes().into_iter().map(moved).collect()).await;
    assert_eq!(again, IngestSummary { duplicates: 2, ..IngestSummary::default() });
    for workspace in [first, other] {
        assert_eq!(n_account_events(&app, workspace).await, 1);
    }
    let directory = app.store.get_directory().await.unwrap();
    assert!(directory.accounts.iter().all(|record| record.account.status.as_str() == "held"));
}

#[tokio::test]
async fn an_unrouted_change_is_applied_when_it_is_received_again_with_a_route() {
    let app = TestStore::new().await;
    let change = || app.change(hold(SuspensionCause::AppRemoved), (0, 3));
    let nobodys = RoutedChange { route: None, ..change() };
    assert_eq!(app.post("abc", vec![nobodys.clone()]).await.unrouted, 1);
    assert_eq!(app.post("abc", vec![change()]).await.applied, 1);
    // A change without a route does not undo the change.
    assert_eq!(app.post("abc", vec![nobodys]).await.duplicates, 1);
    assert_eq!(app.post("abc", vec![change()]).await.duplicates, 1);
    assert_eq!(n_account_events(&app, app.workspace).await, 1);
}

#[tokio::test]
async fn an_archived_payload_has_its_signature_and_is_found_by_the_state_of_its_changes() {
    let app = TestStore::new().await;
    let signature = PayloadSignature {
        header: Some("sha256=00".into()),
        signers: vec![app.account, AccountId::from_parts(7, &[7; 10])],
    };
    let post = |body: &'static str, change: RoutedChange| WebhookPayload {
        body: body.into(),
        changes: vec![change],
        signature: signature.clone(),
        archived: None,
        now: app.now(),
    };
    let strange = undecodable(app.change(WebhookUpdate::Other, (0, 3)));
    app.store.ingest_payload(post("abc", strange.clone())).await.unwrap();
    app.advance(60);
    app.store.ingest_payload(post("def", app.change(WebhookUpdate::Other, (0, 3)))).await.unwrap();
    let all = ArchiveQuery { since: Timestamp::UNIX_EPOCH, reason: None, after: 0, limit: 10 };
    let found = app.store.list_payloads(&all).await.unwrap();
    assert_eq!(found.iter().map(|post| &*post.body).collect::<Vec<_>>(), [b"abc", b"def"]);
    assert_eq!(found[0].signature, signature);
    let late = ArchiveQuery { since: app.now(), ..all };
    assert_eq!(app.store.list_payloads(&late).await.unwrap().len(), 1);
    let strange_ones = ArchiveQuery { reason: Some(UnappliedReason::Undecodable), ..all };
    let found = app.store.list_payloads(&strange_ones).await.unwrap();
    assert_eq!(found.len(), 1);
    let next = ArchiveQuery { after: found[0].entry.seq, ..strange_ones };
    assert!(app.store.list_payloads(&next).await.unwrap().is_empty());
    // After the redrive the payload has no undecodable change.
    let archived = Some(found[0].entry);
    let understood = app.change(hold(SuspensionCause::Disabled), (1, 2));
    let done =
        app.store.ingest_payload(WebhookPayload { archived, ..post("abc", understood) }).await.unwrap();
    assert_eq!((done.applied, done.has_account_changes), (1, true));
    assert!(app.store.list_payloads(&strange_ones).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_old_app_secret_is_sealed_and_is_deleted_with_the_account() {
    let app = TestStore::new().await;
    let until = app.now() + SignedDuration::from_hours(1);
    let changes = AccountChanges {
        app_secret: Patch::Set("the-next-demo-secret".into()),
        old_app_secret_until: Some(until),
        ..AccountChanges::default()
    };
    assert!(
        app.store
            .update_account(app.workspace, app.account, changes, app.entry(AuditAction::AccountChanged))
            .await
            .unwrap()
    );
    let app = app.restart();
    let directory = app.store.get_directory().await.unwrap();
    let record = &directory.accounts[0];
    assert_eq!(record.app_secret.as_ref().unwrap().expose_secret(), "the-next-demo-secret");
    let (old, ends_at) = record.old_app_secret.as_ref().unwrap();
    assert_eq!((old.expose_secret(), *ends_at), ("demo-app-secret", until));
    for file in ["waypost.db", "waypost.db-wal"] {
        let bytes = std::fs::read(app.folder.path().join(file)).unwrap_or_default();
        for secret in ["demo-app-secret", "the-next-demo-secret"] {
            assert!(!bytes.windows(secret.len()).any(|found| found == secret.as_bytes()), "{file}");
        }
    }
    app.store
        .delete_account(app.workspace, app.account, false, app.entry(AuditAction::AccountRemoved))
        .await
        .unwrap();
    let connection = Connection::open(app.path()).unwrap();
    let is_left: bool = connection
        .query_row("select exists (select 1 from accounts where old_app_secret is not null)", (), |row| {
            row.get(0)
        })
        .unwrap();
    assert!(!is_left);
}
