//! Users, sessions, rotation of keys, and audit entries.

use domain::access::audit::{AuditAction, AuditEntry};
use domain::access::permission::Role;
use domain::access::user::User;
use domain::id::{KeyId, UserId, WorkspaceId};
use engine::ports::{
    Accounts, ApiKeyRotation, ApiKeys, AuditFilter, AuditLog, CredentialsQuery, NewSession, StoreErrorKind,
    UpdateUserResult, UserFilter, UserUpdate, Users,
};
use jiff::SignedDuration;

use crate::accounts::an_api_key;
use crate::support::{TestStore, page};

fn user(app: &TestStore, email: &str, role: Role) -> User {
    User {
        id: app.id(UserId::from_parts),
        workspace: app.workspace,
        email: email.parse().unwrap(),
        name: None,
        role,
        is_disabled: false,
        created_at: app.now(),
        updated_at: app.now(),
        last_login_at: None,
    }
}

async fn add(app: &TestStore, email: &str, role: Role) -> User {
    let user = user(app, email, role);
    app.store.insert_user(user.clone(), "hash", app.entry(AuditAction::UserAdded)).await.unwrap();
    user
}

fn change(app: &TestStore, user: &User) -> UserUpdate {
    UserUpdate {
        workspace: user.workspace,
        id: user.id,
        expected_role: user.role,
        email: None,
        name: None,
        role: None,
        is_disabled: None,
        password_hash: None,
        now: app.now(),
    }
}

async fn n_audit_entries(app: &TestStore, action: AuditAction) -> u32 {
    let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
    app.store.list_audit_entries(app.workspace, &filter, page(1)).await.unwrap().total
}

fn session(app: &TestStore, user: &User, n: u8) -> NewSession {
    NewSession {
        digest: [n; 32],
        workspace: user.workspace,
        user: user.id,
        password_hash: "hash".to_owned(),
        now: app.now(),
    }
}

#[tokio::test]
async fn an_action_without_its_audit_entry_is_rolled_back() {
    let app = TestStore::new().await;
    let owner = add(&app, "ada@example.com", Role::Owner).await;
    let filter = AuditFilter { action: Some(AuditAction::UserAdded), ..AuditFilter::default() };
    let written =
        app.store.list_audit_entries(app.workspace, &filter, page(1)).await.unwrap().rows.pop().unwrap();
    // The identifier exists already: the audit entry cannot be inserted.
    let broken = |action| AuditEntry { id: written.id, ..app.entry(action) };
    let new = user(&app, "bob@example.com", Role::Agent);
    let error = app.store.insert_user(new, "hash", broken(AuditAction::UserAdded)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert_eq!(app.store.list_users(app.workspace, &UserFilter::default(), page(9)).await.unwrap().total, 1);
    let edit = UserUpdate { name: Some(Some("Ada".to_owned())), ..change(&app, &owner) };
    app.store.update_user(edit, broken(AuditAction::UserChanged)).await.unwrap_err();
    let shown = app.store.list_users(app.workspace, &UserFilter::default(), page(9)).await.unwrap();
    assert_eq!(shown.rows, std::slice::from_ref(&owner));
    app.store.insert_session(session(&app, &owner, 1), broken(AuditAction::UserLoggedIn)).await.unwrap_err();
    assert!(app.store.get_session(&[1; 32]).await.unwrap().is_none());
    let key = an_api_key(&app);
    app.store.insert_api_key(key.clone(), broken(AuditAction::KeyCreated)).await.unwrap_err();
    app.store
        .delete_account(app.workspace, app.account, false, broken(AuditAction::AccountRemoved))
        .await
        .unwrap_err();
    let directory = app.store.get_directory().await.unwrap();
    assert!(directory.keys.is_empty() && directory.accounts.len() == 1);
}

#[tokio::test]
async fn an_audit_entry_is_read_as_it_was_written() {
    let app = TestStore::new().await;
    let entry = AuditEntry {
        client: Some("2001:db8::1".parse().unwrap()),
        request_id: Some("r".to_owned()),
        ..app.entry(AuditAction::UserAdded)
    };
    let entry = entry.with("role", "agent").with("n", 7_i64);
    let new = user(&app, "ada@example.com", Role::Agent);
    app.store.insert_user(new, "hash", entry.clone()).await.unwrap();
    let app = app.restart();
    let filter = AuditFilter { action: Some(AuditAction::UserAdded), ..AuditFilter::default() };
    assert_eq!(app.store.list_audit_entries(app.workspace, &filter, page(9)).await.unwrap().rows, [entry]);
    let elsewhere = WorkspaceId::from_parts(9, &[9; 10]);
    assert_eq!(
        app.store.list_audit_entries(elsewhere, &AuditFilter::default(), page(9)).await.unwrap().total,
        0
    );
}

#[tokio::test]
async fn the_last_owner_stays_and_a_concurrently_changed_role_is_not_overwritten() {
    let app = TestStore::new().await;
    let owner = add(&app, "ada@example.com", Role::Owner).await;
    let demote = || UserUpdate { role: Some(Role::Admin), ..change(&app, &owner) };
    let put = |edit| app.store.update_user(edit, app.entry(AuditAction::UserChanged));
    assert_eq!(put(demote()).await.unwrap(), UpdateUserResult::LastOwner);
    let remove =
        |seen| app.store.delete_user(app.workspace, owner.id, seen, app.entry(AuditAction::UserRemoved));
    assert_eq!(remove(Role::Owner).await.unwrap(), UpdateUserResult::LastOwner);
    add(&app, "bob@example.com", Role::Owner).await;
    assert!(
        matches!(put(demote()).await.unwrap(), UpdateUserResult::Updated(user) if user.role == Role::Admin)
    );
    assert_eq!(put(demote()).await.unwrap(), UpdateUserResult::Stale);
    assert_eq!(remove(Role::Owner).await.unwrap(), UpdateUserResult::Stale);
    assert!(matches!(remove(Role::Admin).await.unwrap(), UpdateUserResult::Updated(_)));
    assert_eq!(remove(Role::Admin).await.unwrap(), UpdateUserResult::NotFound);
    assert_eq!(
        (
            n_audit_entries(&app, AuditAction::UserChanged).await,
            n_audit_entries(&app, AuditAction::UserRemoved).await
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_session_starts_only_with_the_password_that_was_checked() {
    let app = TestStore::new().await;
    let owner = add(&app, "ada@example.com", Role::Owner).await;
    let begin = |n| app.store.insert_session(session(&app, &owner, n), app.entry(AuditAction::UserLoggedIn));
    assert!(begin(1).await.unwrap());
    let stored = app.store.get_session(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(
        (stored.user.id, stored.user.last_login_at, stored.created_at),
        (owner.id, Some(app.now()), app.now())
    );
    // The password was changed between its check and the start of the session: the session is not created, and the other
    // sessions are deleted.
    let edit = UserUpdate { password_hash: Some("other".to_owned()), ..change(&app, &owner) };
    app.store.update_user(edit, app.entry(AuditAction::UserChanged)).await.unwrap();
    assert!(!begin(2).await.unwrap());
    for n in [1, 2] {
        assert!(app.store.get_session(&[n; 32]).await.unwrap().is_none());
    }
    let whose = CredentialsQuery::Email { email: "ada@example.com".to_owned(), only: None, preferred: None };
    assert_eq!(app.store.get_user_credentials(&whose).await.unwrap().unwrap().password_hash, "other");
}

#[tokio::test]
async fn expired_sessions_are_deleted() {
    let app = TestStore::new().await;
    let owner = add(&app, "ada@example.com", Role::Owner).await;
    for n in 1..=3 {
        app.store
            .insert_session(session(&app, &owner, n), app.entry(AuditAction::UserLoggedIn))
            .await
            .unwrap();
        app.advance(60);
    }
    app.store.update_sessions_last_used(&[([1; 32], app.now()), ([9; 32], app.now())]).await.unwrap();
    let ago = |seconds| app.now() - SignedDuration::from_secs(seconds);
    // The first session was used, the second was not. The first session expires only by its age.
    app.store.expire_sessions(ago(3600), ago(100), 10).await.unwrap();
    let left = |n: u8| {
        let store = app.store.clone();
        async move { store.get_session(&[n; 32]).await.unwrap().is_some() }
    };
    assert_eq!((left(1).await, left(2).await, left(3).await), (true, false, true));
    app.store.expire_sessions(ago(150), ago(3600), 10).await.unwrap();
    assert_eq!((left(1).await, left(3).await), (false, true));
}

#[tokio::test]
async fn a_key_is_rotated_once() {
    let app = TestStore::new().await;
    let old = an_api_key(&app);
    app.store.insert_api_key(old.clone(), app.entry(AuditAction::KeyCreated)).await.unwrap();
    let rotate = |n: u8| {
        let id = app.id(KeyId::from_parts);
        let new = domain::access::api_key::ApiKey { id, digest: [n; 32], ..old.clone() };
        let old_expires_at = app.now() + SignedDuration::from_secs(60);
        let rotation = ApiKeyRotation { new, old: old.id, old_expires_at, now: app.now() };
        (id, app.store.rotate_api_key(rotation, app.entry(AuditAction::KeyRotated)))
    };
    let (id, first) = rotate(1);
    assert!(first.await.unwrap());
    assert!(!rotate(2).1.await.unwrap());
    let directory = app.store.get_directory().await.unwrap();
    let stored = directory.key(&old.digest).unwrap();
    assert_eq!(
        (stored.replaced_by, stored.expires_at),
        (Some(id), Some(app.now() + SignedDuration::from_secs(60)))
    );
    assert_eq!(directory.key(&[1; 32]).unwrap().owner, old.owner);
    assert_eq!((directory.keys.len(), n_audit_entries(&app, AuditAction::KeyRotated).await), (2, 1));
}

#[tokio::test]
async fn the_name_of_a_workspace_is_unique() {
    let app = TestStore::new().await;
    let [id, other] = [(); 2].map(|()| app.id(WorkspaceId::from_parts));
    let entry = |workspace| AuditEntry { workspace, ..app.entry(AuditAction::WorkspaceAdded) };
    app.store.insert_workspace(id, "clinic", entry(id)).await.unwrap();
    let taken = app.store.insert_workspace(other, "clinic", entry(other)).await;
    assert_eq!(taken.unwrap_err().kind(), StoreErrorKind::Conflict);
    assert_eq!(app.store.get_directory().await.unwrap().workspaces.get(&id).unwrap(), "clinic");
}
