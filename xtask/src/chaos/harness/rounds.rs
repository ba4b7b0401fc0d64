//! The rounds: load, faults, a kill at a random moment, a restart; at the end everything must be accounted for.

use super::client::CallOutcome;
use super::environment::Environment;
use super::load::{self, Load};
use super::process::Process;
use super::random::Rng;
use super::verify;
use super::{faults, now, sleep};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Clients that send whatever comes to their minds.
const RANDOM_CLIENTS: usize = 8;
/// Time for which a gateway may finish running work.
const GRACE: Duration = Duration::from_secs(45);
/// Time for which clients may retry at the end: a key can be in progress until its dead process is detected.
const DRAIN: Duration = Duration::from_secs(45);
/// Maximum time until every message has its final status.
const SETTLE: Duration = Duration::from_secs(60);
/// Of many wrongs, how many are told; all stand in a file.
const MAX_REPORTED: usize = 20;
/// Settings of the gateway: some messages must wait for their turn, and no rule of Meta's stands in the way.
const SETTINGS: [(&str, &str); 3] = [
    ("WAYPOST_PACING__THROUGHPUT", "120"),
    ("WAYPOST_PACING__PAIR_RULE", "false"),
    ("WAYPOST_LOG__FILTER", "info"),
];

/// Parameters of a chaos run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Number of kills.
    pub(crate) rounds: u32,
    /// Seed of the random numbers.
    pub(crate) seed: u64,
    /// The gateway's program.
    pub(crate) program: PathBuf,
    /// The folder below which everything is kept.
    pub(crate) parent: PathBuf,
    /// `true` if the directory is kept even if nothing was wrong.
    pub(crate) keep: bool,
}

/// Result of a chaos run.
#[derive(Debug)]
pub(crate) struct Report {
    /// In one line.
    pub(crate) summary: String,
    /// Everything that was wrong.
    pub(crate) wrong: Vec<String>,
}

/// Plays all rounds.
///
/// # Errors
/// When something other than the gateway's care fails.
pub(crate) fn run(plan: &Plan, say: &mut dyn FnMut(String)) -> Result<Report> {
    let mut environment = Environment::make(&plan.program, &plan.parent, &SETTINGS)?;
    let end = play(plan, &mut environment, say);
    let is_well = end.as_ref().is_ok_and(|report| report.wrong.is_empty());
    if let Ok(Report { wrong, .. }) = &end
        && !wrong.is_empty()
    {
        fs::write(environment.directory.path("wrong.txt"), wrong.join("\n"))
            .context("writing what was wrong")?;
        for wrong in wrong.iter().take(MAX_REPORTED) {
            say(wrong.clone());
        }
    }
    if plan.keep || !is_well {
        say(format!("kept, with everything that was wrong: {}", environment.directory.keep().display()));
    }
    end
}

fn play(plan: &Plan, environment: &mut Environment, say: &mut dyn FnMut(String)) -> Result<Report> {
    let mut rng = Rng::from_seed(plan.seed);
    let mut gateway = environment.serve()?;
    environment.open_windows(&load::people())?;
    let client = environment.gateway.clone();
    let load = Load::new(&client);
    let mut wrong = Vec::new();
    let stormed = thread::scope(|scope| {
        for _ in 0..RANDOM_CLIENTS {
            let rng = rng.branch();
            scope.spawn(|| load.send_at_random(rng));
        }
        for to in load::talkers() {
            let (load, rng) = (&load, rng.branch());
            scope.spawn(move || load.send_in_order(&to, rng));
        }
        let mut storm = || -> Result<()> {
            for round in 1..=plan.rounds {
                let line = kill_and_start(environment, &mut gateway, &mut rng, &mut wrong)?;
                let counts = load.counts();
                say(format!(
                    "round {round}: {line}; {} wanted, {} acknowledged, {} cut, {} refused, {} open",
                    counts.wishes, counts.acknowledged, counts.cut, counts.refused, counts.open
                ));
            }
            faults::clear(environment)?;
            if !load.drain(DRAIN) {
                wrong.push(format!(
                    "STUCK: clients still asked after {} s: {:?}",
                    DRAIN.as_secs(),
                    load.counts()
                ));
            }
            Ok(())
        };
        let stormed = storm();
        load.end();
        stormed
    });
    stormed?;
    let begun = now();
    let (stored, accepted) = settle(environment)?;
    let settled_after = begun.elapsed();
    let ledger = load.into_ledger();
    wrong.extend(verify::verify(&ledger, &stored, &accepted));
    let n_unknown = resolve_unknown(environment, &stored, &mut wrong)?;
    gateway.signal("TERM")?;
    let end = gateway.wait(GRACE)?;
    if !end.success() {
        wrong.push(format!("UNWELL: the gateway ended with {end}"));
    }
    let counts = ledger.counts();
    let summary = format!(
        "{} rounds, seed {}: {} wanted, {} acknowledged, {} cut, {} refused; {} stored, {} accepted, {n_unknown} left \
         unknown; settled after {:.1} s; {} wrong",
        plan.rounds,
        plan.seed,
        counts.wishes,
        counts.acknowledged,
        counts.cut,
        counts.refused,
        stored.len(),
        accepted.len(),
        settled_after.as_secs_f64(),
        wrong.len()
    );
    Ok(Report { summary, wrong })
}

/// One round. Tells what happened.
fn kill_and_start(
    environment: &mut Environment,
    gateway: &mut Process,
    rng: &mut Rng,
    wrong: &mut Vec<String>,
) -> Result<String> {
    environment.check_simulator()?;
    let faults = faults::set(environment, rng)?;
    let after = rng.millis(300, 2_500);
    sleep(after);
    if let Some(status) = gateway.end()? {
        wrong.push(format!("UNWELL: the gateway ended by itself with {status}"));
    }
    let begun = now();
    let how = if rng.one_in(5) {
        gateway.signal("TERM")?;
        let end = gateway.wait(GRACE)?;
        if !end.success() {
            wrong.push(format!("UNWELL: the gateway ended with {end} after SIGTERM"));
        }
        format!("SIGTERM after {} ms, ended in {} ms", after.as_millis(), begun.elapsed().as_millis())
    } else {
        gateway.kill()?;
        format!("SIGKILL after {} ms", after.as_millis())
    };
    sleep(rng.millis(0, 400));
    let mut at_start = "";
    if rng.one_in(6) {
        let mut young = environment.spawn()?;
        sleep(rng.millis(0, 250));
        young.kill()?;
        at_start = ", SIGKILL at its start";
    }
    let begun = now();
    *gateway = environment.serve()?;
    Ok(format!("{how}{at_start} [{faults}], ready again in {} ms", begun.elapsed().as_millis()))
}

/// Waits until everything is at its end, and hands back what the store and the simulator say.
fn settle(environment: &Environment) -> Result<(Vec<Value>, Vec<Value>)> {
    let deadline = now() + SETTLE;
    loop {
        let accepted = environment.accepted()?;
        let stored = environment.stored()?;
        let open = verify::unsettled(&stored, &accepted);
        if open.is_empty() || now() >= deadline {
            return Ok((stored, accepted));
        }
        sleep(Duration::from_millis(500));
    }
}

/// Gives up what is left unknown: that works only if nobody holds it.
fn resolve_unknown(environment: &Environment, stored: &[Value], wrong: &mut Vec<String>) -> Result<usize> {
    let unknown = stored.iter().filter(|row| row.get("status").and_then(Value::as_str) == Some("unknown"));
    let mut n_unknown = 0;
    for row in unknown {
        n_unknown += 1;
        let id = row.get("id").and_then(Value::as_str).context("a row without an id")?;
        let path = format!("/api/messages/{id}/resolve");
        match environment.gateway.call("POST", &path, &[], Some(&json!({ "action": "fail" }))) {
            CallOutcome::Answered(answer) if answer.status == 200 => {}
            other @ (CallOutcome::NotConnected | CallOutcome::Interrupted(_) | CallOutcome::Answered(_)) => {
                wrong.push(format!("HELD {id}: it cannot be given up: {other:?}, {row}"))
            }
        }
    }
    Ok(n_unknown)
}
