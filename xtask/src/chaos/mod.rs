//! `cargo xtask chaos`: a real gateway, killed again and again under load, must lose, double and forget nothing.
//!
//! Each round puts faults into the simulated WhatsApp (connections cut before and after the message was accepted_messages, slow
//! answers, refusals, a closed port) while clients send: sync and queued, alone and in batches, with and without an
//! `Idempotency-Key`. At a random moment the gateway is killed (mostly SIGKILL, sometimes SIGTERM) and started again.
//! At the end everything must settle, and three accounts are held against each other: what the clients were told, what
//! the store says, and what the simulator accepted.

mod harness;

use crate::chaos::harness::rounds;
use crate::chaos::harness::rounds::Plan;
use crate::repository;
use crate::terminal::{say, unix_seconds};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Options of a chaos run.
#[derive(Debug, Args)]
pub(crate) struct ChaosOptions {
    /// Number of times that the gateway is killed.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Seed of the random numbers: the same seed gives the same faults and times [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Keeps the folder with the database and the logs, even if all went well.
    #[arg(long)]
    keep: bool,
    /// A `waypost` to use instead of building one.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Plays the rounds; fails if anything was lost, doubled or stuck.
pub(crate) fn run(options: &ChaosOptions) -> Result<()> {
    let root = repository::root();
    let target = repository::target_directory(&root)?;
    let program = match &options.program {
        Some(program) => {
            program.canonicalize().with_context(|| format!("looking for {}", program.display()))?
        }
        None => {
            let built = Command::new("cargo")
                .args(["build", "--quiet", "--locked", "--package", "waypost"])
                .current_dir(&root)
                .status()
                .context("running cargo build")?;
            if !built.success() {
                bail!("the build failed");
            }
            target.join("debug/waypost")
        }
    };
    let parent = target.join("tmp");
    fs::create_dir_all(&parent).with_context(|| format!("making {}", parent.display()))?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => unix_seconds()?,
    };
    say(format_args!("seed {seed}"));
    let plan = Plan { rounds: options.rounds, seed, program, parent, keep: options.keep };
    let report = rounds::run(&plan, &mut |line| say(line))?;
    say(&report.summary);
    if !report.wrong.is_empty() {
        bail!("something was lost, doubled or stuck");
    }
    Ok(())
}
