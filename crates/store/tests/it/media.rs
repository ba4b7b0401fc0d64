//! Media records.

use domain::access::audit::AuditAction;
use domain::id::{MediaId, MessageId, WorkerId, WorkspaceId};
use domain::media::parse_sha256;
use domain::messages::inbound::InboundMessage;
use domain::webhooks_in::update::WebhookUpdate;
use engine::ports::{
    BlobKey, ContactFilter, Contacts, DeleteMediaResult, Erasures, LeaseCheck, LeasedMedia, Maintenance,
    MediaFetchResult, MediaLeaseRequest, MediaOrigin, MediaRecords, MediaState, NewMedia, ReceivedMedia,
    RetentionCursor, RetentionTarget, StoredMedia, UploadKey, Workers,
};
use jiff::SignedDuration;

use crate::support::{CUSTOMER, TestStore, page};

const DAY: i64 = 86_400;

impl TestStore {
    fn image(&self, wamid: &str, meta_id: &str) -> InboundMessage {
        let object = format!(r#"{{"id":"{meta_id}","mime_type":"image/png","sha256":"{}"}}"#, "0".repeat(64));
        InboundMessage {
            kind: "image".to_owned(),
            object: serde_json::from_str(&object).ok(),
            ..self.text_from(CUSTOMER, wamid)
        }
    }

    /// Ingests an image of a customer. Returns the identifiers of the message and of the file.
    async fn image_message(&self, wamid: &str) -> (MessageId, MediaId) {
        let change = self.change(WebhookUpdate::Message(self.image(wamid, "77")), (0, 2));
        let ids = (change.ids.message, change.ids.media);
        let ingested = self.post(&format!("post {wamid}"), vec![change]).await;
        assert!(ingested.has_media);
        ids
    }

    fn fetch_request(&self, worker: WorkerId, n: usize) -> MediaLeaseRequest {
        MediaLeaseRequest {
            worker,
            tokens: (0..n).map(|_| self.token()).collect(),
            busy: Vec::new(),
            per_account: 4,
            silent_since: self.now() - SignedDuration::from_secs(10),
            until: self.now() + SignedDuration::from_mins(20),
            now: self.now(),
        }
    }

    async fn lease_files(&self, worker: WorkerId) -> Vec<LeasedMedia> {
        self.store.lease_media(self.fetch_request(worker, 10)).await.unwrap()
    }

    async fn file(&self, id: MediaId) -> StoredMedia {
        self.store.get_media(self.workspace, id).await.unwrap().unwrap()
    }

    fn key(&self, media: MediaId) -> BlobKey {
        BlobKey { workspace: self.workspace, media }
    }

    async fn begin_upload(&self) -> BlobKey {
        let key = self.key(self.id(MediaId::from_parts));
        let now = self.now();
        let expires_at = now + SignedDuration::from_hours(6);
        let new = NewMedia { key, account: None, origin: MediaOrigin::Upload, expires_at, now };
        self.store.insert_media(new).await.unwrap();
        key
    }

    fn received(&self, key: BlobKey, content: u8) -> ReceivedMedia {
        ReceivedMedia {
            key,
            account: None,
            sha256: [content; 32],
            size: 3,
            mime_type: "image/png".to_owned(),
            file_name: Some("a.png".to_owned()),
            expires_at: self.now() + SignedDuration::from_hours(24 * 30),
        }
    }
}

fn ready() -> MediaFetchResult {
    MediaFetchResult::Ready { sha256: [1; 32], size: 9, mime_type: "image/png".to_owned(), expires_at: None }
}

#[tokio::test]
async fn a_file_of_an_erased_contact_is_deleted_when_its_download_ends() {
    let app = TestStore::new().await;
    let (_, id) = app.image_message("wamid.1").await;
    let worker = app.id(WorkerId::from_parts);
    app.store.record_heartbeat(worker, app.now()).await.unwrap();
    let leased = app.lease_files(worker).await.remove(0);
    let contacts = app.store.list_contacts(app.workspace, &ContactFilter::default(), page(5)).await.unwrap();
    assert!(
        app.store.begin_erasure(contacts.rows[0].id, app.entry(AuditAction::ContactErased)).await.unwrap()
    );
    // The download may still write the file: the file must not be deleted before the download ends.
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), []);
    let end = MediaFetchResult::Ready {
        sha256: [1; 32],
        size: 3,
        mime_type: "image/png".to_owned(),
        expires_at: None,
    };
    let settled = app.store.finish_media_fetch(app.key(id), leased.token, end).await.unwrap();
    assert_eq!((settled, app.file(id).await.state), (LeaseCheck::Lost, MediaState::Gone));
    app.advance(21 * 60);
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [app.key(id)]);
    app.store.delete_media(app.key(id)).await.unwrap();
    let file = app.file(id).await;
    assert_eq!((file.state, file.mime_type, file.sha256), (MediaState::Failed, None, None));
}

#[tokio::test]
async fn an_image_of_a_customer_is_one_file_also_if_its_webhook_is_repeated() {
    let app = TestStore::new().await;
    let (message, media) = app.image_message("wamid.A").await;
    let repeated = app.change(WebhookUpdate::Message(app.image("wamid.A", "77")), (0, 2));
    assert!(!app.post("again", vec![repeated]).await.has_media);
    let file = app.file(media).await;
    assert_eq!((file.state, file.origin), (MediaState::Pending, MediaOrigin::Inbound));
    assert_eq!((file.account, file.message), (Some(app.account), Some(message)));
    assert_eq!(file.sha256, parse_sha256(&"0".repeat(64)));
    assert_eq!(app.detail(message).await.media, Some(file));
    let leased = app.lease_files(app.worker).await;
    assert_eq!(leased.len(), 1);
    assert_eq!((leased[0].id, leased[0].meta_id.as_str()), (media, "77"));
}

#[tokio::test]
async fn a_file_without_a_media_id_has_failed() {
    let app = TestStore::new().await;
    let message = InboundMessage { kind: "video".to_owned(), ..app.text_from(CUSTOMER, "wamid.B") };
    let change = app.change(WebhookUpdate::Message(message), (0, 2));
    let id = change.ids.media;
    assert!(!app.post("large", vec![change]).await.has_media);
    let file = app.file(id).await;
    assert_eq!(file.state, MediaState::Failed);
    assert!(file.reason.unwrap().contains("100 MB"));
    assert!(app.lease_files(app.worker).await.is_empty());
}

#[tokio::test]
async fn a_file_is_leased_to_one_worker_until_the_worker_dies() {
    let app = TestStore::new().await;
    let (_, media) = app.image_message("wamid.A").await;
    let first = app.lease_files(app.worker).await.remove(0);
    let other = WorkerId::from_parts(2, &[3; 10]);
    app.store.record_heartbeat(other, app.now()).await.unwrap();
    assert!(app.lease_files(other).await.is_empty(), "it is held");
    app.advance(11);
    app.store.record_heartbeat(other, app.now()).await.unwrap();
    let second = app.lease_files(other).await.remove(0);
    assert_eq!(second.id, media);
    let key = app.key(media);
    assert_eq!(app.store.finish_media_fetch(key, first.token, ready()).await.unwrap(), LeaseCheck::Lost);
    assert_eq!(app.file(media).await.state, MediaState::Pending);
    assert_eq!(app.store.finish_media_fetch(key, second.token, ready()).await.unwrap(), LeaseCheck::Valid);
    assert_eq!(app.file(media).await.state, MediaState::Ready);
    assert_eq!(
        app.store.finish_media_fetch(key, second.token, ready()).await.unwrap(),
        LeaseCheck::Lost,
        "once"
    );
}

#[tokio::test]
async fn a_lease_of_a_living_worker_expires() {
    let app = TestStore::new().await;
    app.image_message("wamid.A").await;
    assert_eq!(app.lease_files(app.worker).await.len(), 1);
    app.advance(20 * 60);
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    assert_eq!(app.lease_files(app.worker).await.len(), 1);
}

#[tokio::test]
async fn a_failed_download_has_a_retry_time_and_a_reason() {
    let app = TestStore::new().await;
    let (_, media) = app.image_message("wamid.A").await;
    let lease = app.lease_files(app.worker).await.remove(0);
    let due_at = app.now() + SignedDuration::from_secs(5);
    let end = MediaFetchResult::Retry { due_at, reason: "HTTP 500".to_owned() };
    app.store.finish_media_fetch(app.key(media), lease.token, end).await.unwrap();
    let file = app.file(media).await;
    assert_eq!(
        (file.state, file.reason.as_deref(), file.due_at),
        (MediaState::Pending, Some("HTTP 500"), Some(due_at))
    );
    assert!(app.lease_files(app.worker).await.is_empty());
    app.advance(5);
    let again = app.lease_files(app.worker).await.remove(0);
    assert_eq!(again.n_failures, 1);
    let end = MediaFetchResult::Failed { reason: "given up".to_owned() };
    app.store.finish_media_fetch(app.key(media), again.token, end).await.unwrap();
    assert_eq!(app.file(media).await.state, MediaState::Failed);
    app.advance(DAY);
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    assert!(app.lease_files(app.worker).await.is_empty());
}

#[tokio::test]
async fn the_number_of_leased_files_of_one_account_is_limited() {
    let app = TestStore::new().await;
    for n in 0..6 {
        app.image_message(&format!("wamid.{n}")).await;
    }
    assert_eq!(app.lease_files(app.worker).await.len(), 4);
    let busy = MediaLeaseRequest { busy: vec![app.account], ..app.fetch_request(app.worker, 9) };
    assert!(app.store.lease_media(busy).await.unwrap().is_empty());
    let one_token = app.fetch_request(app.worker, 1);
    assert_eq!(app.store.lease_media(one_token).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_repeated_upload_extends_the_expiry_of_the_existing_file() {
    let app = TestStore::new().await;
    let first = app.begin_upload().await;
    assert_eq!(app.file(first.media).await.state, MediaState::Receiving);
    let stored = app.store.finish_media(app.received(first, 1)).await.unwrap();
    assert!(stored.is_new);
    assert_eq!((stored.media.id, stored.media.state), (first.media, MediaState::Ready));
    app.advance(DAY);
    let second = app.begin_upload().await;
    let again = app.store.finish_media(app.received(second, 1)).await.unwrap();
    assert!(!again.is_new);
    assert_eq!(again.media.id, first.media);
    assert_eq!(again.media.expires_at, Some(app.now() + SignedDuration::from_hours(24 * 30)));
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [second], "its content is given up");
    let third = app.begin_upload().await;
    let other_type = ReceivedMedia { mime_type: "text/plain".to_owned(), ..app.received(third, 1) };
    assert!(app.store.finish_media(other_type).await.unwrap().is_new, "sent as another type");
    let fourth = app.begin_upload().await;
    let other_owner = ReceivedMedia { account: Some(app.account), ..app.received(fourth, 1) };
    assert!(app.store.finish_media(other_owner).await.unwrap().is_new, "others may not see it");
}

#[tokio::test]
async fn expired_files_are_marked_and_deleted() {
    let app = TestStore::new().await;
    let never_whole = app.begin_upload().await;
    let upload = app.begin_upload().await;
    app.store.finish_media(app.received(upload, 1)).await.unwrap();
    let (_, inbound) = app.image_message("wamid.A").await;
    let lease = app.lease_files(app.worker).await.remove(0);
    let expires_at = Some(app.now() + SignedDuration::from_hours(24 * 90));
    let end =
        MediaFetchResult::Ready { sha256: [1; 32], size: 9, mime_type: "image/png".to_owned(), expires_at };
    app.store.finish_media_fetch(app.key(inbound), lease.token, end).await.unwrap();

    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), []);
    app.advance(6 * 3600);
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [never_whole]);
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [never_whole], "until it is forgotten");
    app.store.delete_media(never_whole).await.unwrap();
    assert_eq!(app.store.get_media(app.workspace, never_whole.media).await.unwrap(), None);

    let hold_until = app.now() + SignedDuration::from_hours(24 * 60);
    assert!(app.store.retain_media(upload, hold_until).await.unwrap());
    app.advance(59 * DAY);
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), []);
    app.advance(DAY);
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [upload]);
    assert!(!app.store.retain_media(upload, hold_until).await.unwrap(), "too late");
    app.store.delete_media(upload).await.unwrap();

    app.advance(30 * DAY);
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [app.key(inbound)]);
    app.store.delete_media(app.key(inbound)).await.unwrap();
    let file = app.file(inbound).await;
    assert_eq!(
        (file.state, file.reason.as_deref()),
        (MediaState::Failed, Some("the retention period of the file has ended"))
    );
}

#[tokio::test]
async fn an_upload_is_valid_until_its_expiry_for_one_account() {
    let app = TestStore::new().await;
    let key = UploadKey {
        workspace: app.workspace,
        account: app.account,
        sha256: [1; 32],
        mime_type: "image/png".to_owned(),
    };
    let now = app.now();
    let ends_at = now + SignedDuration::from_hours(24);
    assert_eq!(app.store.get_media_upload(&key, now).await.unwrap(), None);
    app.store.insert_media_upload(&key, "55", now, ends_at).await.unwrap();
    assert_eq!(app.store.get_media_upload(&key, now).await.unwrap().as_deref(), Some("55"));
    assert_eq!(app.store.get_media_upload(&key, ends_at).await.unwrap(), None);
    let second = app.add_account("second", "330011220099888").await;
    let other = UploadKey { account: second, ..key.clone() };
    assert_eq!(app.store.get_media_upload(&other, now).await.unwrap(), None);
    app.store.insert_media_upload(&key, "56", now, ends_at).await.unwrap();
    assert_eq!(app.store.get_media_upload(&key, now).await.unwrap().as_deref(), Some("56"));
    app.advance(DAY);
    app.store.expire_media(app.now(), 10).await.unwrap();
    assert_eq!(app.store.get_media_upload(&key, now).await.unwrap(), None, "forgotten");
}

#[tokio::test]
async fn a_file_is_not_found_in_another_workspace() {
    let app = TestStore::new().await;
    let (_, media) = app.image_message("wamid.A").await;
    let stranger = WorkspaceId::from_parts(1, &[9; 10]);
    assert_eq!(app.store.get_media(stranger, media).await.unwrap(), None);
    assert!(!app.store.retain_media(BlobKey { workspace: stranger, media }, app.now()).await.unwrap());
}

#[tokio::test]
async fn many_files_of_one_account_do_not_delay_another_account() {
    let app = TestStore::new().await;
    let (_, first) = app.image_message("wamid.A").await;
    let connection = rusqlite::Connection::open(app.path()).unwrap();
    for n in 0..2_500 {
        let id: MediaId = app.id(MediaId::from_parts);
        connection
            .execute(
                "insert into media (id, workspace_id, account_id, origin, state, meta_id, due_at, created_at)
                 values (?1, ?2, ?3, 'inbound', 'pending', ?4, ?5, ?5)",
                (
                    id.as_bytes(),
                    app.workspace.as_bytes(),
                    app.account.as_bytes(),
                    n.to_string(),
                    app.now().as_microsecond(),
                ),
            )
            .unwrap();
    }
    app.advance(60);
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    let clinic = app.add_account("clinic", "330011220099888").await;
    let mut change = app.change(WebhookUpdate::Message(app.image("wamid.B", "78")), (0, 2));
    change.route.as_mut().unwrap().account = Some(clinic);
    let theirs = change.ids.media;
    assert!(app.post("post wamid.B", vec![change]).await.has_media);
    // The first account has the maximum number of downloads.
    let busy = MediaLeaseRequest { busy: vec![app.account], ..app.fetch_request(app.worker, 12) };
    let leased = app.store.lease_media(busy).await.unwrap();
    assert_eq!(leased.iter().map(|lease| lease.id).collect::<Vec<_>>(), [theirs]);
    let leased = app.lease_files(app.worker).await;
    assert_eq!((leased.len(), leased[0].id), (4, first));
}

#[tokio::test]
async fn a_file_is_deleted_with_its_message() {
    let app = TestStore::new().await;
    let (_, id) = app.image_message("wamid.A").await;
    let lease = app.lease_files(app.worker).await.remove(0);
    app.store.finish_media_fetch(app.key(id), lease.token, ready()).await.unwrap();
    let (_, stored) = app.image_message("wamid.B").await;
    app.advance(400 * DAY);
    let (what, before) = (RetentionTarget::Messages(app.workspace), app.now());
    let overdue = app.store.list_expired_rows(what, before, RetentionCursor::default(), 10).await.unwrap();
    assert_eq!(app.store.delete_expired_rows(what, before, overdue.rows).await.unwrap(), 1);
    // Otherwise the file would never be deleted: the message that names its contact is deleted.
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [app.key(id)]);
    app.store.delete_media(app.key(id)).await.unwrap();
    assert_eq!(app.store.get_media(app.workspace, id).await.unwrap(), None);
    assert_eq!(app.file(stored).await.state, MediaState::Pending);
}

#[tokio::test]
async fn a_message_that_is_accepted_during_a_deletion_retains_its_file() {
    let app = TestStore::new().await;
    let entry = || app.entry(AuditAction::MediaRemoved);
    for state in ["queued", "sending"] {
        let key = app.begin_upload().await;
        assert_eq!(
            app.store.delete_unused_media(key, 0, entry()).await.unwrap(),
            DeleteMediaResult::NotFound
        );
        app.store.finish_media(app.received(key, state.as_bytes()[0])).await.unwrap();
        let found = app.store.get_media_use(key).await.unwrap();
        assert_eq!(found.message, None);
        let new = if state == "queued" { app.queued(CUSTOMER) } else { app.new_message() };
        let content = format!(r#"{{"id":"{}"}}"#, key.media).into();
        let lease = app.accept(engine::ports::NewMessage { kind: "image", content, ..new }).await;
        let in_use = DeleteMediaResult::InUse(lease.message);
        assert_eq!(
            app.store.delete_unused_media(key, found.newest, entry()).await.unwrap(),
            in_use,
            "{state}"
        );
        assert_eq!(app.store.get_media_use(key).await.unwrap().message, Some(lease.message), "{state}");
        assert_eq!(app.file(key.media).await.state, MediaState::Ready);
        // A deletion in another workspace finds no file.
        let stranger = BlobKey { workspace: WorkspaceId::from_parts(1, &[9; 10]), ..key };
        let result = app.store.delete_unused_media(stranger, 0, entry()).await.unwrap();
        assert_eq!(result, DeleteMediaResult::NotFound);
    }
}
