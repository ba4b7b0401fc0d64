//! What goes wrong at the simulator during a round.

use super::chance::Chance;
use super::world::World;
use anyhow::Result;
use serde_json::{Value, json};

/// Sets one to three faults, and tells which.
///
/// # Errors
/// When the simulator does not take them.
pub(crate) fn set(world: &World, chance: &mut Chance) -> Result<String> {
    let mut told = Vec::new();
    for _ in 0..chance.between(1, 3) {
        let (fault, name) = draw(&world.messages_path, chance);
        world.simulator.ask("POST", "/_sim/faults", Some(&fault))?;
        told.push(name);
    }
    Ok(told.join(", "))
}

/// Takes all faults away.
///
/// # Errors
/// When the simulator does not answer.
pub(crate) fn clear(world: &World) -> Result<()> {
    world.simulator.ask("DELETE", "/_sim/faults", None)?;
    Ok(())
}

fn draw(path: &str, chance: &mut Chance) -> (Value, String) {
    let times = chance.between(1, 4);
    let matching = json!({ "path": path });
    let fault = |action: &str| json!({ "match": matching, "action": action, "times": times });
    match chance.between(0, 7) {
        0 => (fault("cut_before"), format!("cut_before x{times}")),
        1 => (fault("cut_after"), format!("cut_after x{times}")),
        2 | 3 => {
            let (ms, times) = (chance.between(100, 1_500), chance.between(1, 12));
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
            let ms = chance.between(100, 600);
            (json!({ "action": "refuse", "delay_ms": ms }), format!("refuse {ms} ms"))
        }
    }
}
