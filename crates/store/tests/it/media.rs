//! What is written down of files.

use domain::access::audit::AuditAction;
use domain::id::{MediaId, MessageId, WorkerId, WorkspaceId};
use domain::media::parse_sha256;
use domain::messages::inbound::InboundMessage;
use domain::webhooks_in::update::WebhookUpdate;
use engine::ports::{
    BlobKey, ContactFilter, Contacts, Erasures, LeaseCheck, LeasedMedia, Maintenance, MediaFetchResult,
    MediaLeaseRequest, MediaOrigin, MediaRecords, MediaState, NewMedia, ReceivedMedia, RetentionCursor,
    RetentionTarget, StoredMedia, UploadKey, Workers,
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

    /// A customer sends a picture; gives the ids of the message and of the file.
    async fn picture(&self, wamid: &str) -> (MessageId, MediaId) {
        let part = self.part(WebhookUpdate::Message(self.image(wamid, "77")), (0, 2));
        let ids = (part.ids.message, part.ids.media);
        let ingested = self.post(&format!("post {wamid}"), vec![part]).await;
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

    async fn fetch_claims(&self, worker: WorkerId) -> Vec<LeasedMedia> {
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

    fn whole(&self, key: BlobKey, content: u8) -> ReceivedMedia {
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
async fn an_erased_persons_file_that_is_being_fetched_is_deleted_when_the_fetch_is_over() {
    let app = TestStore::new().await;
    let (_, id) = app.picture("wamid.1").await;
    let worker = app.id(WorkerId::from_parts);
    app.store.record_heartbeat(worker, app.now()).await.unwrap();
    let leased = app.fetch_claims(worker).await.remove(0);
    let contacts = app.store.list_contacts(app.workspace, &ContactFilter::default(), page(5)).await.unwrap();
    assert!(
        app.store.begin_erasure(contacts.rows[0].id, app.entry(AuditAction::ContactErased)).await.unwrap()
    );
    // The fetch may write yet: what is deleted too early would come back.
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
async fn a_customers_picture_is_a_file_to_fetch_once_however_often_it_is_posted() {
    let app = TestStore::new().await;
    let (message, media) = app.picture("wamid.A").await;
    let repeated = app.part(WebhookUpdate::Message(app.image("wamid.A", "77")), (0, 2));
    assert!(!app.post("again", vec![repeated]).await.has_media);
    let file = app.file(media).await;
    assert_eq!((file.state, file.origin), (MediaState::Pending, MediaOrigin::Inbound));
    assert_eq!((file.account, file.message), (Some(app.account), Some(message)));
    assert_eq!(file.sha256, parse_sha256(&"0".repeat(64)));
    assert_eq!(app.detail(message).await.media, Some(file));
    let leased = app.fetch_claims(app.worker).await;
    assert_eq!(leased.len(), 1);
    assert_eq!((leased[0].id, leased[0].meta_id.as_str()), (media, "77"));
}

#[tokio::test]
async fn a_file_without_an_id_has_failed_from_the_start() {
    let app = TestStore::new().await;
    let message = InboundMessage { kind: "video".to_owned(), ..app.text_from(CUSTOMER, "wamid.B") };
    let part = app.part(WebhookUpdate::Message(message), (0, 2));
    let id = part.ids.media;
    assert!(!app.post("large", vec![part]).await.has_media);
    let file = app.file(id).await;
    assert_eq!(file.state, MediaState::Failed);
    assert!(file.reason.unwrap().contains("100 MB"));
    assert!(app.fetch_claims(app.worker).await.is_empty());
}

#[tokio::test]
async fn a_claim_is_one_workers_until_it_dies() {
    let app = TestStore::new().await;
    let (_, media) = app.picture("wamid.A").await;
    let first = app.fetch_claims(app.worker).await.remove(0);
    let other = WorkerId::from_parts(2, &[3; 10]);
    app.store.record_heartbeat(other, app.now()).await.unwrap();
    assert!(app.fetch_claims(other).await.is_empty(), "it is held");
    app.advance(11);
    app.store.record_heartbeat(other, app.now()).await.unwrap();
    let second = app.fetch_claims(other).await.remove(0);
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
async fn a_claim_of_a_living_worker_runs_out_as_well() {
    let app = TestStore::new().await;
    app.picture("wamid.A").await;
    assert_eq!(app.fetch_claims(app.worker).await.len(), 1);
    app.advance(20 * 60);
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    assert_eq!(app.fetch_claims(app.worker).await.len(), 1);
}

#[tokio::test]
async fn a_fetch_that_failed_waits_for_its_time_and_says_why() {
    let app = TestStore::new().await;
    let (_, media) = app.picture("wamid.A").await;
    let lease = app.fetch_claims(app.worker).await.remove(0);
    let due_at = app.now() + SignedDuration::from_secs(5);
    let end = MediaFetchResult::Retry { due_at, reason: "HTTP 500".to_owned() };
    app.store.finish_media_fetch(app.key(media), lease.token, end).await.unwrap();
    let file = app.file(media).await;
    assert_eq!(
        (file.state, file.reason.as_deref(), file.due_at),
        (MediaState::Pending, Some("HTTP 500"), Some(due_at))
    );
    assert!(app.fetch_claims(app.worker).await.is_empty());
    app.advance(5);
    let again = app.fetch_claims(app.worker).await.remove(0);
    assert_eq!(again.n_failures, 1);
    let end = MediaFetchResult::Failed { reason: "given up".to_owned() };
    app.store.finish_media_fetch(app.key(media), again.token, end).await.unwrap();
    assert_eq!(app.file(media).await.state, MediaState::Failed);
    app.advance(DAY);
    app.store.record_heartbeat(app.worker, app.now()).await.unwrap();
    assert!(app.fetch_claims(app.worker).await.is_empty());
}

#[tokio::test]
async fn one_account_takes_no_more_than_its_share_of_fetches() {
    let app = TestStore::new().await;
    for n in 0..6 {
        app.picture(&format!("wamid.{n}")).await;
    }
    assert_eq!(app.fetch_claims(app.worker).await.len(), 4);
    let busy = MediaLeaseRequest { busy: vec![app.account], ..app.fetch_request(app.worker, 9) };
    assert!(app.store.lease_media(busy).await.unwrap().is_empty());
    let one_token = app.fetch_request(app.worker, 1);
    assert_eq!(app.store.lease_media(one_token).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_content_again_is_the_file_that_is_there_kept_on() {
    let app = TestStore::new().await;
    let first = app.begin_upload().await;
    assert_eq!(app.file(first.media).await.state, MediaState::Receiving);
    let kept = app.store.finish_media(app.whole(first, 1)).await.unwrap();
    assert!(kept.is_new);
    assert_eq!((kept.media.id, kept.media.state), (first.media, MediaState::Ready));
    app.advance(DAY);
    let second = app.begin_upload().await;
    let again = app.store.finish_media(app.whole(second, 1)).await.unwrap();
    assert!(!again.is_new);
    assert_eq!(again.media.id, first.media);
    assert_eq!(again.media.expires_at, Some(app.now() + SignedDuration::from_hours(24 * 30)));
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [second], "its content is given up");
    let third = app.begin_upload().await;
    let other_type = ReceivedMedia { mime_type: "text/plain".to_owned(), ..app.whole(third, 1) };
    assert!(app.store.finish_media(other_type).await.unwrap().is_new, "sent as another type");
    let fourth = app.begin_upload().await;
    let other_owner = ReceivedMedia { account: Some(app.account), ..app.whole(fourth, 1) };
    assert!(app.store.finish_media(other_owner).await.unwrap().is_new, "others may not see it");
}

#[tokio::test]
async fn what_is_over_is_marked_deleted_and_forgotten() {
    let app = TestStore::new().await;
    let never_whole = app.begin_upload().await;
    let upload = app.begin_upload().await;
    app.store.finish_media(app.whole(upload, 1)).await.unwrap();
    let (_, inbound) = app.picture("wamid.A").await;
    let lease = app.fetch_claims(app.worker).await.remove(0);
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
async fn an_upload_is_remembered_until_its_end_for_its_account_only() {
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
async fn another_workspace_sees_no_file() {
    let app = TestStore::new().await;
    let (_, media) = app.picture("wamid.A").await;
    let stranger = WorkspaceId::from_parts(1, &[9; 10]);
    assert_eq!(app.store.get_media(stranger, media).await.unwrap(), None);
    assert!(!app.store.retain_media(BlobKey { workspace: stranger, media }, app.now()).await.unwrap());
}

#[tokio::test]
async fn a_file_of_one_account_does_not_wait_for_the_thousands_of_another() {
    let app = TestStore::new().await;
    let (_, first) = app.picture("wamid.A").await;
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
    let mut part = app.part(WebhookUpdate::Message(app.image("wamid.B", "78")), (0, 2));
    part.route.as_mut().unwrap().account = Some(clinic);
    let theirs = part.ids.media;
    assert!(app.post("post wamid.B", vec![part]).await.has_media);
    // The first account has all under way that it may.
    let busy = MediaLeaseRequest { busy: vec![app.account], ..app.fetch_request(app.worker, 12) };
    let leased = app.store.lease_media(busy).await.unwrap();
    assert_eq!(leased.iter().map(|lease| lease.id).collect::<Vec<_>>(), [theirs]);
    let leased = app.fetch_claims(app.worker).await;
    assert_eq!((leased.len(), leased[0].id), (4, first));
}

#[tokio::test]
async fn a_file_goes_with_the_message_that_brought_it() {
    let app = TestStore::new().await;
    let (_, id) = app.picture("wamid.A").await;
    let lease = app.fetch_claims(app.worker).await.remove(0);
    app.store.finish_media_fetch(app.key(id), lease.token, ready()).await.unwrap();
    let (_, kept) = app.picture("wamid.B").await;
    app.advance(400 * DAY);
    let (what, before) = (RetentionTarget::Messages(app.workspace), app.now());
    let overdue = app.store.list_expired_rows(what, before, RetentionCursor::default(), 10).await.unwrap();
    assert_eq!(app.store.delete_expired_rows(what, before, overdue.rows).await.unwrap(), 1);
    // It is kept for ever otherwise, and no erasure would find it: whose it was is gone with the message.
    assert_eq!(app.store.expire_media(app.now(), 10).await.unwrap(), [app.key(id)]);
    app.store.delete_media(app.key(id)).await.unwrap();
    assert_eq!(app.store.get_media(app.workspace, id).await.unwrap(), None);
    assert_eq!(app.file(kept).await.state, MediaState::Pending);
}
