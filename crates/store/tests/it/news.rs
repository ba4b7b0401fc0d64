//! What is known of news: who hears of them, how long they wait, in which order they count.

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
async fn a_report_waits_eight_days_for_its_message_and_leaves_in_small_steps() {
    let app = TestStore::new().await;
    for n in 0..7 {
        app.report(app.reported(&format!("wamid.old{n}"), MessageStatus::Sent)).await;
    }
    app.advance(86_400);
    app.report(app.reported("wamid.A", MessageStatus::Delivered)).await;
    let n_early = || -> i64 {
        let connection = Connection::open(app.path()).unwrap();
        connection.query_row("select count(*) from pending_statuses", (), |row| row.get(0)).unwrap()
    };
    app.advance(7 * 86_400 - 1);
    app.store.expire_messages(app.now(), 3).await.unwrap();
    assert_eq!(n_early(), 8);
    app.advance(2);
    for left in [5, 2, 1, 1] {
        app.store.expire_messages(app.now(), 3).await.unwrap();
        assert_eq!(n_early(), left);
    } // The younger one still finds its message.
    let lease = app.accept(app.new_message()).await;
    app.finish_sent(&lease, "wamid.A").await;
    assert_eq!(app.status(lease.message).await, MessageStatus::Delivered);
    assert_eq!(n_early(), 0);
}

#[tokio::test]
async fn a_post_that_says_nothing_new_is_not_kept_again() {
    let app = TestStore::new().await;
    let parts = || {
        vec![
            app.part(WebhookUpdate::Status(app.reported("wamid.early", MessageStatus::Read)), (0, 1)),
            app.part(WebhookUpdate::Message(app.text_from("447700900001", "wamid.1")), (1, 1)),
            app.part(hold(SuspensionCause::Disabled), (2, 1)),
            RoutedChange { route: None, ..app.part(WebhookUpdate::Other, (3, 1)) },
            undecodable(app.part(WebhookUpdate::Other, (4, 1))),
        ]
    };
    app.post("abcde", parts()).await;
    for body in ["abcde", "abcdefgh", "abcde with more"] {
        assert_eq!(
            app.post(body, parts()).await,
            IngestSummary { duplicates: 5, ..IngestSummary::default() }
        );
    }
    let connection = Connection::open(app.path()).unwrap();
    let n_posts: u32 =
        connection.query_row("select count(*) from webhook_payloads", (), |row| row.get(0)).unwrap();
    assert_eq!(n_posts, 1);
}

fn hold(cause: SuspensionCause) -> WebhookUpdate {
    WebhookUpdate::Account(AccountUpdate {
        change: AccountChange::Status,
        hold: Some(SuspensionChange::Suspend(cause, "on purpose")),
        ..AccountUpdate::notice(None, None)
    })
}

/// Adds a workspace, as nothing else does yet.
fn add_workspace(app: &TestStore) -> WorkspaceId {
    let id = app.id(WorkspaceId::from_parts);
    let connection = Connection::open(app.path()).unwrap();
    connection
        .execute("insert into workspaces (id, name, created_at) values (?1, 'other', 0)", [id.as_bytes()])
        .unwrap();
    id
}

/// The same change, but one that cannot be decoded.
fn undecodable(routed: RoutedChange) -> RoutedChange {
    let undecodable = Some("strange".to_owned());
    RoutedChange { change: WebhookChange { undecodable, ..routed.change }, ..routed }
}

async fn n_told(app: &TestStore, workspace: WorkspaceId) -> usize {
    let filter = EventFilter { kinds: Some(vec![EventKind::AccountStatus]), ..EventFilter::default() };
    let page = app.store.list_events(workspace, &filter, EventStart::Oldest, 100).await.unwrap().unwrap();
    page.events.len()
}

#[tokio::test]
async fn each_workspace_of_a_business_account_hears_of_it_once() {
    let mut app = TestStore::new().await;
    let (first, other) = (app.workspace, add_workspace(&app));
    app.workspace = other;
    app.add_account("theirs", "330011220099999").await;
    let of = |workspace| {
        let route = ChangeRoute { workspace, waba_id: "210987650001234".to_owned(), account: None };
        RoutedChange { route: Some(route), ..app.part(hold(SuspensionCause::Disabled), (0, 3)) }
    };
    let parts = || vec![of(first), of(other)];
    assert_eq!(app.post("abc", parts()).await.applied, 2);
    assert_eq!(app.post("abc", parts()).await, IngestSummary { duplicates: 2, ..IngestSummary::default() }); // In another post, beside other things.
    let moved =
        |part: RoutedChange| RoutedChange { change: WebhookChange { span: (2, 3), ..part.change }, ..part };
    let again = app.post("x abc", parts().into_iter().map(moved).collect()).await;
    assert_eq!(again, IngestSummary { duplicates: 2, ..IngestSummary::default() });
    for workspace in [first, other] {
        assert_eq!(n_told(&app, workspace).await, 1);
    }
    let directory = app.store.get_directory().await.unwrap();
    assert!(directory.accounts.iter().all(|record| record.account.status.as_str() == "held"));
}

#[tokio::test]
async fn what_was_of_nobody_is_applied_when_the_same_post_comes_again_for_somebody() {
    let app = TestStore::new().await;
    let part = || app.part(hold(SuspensionCause::AppRemoved), (0, 3));
    let nobodys = RoutedChange { route: None, ..part() };
    assert_eq!(app.post("abc", vec![nobodys.clone()]).await.unrouted, 1);
    assert_eq!(app.post("abc", vec![part()]).await.applied, 1); // And nobody's word takes nothing back.
    assert_eq!(app.post("abc", vec![nobodys]).await.duplicates, 1);
    assert_eq!(app.post("abc", vec![part()]).await.duplicates, 1);
    assert_eq!(n_told(&app, app.workspace).await, 1);
}

#[tokio::test]
async fn a_kept_post_carries_its_proof_and_is_found_by_what_it_holds() {
    let app = TestStore::new().await;
    let signature = PayloadSignature {
        header: Some("sha256=00".into()),
        signers: vec![app.account, AccountId::from_parts(7, &[7; 10])],
    };
    let post = |body: &'static str, part: RoutedChange| WebhookPayload {
        body: body.into(),
        changes: vec![part],
        signature: signature.clone(),
        archived: None,
        now: app.now(),
    };
    let strange = undecodable(app.part(WebhookUpdate::Other, (0, 3)));
    app.store.ingest_payload(post("abc", strange.clone())).await.unwrap();
    app.advance(60);
    app.store.ingest_payload(post("def", app.part(WebhookUpdate::Other, (0, 3)))).await.unwrap();
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
    assert!(app.store.list_payloads(&next).await.unwrap().is_empty()); // Split in another way by now, it holds nothing strange any more.
    let archived = Some(found[0].entry);
    let understood = app.part(hold(SuspensionCause::Disabled), (1, 2));
    let done =
        app.store.ingest_payload(WebhookPayload { archived, ..post("abc", understood) }).await.unwrap();
    assert_eq!((done.applied, done.has_account_changes), (1, true));
    assert!(app.store.list_payloads(&strange_ones).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_replaced_secret_is_sealed_and_ends_with_the_account() {
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
