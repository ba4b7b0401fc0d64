//! Invariants that hold when all work has finished, whatever failed before.

use engine::background;
use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse};

/// Final state of one accepted message.
#[derive(Debug)]
pub(crate) struct EndState {
    pub(crate) id: String,
    pub(crate) status: String,
    /// Number of times that the simulator has accepted the message.
    pub(crate) n_accepted: usize,
}

/// Returns `true` if the response invites the caller to retry.
pub(crate) fn invites_retry(response: &TestResponse) -> bool {
    response.status.as_u16() == 429 || response.status.is_server_error()
}

/// Completes all pending work: recovers leases, resumes the account, syncs the templates, waits for delays, empties the
/// queue, and delivers statuses.
pub(crate) async fn complete_all_work(app: &TestApp) {
    app.clear_faults().await;
    app.finish_tasks().await;
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

/// Returns the final states of the messages with this `client_reference`, oldest first.
pub(crate) async fn end_states(app: &TestApp, reference: &str) -> Vec<EndState> {
    let path = format!("/api/messages?direction=outbound&per_page=200&client_reference={reference}");
    let listed = app.get(&path).await.expect(200);
    let accepted_message = app.sim.messages();
    let rows = listed.data()["messages"].as_array().unwrap();
    let end_state = |row: &Value| {
        let id = row["id"].as_str().unwrap().to_owned();
        let is_it = |reference: &str| reference.split(':').next() == Some(id.as_str());
        let n_accepted = accepted_message
            .iter()
            .filter(|message| message.biz_opaque_callback_data.as_deref().is_some_and(is_it))
            .count();
        EndState { n_accepted, status: row["status"].as_str().unwrap().to_owned(), id }
    };
    rows.iter().rev().map(end_state).collect()
}

/// Checks that no message is lost, duplicated or stuck. Returns the number of messages that the simulator has accepted.
#[track_caller]
pub(crate) fn assert_invariants(end_states: &[EndState], most: usize, description: &str) -> usize {
    for end_state in end_states {
        assert!(end_state.n_accepted <= most, "{description}: doubled: {end_state:?}");
        let expected: &[&str] =
            if end_state.n_accepted > 0 { &["read"] } else { &["failed", "unknown", "expired", "canceled"] };
        assert!(expected.contains(&end_state.status.as_str()), "{description}: {end_state:?}");
    }
    end_states.iter().map(|end_state| end_state.n_accepted).sum()
}

/// Checks that each successful response has its message.
#[track_caller]
pub(crate) fn assert_message_exists(response: &TestResponse, end_states: &[EndState], description: &str) {
    if response.status.is_success() {
        let id = &response.data()["id"];
        assert!(
            end_states.iter().any(|end_state| json!(end_state.id) == *id),
            "{description}: lost: {:#}",
            response.body
        );
    }
}
