//! Verification that nothing was lost, doubled or stuck: the answers to the clients, the store's messages and the
//! messages that the simulator accepted are compared.

use super::ledger::{Entry, Last, Ledger};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A message in the store.
#[derive(Debug)]
struct Row<'a> {
    status: &'a str,
    wamid: Option<&'a str>,
    reference: &'a str,
    whole: &'a Value,
}

/// A message as the simulator accepted it.
#[derive(Debug)]
struct AcceptedMessage<'a> {
    wamid: &'a str,
    status: &'a str,
    /// The gateway's id.
    id: &'a str,
}

/// Both sides, ready to be looked up.
#[derive(Debug, Default)]
struct Sides<'a> {
    rows: BTreeMap<&'a str, Row<'a>>,
    /// The ids of a reference's messages.
    ids: BTreeMap<&'a str, Vec<&'a str>>,
    accepted_messages: Vec<AcceptedMessage<'a>>,
    /// Positions in `accepted_messages` of a gateway's id.
    accepted_by_id: BTreeMap<&'a str, Vec<usize>>,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl<'a> Sides<'a> {
    fn of(stored: &'a [Value], accepted: &'a [Value]) -> Self {
        let mut sides = Self::default();
        for whole in stored {
            let (id, reference, message_id) =
                (text(whole, "id"), text(whole, "client_reference"), text(whole, "message_id"));
            let wamid = Some(message_id).filter(|message_id| *message_id != id);
            sides.rows.insert(id, Row { status: text(whole, "status"), wamid, reference, whole });
            sides.ids.entry(reference).or_default().push(id);
        }
        for (position, message) in accepted.iter().enumerate() {
            let reference = text(message, "biz_opaque_callback_data");
            let id = reference.split_once(':').map_or(reference, |(id, _)| id);
            let (wamid, status) = (text(message, "message_id"), text(message, "status"));
            sides.accepted_messages.push(AcceptedMessage { wamid, status, id });
            sides.accepted_by_id.entry(id).or_default().push(position);
        }
        sides
    }

    fn n_accepted(&self, id: &str) -> usize {
        self.accepted_by_id.get(id).map_or(0, Vec::len)
    }

    /// Those of a reference's messages that were accepted.
    fn left_of(&self, reference: &str) -> Vec<&'a str> {
        let ids = self.ids.get(reference).into_iter().flatten();
        ids.copied().filter(|id| self.n_accepted(id) > 0).collect()
    }

    /// The simulator's status of a message: the furthest of its attempts.
    fn reached(&self, id: &str) -> BTreeSet<&'a str> {
        let positions = self.accepted_by_id.get(id).into_iter().flatten();
        positions
            .filter_map(|position| self.accepted_messages.get(*position))
            .map(|accepted_messages| accepted_messages.status)
            .collect()
    }
}

/// Returns the messages that have no final status yet.
pub(crate) fn unsettled(stored: &[Value], accepted: &[Value]) -> Vec<String> {
    let sides = Sides::of(stored, accepted);
    let mut open = Vec::new();
    for (id, row) in &sides.rows {
        let reached = sides.reached(id);
        if ["queued", "sending"].contains(&row.status) {
            open.push(format!("{id} is {}", row.status));
        } else if !reached.is_empty() && (!reached.contains(row.status) || row.wamid.is_none()) {
            open.push(format!("{id} is {}, the simulator's is {reached:?}", row.status));
        }
    }
    open.extend(
        sides
            .accepted_messages
            .iter()
            .filter(|accepted_messages| accepted_messages.status == "accepted")
            .map(|accepted_messages| accepted_messages.wamid.to_owned()),
    );
    open
}

/// Everything that is wrong.
pub(crate) fn verify(ledger: &Ledger, stored: &[Value], accepted: &[Value]) -> Vec<String> {
    let sides = Sides::of(stored, accepted);
    let mut wrong = Vec::new();
    for entry in ledger.entries() {
        verify_entry(entry, &sides, &mut wrong);
    }
    for (id, row) in &sides.rows {
        verify_row(id, row, &sides, ledger, &mut wrong);
    }
    for accepted_messages in &sides.accepted_messages {
        match sides.rows.get(accepted_messages.id) {
            None => wrong.push(format!(
                "LOST {}: accepted as {}, not in the store",
                accepted_messages.id, accepted_messages.wamid
            )),
            Some(row)
                if row.wamid != Some(accepted_messages.wamid)
                    && sides.n_accepted(accepted_messages.id) == 1 =>
            {
                wrong.push(format!(
                    "LOST {}: accepted as {}, the store does not know that: {}",
                    accepted_messages.id, accepted_messages.wamid, row.whole
                ))
            }
            Some(_) => {}
        }
    }
    for (to, references) in &ledger.conversations {
        verify_order(to, references, &sides, &mut wrong);
    }
    wrong
}

/// Checks the answers to a client.
fn verify_entry(entry: &Entry, sides: &Sides<'_>, wrong: &mut Vec<String>) {
    let reference = entry.planned.reference.as_str();
    let mut told = entry.acknowledged.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>();
    for id in &told {
        match sides.rows.get(id) {
            None => wrong.push(format!("LOST {id}: acknowledged, not in the store: {entry:?}")),
            Some(row) if row.reference != reference => {
                wrong.push(format!("MIXED UP {id}: acknowledged to {reference}, is {}", row.whole));
            }
            Some(_) => {}
        }
    }
    told.dedup();
    if told.len() > 1 {
        wrong.push(format!("DOUBLED {reference}: one key, several messages: {entry:?}"));
    }
    // Its client asked again only as it may: then at most one of its messages has left, be it twice at its own planned.
    let left = sides.left_of(reference);
    if left.len() > 1 {
        wrong
            .push(format!("DOUBLED {reference}: several of its messages were accepted: {left:?}, {entry:?}"));
    }
    let was_certain =
        !entry.was_cut && matches!(entry.last, Last::Retryable(..) | Last::Refused(..) | Last::NotAsked);
    if was_certain && entry.acknowledged.is_empty() && !left.is_empty() {
        wrong.push(format!("SENT {reference}: its client was told that it was not: {entry:?}"));
    }
    match &entry.last {
        Last::InProgress => {
            wrong.push(format!("STUCK {reference}: its key is in progress for ever: {entry:?}"))
        }
        Last::Refused(status, code) if code != "meta_error" => {
            wrong.push(format!("REFUSED {reference} with {status} {code}: nothing was wrong with it"));
        }
        Last::NotAsked | Last::Cut(_) | Last::Retryable(..) | Last::Refused(..) | Last::Acknowledged => {}
    }
}

/// Checks a message of the store.
fn verify_row(id: &str, row: &Row<'_>, sides: &Sides<'_>, ledger: &Ledger, wrong: &mut Vec<String>) {
    let n_accepted = sides.n_accepted(id);
    let entry = ledger.entry(row.reference);
    let most = if entry.is_some_and(|entry| entry.planned.may_resend) { 2 } else { 1 };
    if n_accepted > most {
        wrong.push(format!("DOUBLED {id}: accepted {n_accepted} times: {}", row.whole));
    }
    if entry.is_none() {
        wrong.push(format!("UNHEARD OF {id}: nobody wanted {}", row.whole));
    }
    let code = row.whole.pointer("/error/code");
    match row.status {
        "queued" | "sending" => wrong.push(format!("STUCK {id}: {}", row.whole)),
        "sent" | "delivered" | "read" | "played" if n_accepted == 0 => {
            wrong.push(format!("LOST {id}: called {}, never accepted: {}", row.status, row.whole));
        }
        "unknown" if n_accepted > 0 => {
            wrong.push(format!("STUCK {id}: unknown, though it was accepted: {}", row.whole));
        }
        "failed" if code.is_none_or(Value::is_null) => {
            wrong.push(format!("LOST {id}: failed without a reason: {}", row.whole));
        }
        "failed" if code.is_some_and(Value::is_string) && n_accepted > 0 => {
            wrong.push(format!("DENIED {id}: failed here, though it was accepted: {}", row.whole));
        }
        "sent" | "delivered" | "read" | "played" | "unknown" | "failed" | "expired" => {}
        other => wrong.push(format!("STRANGE {id}: nobody asked for {other}: {}", row.whole)),
    }
    let reached = sides.reached(id);
    if n_accepted > 0 && !reached.contains(row.status) {
        wrong.push(format!("DEAF {id}: {} here, {reached:?} there: {}", row.status, row.whole));
    }
}

/// Queued messages to one person leave in the order of their acceptance.
fn verify_order(to: &str, references: &[String], sides: &Sides<'_>, wrong: &mut Vec<String>) {
    let positions = references.iter().filter_map(|reference| {
        let id = sides.ids.get(reference.as_str())?.first()?;
        Some((reference, *sides.accepted_by_id.get(id)?.first()?))
    });
    let mut before: Option<(&String, usize)> = None;
    for (reference, position) in positions {
        if let Some((earlier, at)) = before.filter(|(_, at)| *at > position) {
            wrong
                .push(format!("OUT OF ORDER to {to}: {reference} left ({position}) before {earlier} ({at})"));
        }
        before = Some((reference, position));
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::PlannedMessage;
    use super::*;
    use serde_json::json;

    fn ledger(acknowledged: Option<&str>, last: Last) -> Ledger {
        let planned = PlannedMessage {
            reference: "w1".to_owned(),
            key: None,
            to: "+15550102000".to_owned(),
            is_template: false,
            is_queued: false,
            may_resend: false,
        };
        let mut ledger = Ledger::default();
        ledger.note(&planned, last, acknowledged.map(|id| (id.to_owned(), "sent".to_owned())));
        ledger
    }

    fn row(status: &str, message_id: &str) -> Value {
        json!({ "id": "a", "message_id": message_id, "client_reference": "w1", "status": status, "error": null })
    }

    fn accepted_messages(wamid: &str) -> Value {
        json!({ "message_id": wamid, "biz_opaque_callback_data": "a", "status": "read" })
    }

    /// The first words of what is wrong.
    fn found(ledger: &Ledger, stored: &[Value], accepted: &[Value]) -> Vec<String> {
        let word = |wrong: String| wrong.split(' ').next().map(str::to_owned);
        verify(ledger, stored, accepted).into_iter().filter_map(word).collect()
    }

    #[test]
    fn what_is_right_is_found_right() {
        let told = ledger(Some("a"), Last::Acknowledged);
        assert_eq!(
            found(&told, &[row("read", "wamid.1")], &[accepted_messages("wamid.1")]),
            Vec::<String>::new()
        );
        assert!(unsettled(&[row("read", "wamid.1")], &[accepted_messages("wamid.1")]).is_empty());
        // An outcome that nobody can know is no fault.
        assert_eq!(
            found(&ledger(None, Last::Cut("reset".to_owned())), &[row("unknown", "a")], &[]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_kind_of_wrong_is_found() {
        let told = ledger(Some("a"), Last::Acknowledged);
        let refused = ledger(None, Last::Retryable(503, "meta_unavailable".to_owned()));
        let (sent, once) = ([row("read", "wamid.1")], [accepted_messages("wamid.1")]);
        let twice = [accepted_messages("wamid.1"), accepted_messages("wamid.2")];
        let other = json!({ "id": "b", "message_id": "wamid.2", "client_reference": "w1", "status": "read" });
        let both = [row("read", "wamid.1"), other];
        let second = json!({ "message_id": "wamid.2", "biz_opaque_callback_data": "b", "status": "read" });
        let each = [accepted_messages("wamid.1"), second];
        for (ledger, stored, accepted, wrong) in [
            (&told, &[][..], &[][..], vec!["LOST"]),
            (&told, &[row("queued", "a")][..], &[][..], vec!["STUCK"]),
            (&told, &[row("failed", "a")][..], &[][..], vec!["LOST"]),
            (&told, &sent[..], &[][..], vec!["LOST"]),
            (&told, &sent[..], &twice[..], vec!["DOUBLED"]),
            (&told, &both[..], &each[..], vec!["DOUBLED"]),
            (&told, &[row("unknown", "a")][..], &once[..], vec!["STUCK", "DEAF", "LOST"]),
            (&told, &[row("sent", "wamid.1")][..], &once[..], vec!["DEAF"]),
            (&refused, &sent[..], &once[..], vec!["SENT"]),
            (&ledger(None, Last::InProgress), &[][..], &[][..], vec!["STUCK"]),
        ] {
            assert_eq!(found(ledger, stored, accepted), wrong, "{stored:?} {accepted:?}");
        }
    }

    #[test]
    fn what_overtook_another_is_found() {
        let mut told = ledger(Some("a"), Last::Acknowledged);
        told.conversations.insert("+1".to_owned(), vec!["w1".to_owned(), "w2".to_owned()]);
        let other = json!({ "id": "b", "client_reference": "w2" });
        let overtaking = json!({ "message_id": "wamid.2", "biz_opaque_callback_data": "b:2" });
        let wrong =
            verify(&told, &[row("read", "wamid.1"), other], &[overtaking, accepted_messages("wamid.1")]);
        assert!(wrong.iter().any(|wrong| wrong.starts_with("OUT OF ORDER")), "{wrong:?}");
    }
}
