//! Verification that no message is lost, duplicated or stuck: the responses to the clients, the messages of the store
//! and the messages that the simulator accepted are compared.

use super::ledger::{Entry, LastResult, Ledger};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A message in the store.
#[derive(Debug)]
struct Row<'a> {
    status: &'a str,
    wamid: Option<&'a str>,
    reference: &'a str,
    json: &'a Value,
}

/// A message as the simulator accepted it.
#[derive(Debug)]
struct AcceptedMessage<'a> {
    wamid: &'a str,
    status: &'a str,
    /// Id in the gateway.
    id: &'a str,
}

/// Messages of both sides, indexed.
#[derive(Debug, Default)]
struct MessageIndex<'a> {
    rows: BTreeMap<&'a str, Row<'a>>,
    /// Ids of the messages of a reference.
    ids: BTreeMap<&'a str, Vec<&'a str>>,
    accepted_message: Vec<AcceptedMessage<'a>>,
    /// Positions in `accepted_message` by the gateway's id.
    accepted_by_id: BTreeMap<&'a str, Vec<usize>>,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl<'a> MessageIndex<'a> {
    fn of(stored: &'a [Value], accepted: &'a [Value]) -> Self {
        let mut index = Self::default();
        for json in stored {
            let (id, reference, message_id) =
                (text(json, "id"), text(json, "client_reference"), text(json, "message_id"));
            let wamid = Some(message_id).filter(|message_id| *message_id != id);
            index.rows.insert(id, Row { status: text(json, "status"), wamid, reference, json });
            index.ids.entry(reference).or_default().push(id);
        }
        for (position, message) in accepted.iter().enumerate() {
            let reference = text(message, "biz_opaque_callback_data");
            let id = reference.split_once(':').map_or(reference, |(id, _)| id);
            let (wamid, status) = (text(message, "message_id"), text(message, "status"));
            index.accepted_message.push(AcceptedMessage { wamid, status, id });
            index.accepted_by_id.entry(id).or_default().push(position);
        }
        index
    }

    fn n_accepted(&self, id: &str) -> usize {
        self.accepted_by_id.get(id).map_or(0, Vec::len)
    }

    /// Returns the accepted messages of a reference.
    fn accepted_ids(&self, reference: &str) -> Vec<&'a str> {
        let ids = self.ids.get(reference).into_iter().flatten();
        ids.copied().filter(|id| self.n_accepted(id) > 0).collect()
    }

    /// Returns the simulator's status of a message: the latest of its attempts.
    fn simulator_statuses(&self, id: &str) -> BTreeSet<&'a str> {
        let positions = self.accepted_by_id.get(id).into_iter().flatten();
        positions
            .filter_map(|position| self.accepted_message.get(*position))
            .map(|accepted_message| accepted_message.status)
            .collect()
    }
}

/// Returns the messages that have no final status yet.
pub(crate) fn unfinished(stored: &[Value], accepted: &[Value]) -> Vec<String> {
    let index = MessageIndex::of(stored, accepted);
    let mut open = Vec::new();
    for (id, row) in &index.rows {
        let simulator_statuses = index.simulator_statuses(id);
        if ["queued", "sending"].contains(&row.status) {
            open.push(format!("{id} is {}", row.status));
        } else if !simulator_statuses.is_empty()
            && (!simulator_statuses.contains(row.status) || row.wamid.is_none())
        {
            open.push(format!("{id} is {}, the simulator's is {simulator_statuses:?}", row.status));
        }
    }
    open.extend(
        index
            .accepted_message
            .iter()
            .filter(|accepted_message| accepted_message.status == "accepted")
            .map(|accepted_message| accepted_message.wamid.to_owned()),
    );
    open
}

/// Returns all problems.
pub(crate) fn verify(ledger: &Ledger, stored: &[Value], accepted: &[Value]) -> Vec<String> {
    let index = MessageIndex::of(stored, accepted);
    let mut problems = Vec::new();
    for entry in ledger.entries() {
        verify_entry(entry, &index, &mut problems);
    }
    for (id, row) in &index.rows {
        verify_row(id, row, &index, ledger, &mut problems);
    }
    for accepted_message in &index.accepted_message {
        match index.rows.get(accepted_message.id) {
            None => problems.push(format!(
                "LOST {}: accepted as {}, not in the store",
                accepted_message.id, accepted_message.wamid
            )),
            Some(row)
                if row.wamid != Some(accepted_message.wamid)
                    && index.n_accepted(accepted_message.id) == 1 =>
            {
                problems.push(format!(
                    "LOST {}: accepted as {}, the store does not have this id: {}",
                    accepted_message.id, accepted_message.wamid, row.json
                ))
            }
            Some(_) => {}
        }
    }
    for (to, references) in &ledger.conversations {
        verify_order(to, references, &index, &mut problems);
    }
    problems
}

/// Checks the responses to a client.
fn verify_entry(entry: &Entry, index: &MessageIndex<'_>, problems: &mut Vec<String>) {
    let reference = entry.planned.reference.as_str();
    let mut ids = entry.acknowledged.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>();
    for id in &ids {
        match index.rows.get(id) {
            None => problems.push(format!("LOST {id}: acknowledged, not in the store: {entry:?}")),
            Some(row) if row.reference != reference => {
                problems.push(format!(
                    "WRONG REFERENCE {id}: acknowledged for {reference}, stored as {}",
                    row.json
                ));
            }
            Some(_) => {}
        }
    }
    ids.dedup();
    if ids.len() > 1 {
        problems.push(format!("DUPLICATED {reference}: one key, several messages: {entry:?}"));
    }
    // The client retried only as allowed: at most one of its messages was sent, or it was sent twice as the client had
    // allowed.
    let accepted = index.accepted_ids(reference);
    if accepted.len() > 1 {
        problems.push(format!(
            "DUPLICATED {reference}: several of its messages were accepted: {accepted:?}, {entry:?}"
        ));
    }
    let was_certain = !entry.was_interrupted
        && matches!(
            entry.last,
            LastResult::Retryable(..) | LastResult::Rejected(..) | LastResult::NotReceived
        );
    if was_certain && entry.acknowledged.is_empty() && !accepted.is_empty() {
        problems.push(format!(
            "SENT {reference}: although its client was informed that it was not sent: {entry:?}"
        ));
    }
    match &entry.last {
        LastResult::InProgress => {
            problems.push(format!("STUCK {reference}: its idempotency key remains in progress: {entry:?}"))
        }
        LastResult::Rejected(status, code) if code != "meta_error" => {
            problems.push(format!("REJECTED {reference} with {status} {code}: the request was valid"));
        }
        LastResult::NotReceived
        | LastResult::Interrupted(_)
        | LastResult::Retryable(..)
        | LastResult::Rejected(..)
        | LastResult::Acknowledged => {}
    }
}

/// Checks a message of the store.
fn verify_row(
    id: &str,
    row: &Row<'_>,
    index: &MessageIndex<'_>,
    ledger: &Ledger,
    problems: &mut Vec<String>,
) {
    let n_accepted = index.n_accepted(id);
    let entry = ledger.entry(row.reference);
    let max_accepted = if entry.is_some_and(|entry| entry.planned.may_resend) { 2 } else { 1 };
    if n_accepted > max_accepted {
        problems.push(format!("DUPLICATED {id}: accepted {n_accepted} times: {}", row.json));
    }
    if entry.is_none() {
        problems.push(format!("UNPLANNED {id}: no client requested {}", row.json));
    }
    let code = row.json.pointer("/error/code");
    match row.status {
        "queued" | "sending" => problems.push(format!("STUCK {id}: {}", row.json)),
        "sent" | "delivered" | "read" | "played" if n_accepted == 0 => {
            problems.push(format!("LOST {id}: status {}, never accepted: {}", row.status, row.json));
        }
        "unknown" if n_accepted > 0 => {
            problems
                .push(format!("STUCK {id}: status unknown, although the message was accepted: {}", row.json));
        }
        "failed" if code.is_none_or(Value::is_null) => {
            problems.push(format!("LOST {id}: failed without a reason: {}", row.json));
        }
        "failed" if code.is_some_and(Value::is_string) && n_accepted > 0 => {
            problems
                .push(format!("DENIED {id}: status failed, although the message was accepted: {}", row.json));
        }
        "sent" | "delivered" | "read" | "played" | "unknown" | "failed" | "expired" => {}
        other => problems.push(format!("UNEXPECTED {id}: status {other}: {}", row.json)),
    }
    let simulator_statuses = index.simulator_statuses(id);
    if n_accepted > 0 && !simulator_statuses.contains(row.status) {
        problems.push(format!(
            "STALE {id}: status {}, the simulator's statuses are {simulator_statuses:?}: {}",
            row.status, row.json
        ));
    }
}

/// Checks that queued messages to one recipient were sent in the order of their acceptance.
fn verify_order(to: &str, references: &[String], index: &MessageIndex<'_>, problems: &mut Vec<String>) {
    let positions = references.iter().filter_map(|reference| {
        let id = index.ids.get(reference.as_str())?.first()?;
        Some((reference, *index.accepted_by_id.get(id)?.first()?))
    });
    let mut before: Option<(&String, usize)> = None;
    for (reference, position) in positions {
        if let Some((earlier, at)) = before.filter(|(_, at)| *at > position) {
            problems.push(format!(
                "OUT OF ORDER to {to}: {reference} was sent ({position}) before {earlier} ({at})"
            ));
        }
        before = Some((reference, position));
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::PlannedMessage;
    use super::*;
    use serde_json::json;

    fn ledger(id: Option<&str>, last: LastResult) -> Ledger {
        let planned = PlannedMessage {
            reference: "w1".to_owned(),
            key: None,
            to: "+15550102000".to_owned(),
            is_template: false,
            is_queued: false,
            may_resend: false,
        };
        let mut ledger = Ledger::default();
        ledger.record(&planned, last, id.map(|id| (id.to_owned(), "sent".to_owned())));
        ledger
    }

    fn row(status: &str, message_id: &str) -> Value {
        json!({ "id": "a", "message_id": message_id, "client_reference": "w1", "status": status, "error": null })
    }

    fn accepted_message(wamid: &str) -> Value {
        json!({ "message_id": wamid, "biz_opaque_callback_data": "a", "status": "read" })
    }

    /// Returns the prefix of a problem.
    fn found(ledger: &Ledger, stored: &[Value], accepted: &[Value]) -> Vec<String> {
        let word = |problems: String| problems.split(' ').next().map(str::to_owned);
        verify(ledger, stored, accepted).into_iter().filter_map(word).collect()
    }

    #[test]
    fn correct_results_have_no_problems() {
        let acknowledged = ledger(Some("a"), LastResult::Acknowledged);
        assert_eq!(
            found(&acknowledged, &[row("read", "wamid.1")], &[accepted_message("wamid.1")]),
            Vec::<String>::new()
        );
        assert!(unfinished(&[row("read", "wamid.1")], &[accepted_message("wamid.1")]).is_empty());
        // An outcome that cannot be known is not a problem.
        assert_eq!(
            found(&ledger(None, LastResult::Interrupted("reset".to_owned())), &[row("unknown", "a")], &[]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_kind_of_problem_is_found() {
        let acknowledged = ledger(Some("a"), LastResult::Acknowledged);
        let rejected = ledger(None, LastResult::Retryable(503, "meta_unavailable".to_owned()));
        let (sent, once) = ([row("read", "wamid.1")], [accepted_message("wamid.1")]);
        let twice = [accepted_message("wamid.1"), accepted_message("wamid.2")];
        let other = json!({ "id": "b", "message_id": "wamid.2", "client_reference": "w1", "status": "read" });
        let both = [row("read", "wamid.1"), other];
        let second = json!({ "message_id": "wamid.2", "biz_opaque_callback_data": "b", "status": "read" });
        let each = [accepted_message("wamid.1"), second];
        for (ledger, stored, accepted, problems) in [
            (&acknowledged, &[][..], &[][..], vec!["LOST"]),
            (&acknowledged, &[row("queued", "a")][..], &[][..], vec!["STUCK"]),
            (&acknowledged, &[row("failed", "a")][..], &[][..], vec!["LOST"]),
            (&acknowledged, &sent[..], &[][..], vec!["LOST"]),
            (&acknowledged, &sent[..], &twice[..], vec!["DUPLICATED"]),
            (&acknowledged, &both[..], &each[..], vec!["DUPLICATED"]),
            (&acknowledged, &[row("unknown", "a")][..], &once[..], vec!["STUCK", "STALE", "LOST"]),
            (&acknowledged, &[row("sent", "wamid.1")][..], &once[..], vec!["STALE"]),
            (&rejected, &sent[..], &once[..], vec!["SENT"]),
            (&ledger(None, LastResult::InProgress), &[][..], &[][..], vec!["STUCK"]),
        ] {
            assert_eq!(found(ledger, stored, accepted), problems, "{stored:?} {accepted:?}");
        }
    }

    #[test]
    fn a_wrong_order_is_found() {
        let mut acknowledged = ledger(Some("a"), LastResult::Acknowledged);
        acknowledged.conversations.insert("+1".to_owned(), vec!["w1".to_owned(), "w2".to_owned()]);
        let other = json!({ "id": "b", "client_reference": "w2" });
        let overtaking = json!({ "message_id": "wamid.2", "biz_opaque_callback_data": "b:2" });
        let problems = verify(
            &acknowledged,
            &[row("read", "wamid.1"), other],
            &[overtaking, accepted_message("wamid.1")],
        );
        assert!(problems.iter().any(|problems| problems.starts_with("OUT OF ORDER")), "{problems:?}");
    }
}
