//! Faults that the simulator produces during a round.

use super::environment::Environment;
use super::random::Rng;
use anyhow::Result;
use serde_json::{Value, json};

/// Sets one to three faults, and returns their description.
///
/// # Errors
/// If the simulator rejects a fault.
pub(crate) fn set(environment: &Environment, rng: &mut Rng) -> Result<String> {
    let mut names = Vec::new();
    for _ in 0..rng.between(1, 3) {
        let (fault, name) = draw(&environment.messages_path, rng);
        environment.simulator.call_with_retries("POST", "/_sim/faults", Some(&fault))?;
        names.push(name);
    }
    Ok(names.join(", "))
}

/// Removes all faults.
///
/// # Errors
/// If the simulator does not respond.
pub(crate) fn clear(environment: &Environment) -> Result<()> {
    environment.simulator.call_with_retries("DELETE", "/_sim/faults", None)?;
    Ok(())
}

fn draw(path: &str, rng: &mut Rng) -> (Value, String) {
    let times = rng.between(1, 4);
    let matching = json!({ "path": path });
    let fault = |action: &str| json!({ "match": matching, "action": action, "times": times });
    match rng.between(0, 7) {
        0 => (fault("cut_before"), format!("cut_before x{times}")),
        1 => (fault("cut_after"), format!("cut_after x{times}")),
        2 | 3 => {
            let (ms, times) = (rng.between(100, 1_500), rng.between(1, 12));
            let fault = json!({ "match": matching, "action": "delay", "delay_ms": ms, "times": times });
            (fault, format!("delay {ms} ms x{times}"))
        }
        4 => {
            let fault = json!({ "match": matching, "action": "status", "code": 131_000, "times": times });
            (fault, format!("131000 x{times}"))
        }
        5 => {
            let fault = json!({ "match": matching, "action": "status", "code": 130_429, "times": times });
            (fault, format!("130429 x{times}"))
        }
        6 => {
            let fault = json!({ "match": matching, "action": "status", "status": 502, "times": times });
            (fault, format!("502 x{times}"))
        }
        _ => {
            let ms = rng.between(100, 600);
            (json!({ "action": "refuse", "delay_ms": ms }), format!("refuse {ms} ms"))
        }
    }
}
