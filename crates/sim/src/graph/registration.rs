//! Verification and registration of a phone number.
//!
//! **Invariant:** a number is registered only after its verification, with its PIN, and at most ten times in 72
//! hours.

use serde_json::Value;

use crate::{
    clock::HOUR,
    error::{Checked, GraphError},
    graph::{Call, Reply, numbers::change},
    seed::VERIFICATION_CODE,
    send::product,
    state::State,
};

/// The span in which registrations are counted.
const COUNTED_FOR: i64 = 72 * HOUR;
/// The most registrations in that span.
const MOST: usize = 10;
/// The most wrong PINs.
const MOST_GUESSES: u32 = 5;

/// A six-digit PIN.
pub(crate) fn pin(value: &Value) -> Checked<String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text)
    } else {
        Err(GraphError::schema("Param pin must be 6 digits."))
    }
}

pub(crate) fn register(state: &mut State, call: &Call, id: &str) -> Checked<Reply> {
    product(&call.params)?;
    let Some(given) = call.params.get("pin") else {
        return Err(GraphError::schema("The parameter pin is required."));
    };
    let given = pin(given)?;
    if call.version >= 21 && call.params.contains_key("data_localization_region") {
        return Err(GraphError::schema(
            "Unexpected key \"data_localization_region\"; use storage_configuration of /settings.",
        ));
    }
    let Some(number) = state.numbers.get(id).cloned() else {
        return Err(GraphError::no_node("post", id));
    };
    if !number.is_verified {
        return Err(GraphError::of(133_006));
    }
    if number.n_wrong_pins >= MOST_GUESSES {
        return Err(GraphError::of(133_008));
    }
    if number.pin.as_ref().is_some_and(|pin| *pin != given) {
        change(state, id, |number| number.n_wrong_pins += 1)?;
        return Err(GraphError::of(133_005));
    }
    count(state, id)?;
    change(state, id, |number| {
        number.pin = Some(given);
        number.n_wrong_pins = 0;
        number.is_registered = true;
    })
}

pub(crate) fn deregister(state: &mut State, id: &str) -> Checked<Reply> {
    if state.numbers.get(id).is_some_and(|number| !number.is_registered) {
        return Err(GraphError::of(133_010));
    }
    count(state, id)?;
    change(state, id, |number| number.is_registered = false)
}

pub(crate) fn request_code(state: &mut State, call: &Call, id: &str) -> Checked<Reply> {
    let method = call.text("code_method").unwrap_or_default();
    if !matches!(method, "SMS" | "VOICE") {
        return Err(crate::validate::not_one_of("code_method", &["SMS", "VOICE"], method));
    }
    if call.text("language").is_none_or(str::is_empty) {
        return Err(GraphError::schema("The parameter language is required."));
    }
    if state.numbers.get(id).is_some_and(|number| number.is_verified) {
        return Err(GraphError::of(136_024).details("The number is already verified"));
    }
    change(state, id, |number| number.has_requested_code = true)
}

pub(crate) fn verify_code(state: &mut State, call: &Call, id: &str) -> Checked<Reply> {
    let code: String = call
        .params
        .get("code")
        .map(Value::to_string)
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let was_asked = state.numbers.get(id).is_some_and(|number| number.has_requested_code);
    if !was_asked || code != VERIFICATION_CODE {
        return Err(GraphError::of(136_024));
    }
    change(state, id, |number| {
        number.has_requested_code = false;
        number.is_verified = true;
    })
}

fn count(state: &mut State, id: &str) -> Checked<()> {
    let now = state.env.now;
    let Some(number) = state.numbers.get_mut(id) else { return Ok(()) };
    number.registrations.retain(|at| *at > now - COUNTED_FOR);
    if number.registrations.len() >= MOST {
        return Err(GraphError::of(133_016));
    }
    number.registrations.push(now);
    state.is_dirty = true;
    Ok(())
}
