//! The block list.

use serde_json::{Map, Value, json};

use crate::error::{Checked, GraphError};
use crate::graph::{Call, Reply, paging};
use crate::journal::pair;
use crate::phone;
use crate::send::product;
use crate::state::{Number, State};

/// The most blocked people of a number.
const MOST: usize = 64_000;

/// The blocked people. Each has the `input` of Meta's page (Meta: Block users,
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/block-users>), which pywa reads, and stands in `data` itself as
/// in Meta's OpenAPI document.
pub(crate) fn list(state: &State, call: &Call, number: &Number) -> Checked<Reply> {
    let mut rows: Vec<(u64, Value)> = (0_u64..)
        .zip(&number.blocked)
        .map(|(position, person)| {
            (position, json!({"messaging_product": "whatsapp", "input": person, "wa_id": person}))
        })
        .collect();
    rows.reverse();
    paging::page(state, call, &format!("block_users/{}", number.id), rows)
        .map(|page| Reply::json(Value::Object(page)))
}

/// Blocks or unblocks. A mixed result is an error that also says what worked.
pub(crate) fn change(state: &mut State, call: &Call, id: &str, is_blocking: bool) -> Checked<Reply> {
    product(&call.params)?;
    let Some(users) = call.params.get("block_users").and_then(Value::as_array).cloned() else {
        return Err(GraphError::schema("The parameter block_users is required and must be an array."));
    };
    if users.is_empty() {
        return Err(GraphError::missing("block_users"));
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for user in &users {
        let input = ["user", "user_id"].iter().find_map(|key| user.get(*key).and_then(Value::as_str));
        let Some(input) = input else {
            return Err(GraphError::schema("Each of block_users must name a user or a user_id."));
        };
        let person = match phone::digits(input) {
            Some(digits) => state.wa_id(&digits),
            None => state.journal.user_ids.get(input).cloned().unwrap_or_else(|| input.to_owned()),
        };
        let problem = problem(state, id, &person, is_blocking);
        let mut entry = Map::new();
        entry.insert("input".to_owned(), json!(input));
        entry.insert("wa_id".to_owned(), json!(person));
        match problem {
            Some((code, details)) => {
                let error = GraphError::of(code);
                entry.insert(
                    "errors".to_owned(),
                    json!([{"message": error.message, "code": code, "error_data": {"details": details}}]),
                );
                failed.push(Value::Object(entry));
            }
            None => {
                if let Some(number) = state.numbers.get_mut(id) {
                    number.blocked.retain(|blocked| *blocked != person);
                    if is_blocking {
                        number.blocked.push(person);
                    }
                }
                state.is_dirty = true;
                done.push(Value::Object(entry));
            }
        }
    }
    let key = if is_blocking { "added_users" } else { "removed_users" };
    let mut result = json!({key: done});
    let mut answer = json!({"messaging_product": "whatsapp"});
    let has_failed = !failed.is_empty();
    if has_failed && let Some(result) = result.as_object_mut() {
        result.insert("failed_users".to_owned(), json!(failed));
    }
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("block_users".to_owned(), result);
        if has_failed {
            let trace = crate::ids::trace(&state.mint("trace"));
            let error = GraphError::of(139_100).details("Some users could not be blocked or unblocked");
            if let Some(error) = error.body(&trace).get("error") {
                answer.insert("error".to_owned(), error.clone());
            }
        }
    }
    let mut reply = Reply::json(answer);
    if has_failed {
        reply.http = 400;
    }
    Ok(reply)
}

fn problem(state: &State, id: &str, person: &str, is_blocking: bool) -> Option<(i64, &'static str)> {
    let number = state.numbers.get(id)?;
    if !is_blocking {
        return None;
    }
    if state.wa_id(&number.digits) == person {
        return Some((131_021, "A business cannot block itself"));
    }
    if number.blocked.len() >= MOST {
        return Some((139_101, "The block list is full"));
    }
    let window = state.journal.windows.get(&pair(id, person));
    (!window.is_some_and(|window| window.is_open(state.env.now)))
        .then_some((131_047, "The user has not written to this number in the last 24 hours"))
}
