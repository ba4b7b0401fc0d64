//! What must hold when everything has come to rest, whatever went wrong before.

use engine::background;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

/// What became of one accepted message.
#[derive(Debug)]
pub(crate) struct Fate {
    pub(crate) id: String,
    pub(crate) status: String,
    /// How often the simulator has taken it.
    pub(crate) n_taken: usize,
}

/// Whether an answer invites to send again.
pub(crate) fn invites(answer: &Answer) -> bool {
    answer.status.as_u16() == 429 || answer.status.is_server_error()
}

/// Whatever could still happen happens: the dead are noticed, somebody resumes the account, Meta's list says which
/// templates are paused, waits pass, the queue empties, statuses arrive.
pub(crate) async fn come_to_rest(app: &TestApp) {
    app.clear_faults().await;
    app.settle().await;
    app.advance(11);
    background::tick_recovery(&app.deps).await.unwrap();
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.request("POST", "/api/templates/sync", "{}").await.expect(200);
    for _ in 0..8 {
        app.tick_queue().await;
        if app.deps.message_queue.list_queue_depths().await.unwrap().is_empty() {
            break;
        }
        app.advance(61);
    }
    app.step().await;
}

/// The fates of the messages with this `client_reference`, oldest first.
pub(crate) async fn fates(app: &TestApp, reference: &str) -> Vec<Fate> {
    let path = format!("/api/messages?direction=outbound&per_page=200&client_reference={reference}");
    let listed = app.get(&path).await.expect(200);
    let taken = app.sim.messages();
    let rows = listed.data()["messages"].as_array().unwrap();
    let fate = |row: &Value| {
        let id = row["id"].as_str().unwrap().to_owned();
        let is_it = |reference: &str| reference.split(':').next() == Some(id.as_str());
        let n_taken = taken
            .iter()
            .filter(|message| message.biz_opaque_callback_data.as_deref().is_some_and(is_it))
            .count();
        Fate { n_taken, status: row["status"].as_str().unwrap().to_owned(), id }
    };
    rows.iter().rev().map(fate).collect()
}

/// Nothing is lost, nothing doubled, nothing stuck. Returns how many messages the simulator has taken in all.
#[track_caller]
pub(crate) fn judge(fates: &[Fate], most: usize, what: &str) -> usize {
    for fate in fates {
        assert!(fate.n_taken <= most, "{what}: doubled: {fate:?}");
        let expected: &[&str] =
            if fate.n_taken > 0 { &["read"] } else { &["failed", "unknown", "expired", "canceled"] };
        assert!(expected.contains(&fate.status.as_str()), "{what}: {fate:?}");
    }
    fates.iter().map(|fate| fate.n_taken).sum()
}

/// Whoever was answered with success finds the message.
#[track_caller]
pub(crate) fn is_kept(answer: &Answer, fates: &[Fate], what: &str) {
    if answer.status.is_success() {
        let id = &answer.data()["id"];
        assert!(fates.iter().any(|fate| json!(fate.id) == *id), "{what}: lost: {:#}", answer.body);
    }
}
