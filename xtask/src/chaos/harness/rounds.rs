//! The rounds: load, faults, a kill at a random time, a restart; at the end, every message is verified.

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

/// Number of clients that send random messages.
const RANDOM_CLIENTS: usize = 8;
/// Time for a graceful shutdown of the gateway.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(45);
/// Time for retries at the end: an idempotency key is in progress until the crash of its process is detected.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(45);
/// Maximum time until every message has its final status.
const FINISH_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum number of problems that are printed; a file contains all of them.
const MAX_REPORTED: usize = 20;
/// Settings of the gateway: some messages must wait for their send slot, and no limit of Meta rejects them.
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
    /// Path of the gateway's program.
    pub(crate) program: PathBuf,
    /// Folder below which all files are created.
    pub(crate) parent: PathBuf,
    /// `true` if the directory is kept even if no problem was found.
    pub(crate) keeps_folder: bool,
}

/// Result of a chaos run.
#[derive(Debug)]
pub(crate) struct Report {
    /// Summary in one line.
    pub(crate) summary: String,
    /// All problems.
    pub(crate) problems: Vec<String>,
}

/// Runs all rounds.
///
/// # Errors
/// If the environment fails.
pub(crate) fn run(plan: &Plan, print: &mut dyn FnMut(String)) -> Result<Report> {
    let mut environment = Environment::make(&plan.program, &plan.parent, &SETTINGS)?;
    let end = run_rounds(plan, &mut environment, print);
    let has_passed = end.as_ref().is_ok_and(|report| report.problems.is_empty());
    if let Ok(Report { problems, .. }) = &end
        && !problems.is_empty()
    {
        fs::write(environment.directory.path("problems.txt"), problems.join("\n"))
            .context("writing the problems")?;
        for problems in problems.iter().take(MAX_REPORTED) {
            print(problems.clone());
        }
    }
    if plan.keeps_folder || !has_passed {
        print(format!(
            "the folder with all problems is kept: {}",
            environment.directory.keeps_folder().display()
        ));
    }
    end
}

fn run_rounds(plan: &Plan, environment: &mut Environment, print: &mut dyn FnMut(String)) -> Result<Report> {
    let mut rng = Rng::from_seed(plan.seed);
    let mut gateway = environment.serve()?;
    environment.open_windows(&load::recipients())?;
    let client = environment.gateway.clone();
    let load = Load::new(&client);
    let mut problems = Vec::new();
    let result = thread::scope(|scope| {
        for _ in 0..RANDOM_CLIENTS {
            let rng = rng.branch();
            scope.spawn(|| load.send_at_random(rng));
        }
        for to in load::conversation_recipients() {
            let (load, rng) = (&load, rng.branch());
            scope.spawn(move || load.send_in_order(&to, rng));
        }
        let mut kill_repeatedly = || -> Result<()> {
            for round in 1..=plan.rounds {
                let line = kill_and_start(environment, &mut gateway, &mut rng, &mut problems)?;
                let counts = load.counts();
                print(format!(
                    "round {round}: {line}; {} planned, {} acknowledged, {} interrupted, {} rejected, {} open",
                    counts.planned, counts.acknowledged, counts.interrupted, counts.rejected, counts.open
                ));
            }
            faults::clear(environment)?;
            if !load.drain(DRAIN_TIMEOUT) {
                problems.push(format!(
                    "STUCK: clients were still retrying after {} s: {:?}",
                    DRAIN_TIMEOUT.as_secs(),
                    load.counts()
                ));
            }
            Ok(())
        };
        let result = kill_repeatedly();
        load.end();
        result
    });
    result?;
    let started_at = now();
    let (stored, accepted) = wait_for_final_statuses(environment)?;
    let finished_after = started_at.elapsed();
    let ledger = load.into_ledger();
    problems.extend(verify::verify(&ledger, &stored, &accepted));
    let n_unknown = resolve_unknown(environment, &stored, &mut problems)?;
    gateway.signal("TERM")?;
    let end = gateway.wait(SHUTDOWN_TIMEOUT)?;
    if !end.success() {
        problems.push(format!("EXITED: the gateway ended with {end}"));
    }
    let counts = ledger.counts();
    let summary = format!(
        "{} rounds, seed {}: {} planned, {} acknowledged, {} interrupted, {} rejected; {} stored, {} accepted, {n_unknown} \
         unknown; finished after {:.1} s; {} problems",
        plan.rounds,
        plan.seed,
        counts.planned,
        counts.acknowledged,
        counts.interrupted,
        counts.rejected,
        stored.len(),
        accepted.len(),
        finished_after.as_secs_f64(),
        problems.len()
    );
    Ok(Report { summary, problems })
}

/// Runs one round, and returns its description.
fn kill_and_start(
    environment: &mut Environment,
    gateway: &mut Process,
    rng: &mut Rng,
    problems: &mut Vec<String>,
) -> Result<String> {
    environment.check_simulator()?;
    let faults = faults::set(environment, rng)?;
    let after = rng.millis(300, 2_500);
    sleep(after);
    if let Some(status) = gateway.end()? {
        problems.push(format!("EXITED: the gateway ended by itself with {status}"));
    }
    let started_at = now();
    let how = if rng.one_in(5) {
        gateway.signal("TERM")?;
        let end = gateway.wait(SHUTDOWN_TIMEOUT)?;
        if !end.success() {
            problems.push(format!("EXITED: the gateway ended with {end} after SIGTERM"));
        }
        format!("SIGTERM after {} ms, ended in {} ms", after.as_millis(), started_at.elapsed().as_millis())
    } else {
        gateway.kill()?;
        format!("SIGKILL after {} ms", after.as_millis())
    };
    sleep(rng.millis(0, 400));
    let mut at_start = "";
    if rng.one_in(6) {
        let mut starting = environment.spawn()?;
        sleep(rng.millis(0, 250));
        starting.kill()?;
        at_start = ", SIGKILL at its start";
    }
    let started_at = now();
    *gateway = environment.serve()?;
    Ok(format!("{how}{at_start} [{faults}], ready again in {} ms", started_at.elapsed().as_millis()))
}

/// Waits until all messages have their final status, and returns the messages of the store and of the simulator.
fn wait_for_final_statuses(environment: &Environment) -> Result<(Vec<Value>, Vec<Value>)> {
    let deadline = now() + FINISH_TIMEOUT;
    loop {
        let accepted = environment.accepted()?;
        let stored = environment.stored()?;
        let open = verify::unfinished(&stored, &accepted);
        if open.is_empty() || now() >= deadline {
            return Ok((stored, accepted));
        }
        sleep(Duration::from_millis(500));
    }
}

/// Resolves the remaining unknown messages: this works only if no process has leased them.
fn resolve_unknown(environment: &Environment, stored: &[Value], problems: &mut Vec<String>) -> Result<usize> {
    let unknown = stored.iter().filter(|row| row.get("status").and_then(Value::as_str) == Some("unknown"));
    let mut n_unknown = 0;
    for row in unknown {
        n_unknown += 1;
        let id = row.get("id").and_then(Value::as_str).context("a row without an id")?;
        let path = format!("/api/messages/{id}/resolve");
        match environment.gateway.call("POST", &path, &[], Some(&json!({ "action": "fail" }))) {
            CallOutcome::Answered(response) if response.status == 200 => {}
            other @ (CallOutcome::NotConnected | CallOutcome::Interrupted(_) | CallOutcome::Answered(_)) => {
                problems.push(format!("LEASED {id}: the message cannot be resolved: {other:?}, {row}"))
            }
        }
    }
    Ok(n_unknown)
}
