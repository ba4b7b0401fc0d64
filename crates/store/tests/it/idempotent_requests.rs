//! Records of requests with an `Idempotency-Key`, except sends.

use domain::access::audit::AuditAction;
use domain::id::{KeyId, OwnerId, RequestId, WorkerId};
use engine::ports::{
    ApiKeyRotation, ApiKeys, CachedResponse, EarlierRequest, EarlierRequestState, IdempotentRequests,
    MessageQueue, NewIdempotentRequest, RequestEnd, RequestResponse, StoreErrorKind, Workers,
};
use jiff::SignedDuration;
use secrecy::SecretSlice;
use store::{ReencryptResult, Sealer, reencrypt};

use crate::accounts::an_api_key;
use crate::support::TestStore;

const DIGEST: [u8; 32] = [7; 32];

fn request(app: &TestStore, key: &str) -> NewIdempotentRequest {
    NewIdempotentRequest {
        id: app.id(RequestId::from_parts),
        workspace: app.workspace,
        owner: OwnerId::from_parts(1, &[4; 10]),
        key: key.to_owned(),
        digest: Some(DIGEST),
        worker: app.worker,
        now: app.now(),
        expires_at: app.now() + SignedDuration::from_hours(24),
    }
}

fn response(text: &'static str, has_secret: bool) -> RequestResponse {
    RequestResponse { response: CachedResponse { status: 201, body: text.into() }, has_secret }
}

fn earlier(state: EarlierRequestState) -> Option<EarlierRequest> {
    Some(EarlierRequest { is_same: Some(true), state })
}

#[tokio::test]
async fn a_request_is_running_then_finished_and_its_response_is_stored() {
    let app = TestStore::new().await;
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    let new = request(&app, "k");
    assert_eq!(app.store.insert_idempotent_request(new.clone()).await.unwrap(), None);
    let running = EarlierRequestState::Running { worker: app.worker, is_alive: true };
    assert_eq!(app.store.insert_idempotent_request(request(&app, "k")).await.unwrap(), earlier(running));
    let other = NewIdempotentRequest { digest: Some([8; 32]), ..request(&app, "k") };
    let found = app.store.get_idempotent_request(&other).await.unwrap().unwrap();
    assert_eq!(found.is_same, Some(false));
    let unknown = NewIdempotentRequest { digest: None, ..request(&app, "k") };
    assert_eq!(app.store.get_idempotent_request(&unknown).await.unwrap().unwrap().is_same, None);

    for (key, has_secret) in [("k", false), ("secret", true)] {
        let new = if key == "k" { new.clone() } else { request(&app, key) };
        app.store.insert_idempotent_request(new.clone()).await.unwrap();
        let end = RequestEnd::Finished(response("wp_live_abc", has_secret));
        app.store.finish_idempotent_request(new.id, None, end).await.unwrap();
        let finished = EarlierRequestState::Finished(response("wp_live_abc", has_secret));
        assert_eq!(app.store.get_idempotent_request(&request(&app, key)).await.unwrap(), earlier(finished));
    }
    let app = app.restart();
    app.advance(24 * 3600);
    assert_eq!(app.store.get_idempotent_request(&request(&app, "k")).await.unwrap(), None);
    // An expired record is replaced.
    assert_eq!(app.store.insert_idempotent_request(request(&app, "k")).await.unwrap(), None);
    app.store.expire_messages(app.now(), 100).await.unwrap();
    let database = rusqlite::Connection::open(app.path()).unwrap();
    let keys: String = database
        .query_row("select group_concat(key) from idempotent_requests", (), |row| row.get(0))
        .unwrap();
    assert_eq!(keys, "k");
}

#[tokio::test]
async fn a_released_key_is_free_and_an_interrupted_key_is_in_use() {
    let app = TestStore::new().await;
    let new = request(&app, "k");
    app.store.insert_idempotent_request(new.clone()).await.unwrap();
    app.store.finish_idempotent_request(new.id, None, RequestEnd::Released).await.unwrap();
    let new = NewIdempotentRequest { digest: None, ..request(&app, "k") };
    assert_eq!(app.store.insert_idempotent_request(new.clone()).await.unwrap(), None);
    app.store.finish_idempotent_request(new.id, Some(DIGEST), RequestEnd::Interrupted).await.unwrap();
    let interrupted = earlier(EarlierRequestState::Interrupted);
    assert_eq!(app.store.insert_idempotent_request(request(&app, "k")).await.unwrap(), interrupted);
}

#[tokio::test]
async fn a_worker_without_a_heartbeat_is_dead() {
    let app = TestStore::new().await;
    let worker = WorkerId::from_parts(3, &[3; 10]);
    app.store.record_heartbeat(worker, app.now()).await.unwrap();
    app.store.insert_idempotent_request(NewIdempotentRequest { worker, ..request(&app, "k") }).await.unwrap();
    for (seconds, is_alive) in [(10, true), (1, false)] {
        app.advance(seconds);
        let running = EarlierRequestState::Running { worker, is_alive };
        assert_eq!(app.store.get_idempotent_request(&request(&app, "k")).await.unwrap(), earlier(running));
    }
}

#[tokio::test]
async fn a_stored_secret_and_the_digest_of_a_body_survive_a_new_secret_key() {
    let app = TestStore::new().await;
    let new = request(&app, "k");
    app.store.insert_idempotent_request(new.clone()).await.unwrap();
    let end = RequestEnd::Finished(response("wp_live_abc", true));
    app.store.finish_idempotent_request(new.id, None, end).await.unwrap();
    let database = rusqlite::Connection::open(app.path()).unwrap();
    let stored: (Vec<u8>, Vec<u8>) = database
        .query_row("select sealed_body, digest from idempotent_requests", (), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(!stored.0.windows(7).any(|bytes| bytes == b"wp_live"));
    // A digest of a guessable body, such as a password, cannot be computed without the secret key.
    assert_ne!(stored.1, DIGEST);
    app.advance(60);
    let key = |byte: u8| SecretSlice::from(vec![byte; 32]);
    let both = Sealer::new(&key(8), app.random.clone()).unwrap().with_old(&key(9)).unwrap();
    let end = reencrypt(&app.path(), &both, app.now()).unwrap();
    assert!(matches!(end, ReencryptResult::Done { n_reencrypted: 3, .. }), "{end:?}");
}

#[tokio::test]
async fn the_name_of_an_active_key_is_unique_in_its_workspace() {
    let app = TestStore::new().await;
    let named = |n: u8, name: &str| {
        let id = app.id(KeyId::from_parts);
        domain::access::api_key::ApiKey { id, digest: [n; 32], name: name.to_owned(), ..an_api_key(&app) }
    };
    let insert = |key| app.store.insert_api_key(key, app.entry(AuditAction::KeyCreated));
    let first = named(1, "ci");
    insert(first.clone()).await.unwrap();
    insert(named(2, "CI")).await.unwrap();
    assert_eq!(insert(named(3, "ci")).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    // A rotated key keeps its name. The key that replaces it has the name then.
    let new = named(4, "ci");
    let rotation = ApiKeyRotation {
        new: new.clone(),
        old: first.id,
        old_expires_at: app.now() + SignedDuration::from_hours(1),
        now: app.now(),
    };
    assert!(app.store.rotate_api_key(rotation, app.entry(AuditAction::KeyRotated)).await.unwrap());
    assert_eq!(insert(named(5, "ci")).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    assert!(
        app.store.revoke_api_key(app.workspace, new.id, app.entry(AuditAction::KeyRevoked)).await.unwrap()
    );
    let expires_at = Some(app.now() + SignedDuration::from_secs(60));
    insert(domain::access::api_key::ApiKey { expires_at, ..named(6, "ci") }).await.unwrap();
    assert_eq!(insert(named(7, "ci")).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    app.advance(60);
    insert(named(8, "ci")).await.unwrap();
}
