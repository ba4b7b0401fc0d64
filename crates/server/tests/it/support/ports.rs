//! Ports of the gateway in the tests, and its first account.

use std::sync::Arc;
use std::time::Duration;

use blobs::FolderBlobs;
use domain::id::WorkspaceId;
use engine::accounts::{NewAccountRequest, Verification};
use engine::deps::Ports;
use engine::media::MediaPorts;
use engine::metrics::Metrics;
use graph::{GraphClient, GraphConfig};
use secrecy::SecretSlice;
use server::passwords::Argon2Passwords;
use sim::SimAccount;
use store::{Sealer, SqliteStore};
use tempfile::TempDir;

use super::{Counting, FakeClock};
use crate::webhook_receiver::Receiver;

pub(super) fn add_account(workspace: WorkspaceId, name: &str, seeded: &SimAccount) -> NewAccountRequest {
    NewAccountRequest {
        workspace,
        name: name.to_owned(),
        phone_number_id: seeded.phone_number_id.clone(),
        waba_id: seeded.waba_id.clone(),
        access_token: seeded.access_token.clone().into(),
        app_secret: Some(seeded.app_secret.clone().into()),
        verify_token: Some(seeded.verify_token.clone().into()),
        is_default: name == "sandbox",
        is_sandbox: true,
        fetches_links: None,
        verification: Verification::Skipped,
    }
}

pub(super) fn ports(
    folder: &TempDir,
    sim_url: &str,
    clock: &Arc<FakeClock>,
    random: &Arc<Counting>,
    receiver: &Arc<Receiver>,
) -> Ports {
    let sealer = Sealer::new(&SecretSlice::from(vec![5; 32]), random.clone()).unwrap();
    let path = folder.path().join("waypost.db");
    let metrics = Arc::new(Metrics::new(clock.clone()));
    let store = Arc::new(SqliteStore::open(&path, sealer, &**clock, &**random, metrics.clone()).unwrap());
    let config = GraphConfig {
        live_base_url: sim_url.to_owned(),
        sandbox_base_url: sim_url.to_owned(),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        ..GraphConfig::default()
    };
    let graph = Arc::new(GraphClient::new(&config).unwrap().counting(metrics.clone()));
    let media = MediaPorts {
        records: store.clone(),
        blobs: Arc::new(FolderBlobs::within(folder.path().join("media"))),
        upstream: graph.clone(),
        fetcher: None,
    };
    Ports {
        clock: clock.clone(),
        random: random.clone(),
        accounts: store.clone(),
        template_records: store.clone(),
        messages: store.clone(),
        message_queue: store.clone(),
        search_index: store.clone(),
        contacts: store.clone(),
        webhook_payloads: store.clone(),
        events: store.clone(),
        webhook_endpoints: store.clone(),
        deliveries: store.clone(),
        api_keys: store.clone(),
        idempotent_requests: store.clone(),
        users: store.clone(),
        audit_log: store.clone(),
        cursors: store.clone(),
        erasures: store.clone(),
        workers: store.clone(),
        committed: store.committed(),
        maintenance: store,
        passwords: Arc::new(Argon2Passwords::start().unwrap()),
        upstream: graph.clone(),
        upstream_admin: graph,
        webhook_sender: receiver.clone(),
        media,
        metrics,
    }
}
