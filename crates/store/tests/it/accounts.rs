//! Accounts, keys and templates, and their secrets at rest.

use domain::access::api_key::{ApiKey, KeyScope};
use domain::access::audit::AuditAction;
use domain::id::{KeyId, OwnerId, TemplateId};
use domain::templates::{ParameterFormat, Template, TemplateCategory, TemplateStatus};
use engine::ports::{
    AccountSuspension, Accounts, ApiKeys, DeleteAccountResult, ListedTemplate, StoreErrorKind,
    TemplateFilter, TemplateNames, TemplateRecords, TemplateSync, TemplateSyncScope,
};
use jiff::SignedDuration;
use secrecy::ExposeSecret;

use crate::support::{TestStore, page};

#[tokio::test]
async fn an_account_is_read_with_its_secrets() {
    let app = TestStore::new().await.restart();
    let directory = app.store.get_directory().await.unwrap();
    let record = &directory.accounts[0];
    assert_eq!(record.account.id, app.account);
    assert_eq!(record.access_token.expose_secret(), "demo-access-token");
    assert_eq!(record.app_secret.as_ref().unwrap().expose_secret(), "demo-app-secret");
}

#[tokio::test]
async fn the_database_files_contain_no_readable_secret() {
    let app = TestStore::new().await;
    let folder = app.folder.path().to_owned();
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in ["demo-access-token", "demo-app-secret"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

#[tokio::test]
async fn names_and_numbers_of_accounts_are_unique() {
    let app = TestStore::new().await;
    let directory = app.store.get_directory().await.unwrap();
    let mut record = (*directory.accounts[0]).clone();
    record.account.id = app.id(domain::id::AccountId::from_parts);
    let new = engine::ports::NewAccount { record, created_at: app.now() };
    let clash = app.store.insert_account(new, app.entry(AuditAction::AccountAdded)).await;
    assert_eq!(clash.unwrap_err().kind(), StoreErrorKind::Conflict);
    let entry = app.entry(AuditAction::AccountRemoved);
    let removal = app.store.delete_account(app.workspace, app.account, false, entry).await.unwrap();
    assert_eq!(removal, DeleteAccountResult::Deleted);
    app.add_account("main", "330011220099887").await;
}

#[tokio::test]
async fn each_change_increments_the_revision() {
    let app = TestStore::new().await;
    let before = app.store.get_revision().await.unwrap();
    let entry = app.entry(AuditAction::AccountHeld);
    app.store
        .update_account_suspension(
            app.workspace,
            app.account,
            Some(AccountSuspension { reason: "token expired".to_owned(), is_probed: false }),
            entry,
        )
        .await
        .unwrap();
    let after = app.store.get_revision().await.unwrap();
    assert!(before.directory < after.directory);
    assert_eq!(before.templates, after.templates);
}

/// Returns a key with a value in every field.
pub(crate) fn an_api_key(app: &TestStore) -> ApiKey {
    ApiKey {
        id: app.id(KeyId::from_parts),
        owner: app.id(OwnerId::from_parts),
        workspace: app.workspace,
        name: "ci".to_owned(),
        prefix: "wp_test_abcd".to_owned(),
        digest: [3; 32],
        scopes: vec![KeyScope::Send, KeyScope::Read],
        accounts: vec![app.account],
        is_test: true,
        rate_per_minute: Some(5),
        rate_burst: None,
        expires_at: None,
        revoked_at: None,
        replaced_by: None,
        created_at: app.now(),
        last_used_at: None,
    }
}

#[tokio::test]
async fn a_key_is_read_as_it_was_written_and_is_revoked_once() {
    let app = TestStore::new().await;
    let key = an_api_key(&app);
    app.store.insert_api_key(key.clone(), app.entry(AuditAction::KeyCreated)).await.unwrap();
    let directory = app.store.get_directory().await.unwrap();
    assert_eq!(**directory.keys.get(&[3; 32]).unwrap(), key);
    assert!(
        app.store.revoke_api_key(app.workspace, key.id, app.entry(AuditAction::KeyRevoked)).await.unwrap()
    );
    assert!(
        !app.store.revoke_api_key(app.workspace, key.id, app.entry(AuditAction::KeyRevoked)).await.unwrap()
    );
    let directory = app.store.get_directory().await.unwrap();
    assert!(!directory.keys.get(&[3; 32]).unwrap().is_valid(app.now()));
}

fn listed(name: &str, status: TemplateStatus) -> ListedTemplate {
    ListedTemplate {
        meta_id: "707001122334455".to_owned(),
        template: Template {
            name: name.to_owned(),
            language: "en".to_owned(),
            status,
            category: TemplateCategory::Utility,
            parameter_format: ParameterFormat::Positional,
            components: Default::default(),
        },
        components: r#"[{"type":"BODY","text":"Hello {{1}} there"}]"#.to_owned(),
        quality: None,
        rejected_reason: None,
    }
}

#[tokio::test]
async fn a_complete_synchronization_deletes_templates_that_meta_does_not_list() {
    let app = TestStore::new().await;
    let put = |names: &[&str], scope| TemplateSync {
        workspace: app.workspace,
        waba_id: "210987650001234".to_owned(),
        templates: names
            .iter()
            .map(|name| (app.id(TemplateId::from_parts), listed(name, TemplateStatus::Approved)))
            .collect(),
        scope,
        entry: None,
        now: app.now(),
    };
    let counts = app
        .store
        .sync_templates(put(&["a", "b"], TemplateSyncScope::Waba { written_before: app.now() }))
        .await
        .unwrap();
    assert_eq!((counts.added, counts.total), (2, 2));
    app.advance(1);
    let counts = app.store.sync_templates(put(&["c"], TemplateSyncScope::Listed)).await.unwrap();
    assert_eq!((counts.added, counts.removed, counts.total), (1, 0, 3));
    app.advance(1);
    let counts = app
        .store
        .sync_templates(put(&["a"], TemplateSyncScope::Waba { written_before: app.now() }))
        .await
        .unwrap();
    assert_eq!((counts.added, counts.updated, counts.removed, counts.total), (0, 0, 2, 1));
    let found = app.store.list_templates(app.workspace, &TemplateFilter::default(), page(10)).await.unwrap();
    assert_eq!(found.rows[0].listed.template.name, "a");
    let one = app.store.get_template(app.workspace, "210987650001234", "a", "en").await.unwrap().unwrap();
    assert!(one.listed.template.components.body.is_some());
}

#[tokio::test]
async fn a_list_of_one_name_deletes_only_old_templates_of_this_name() {
    let app = TestStore::new().await;
    let waba_id = "210987650001234";
    let in_language = |name: &str, language: &str| {
        let mut listed = listed(name, TemplateStatus::Approved);
        listed.template.language = language.to_owned();
        (app.id(TemplateId::from_parts), listed)
    };
    let put = |templates, scope| TemplateSync {
        workspace: app.workspace,
        waba_id: waba_id.to_owned(),
        templates,
        scope,
        entry: None,
        now: app.now(),
    };
    let none = app.store.get_templates_synced_at(app.workspace, waba_id).await.unwrap();
    assert_eq!(none, None);
    let first = app.now();
    let all = vec![in_language("a", "en"), in_language("a", "fr"), in_language("b", "en")];
    app.store.sync_templates(put(all, TemplateSyncScope::Waba { written_before: app.now() })).await.unwrap();
    app.advance(60);
    // A template that was created a moment ago may be missing in Meta's list.
    let created = vec![in_language("a", "de")];
    app.store.sync_templates(put(created, TemplateSyncScope::Listed)).await.unwrap();
    app.advance(1);
    let of_a = |written_before| TemplateSyncScope::Name { name: "a".to_owned(), written_before };
    let counts = app.store.sync_templates(put(vec![in_language("a", "en")], of_a(first))).await.unwrap();
    assert_eq!((counts.removed, counts.total), (0, 4));
    let scope = of_a(first + SignedDuration::from_secs(30));
    let counts = app.store.sync_templates(put(vec![in_language("a", "en")], scope)).await.unwrap();
    assert_eq!((counts.removed, counts.total), (1, 3));
    let names = app.store.list_template_names(app.workspace, waba_id, "a").await.unwrap();
    assert_eq!(names.languages, ["de", "en"]);
    assert_eq!(names.names, ["a", "b"]);
    let other = app.store.list_template_names(app.workspace, "1", "a").await.unwrap();
    assert_eq!(other, TemplateNames::default());
    let synced_at = app.store.get_templates_synced_at(app.workspace, waba_id).await.unwrap();
    assert_eq!(synced_at, Some(first));
}
