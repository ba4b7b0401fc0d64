//! `cargo xtask chaos`: a gateway that is killed repeatedly under load must not lose or duplicate a message.
//!
//! Each round sets faults in the simulated WhatsApp (connections interrupted before and after the message was accepted,
//! slow responses, rejections, a closed port) while clients send: sync and queued, single and in batches, with and
//! without an `Idempotency-Key`. At a random time the gateway is killed (usually SIGKILL, sometimes SIGTERM) and
//! started again. At the end all messages must have their final status, and three sources are compared: the responses
//! to the clients, the messages of the store, and the messages that the simulator accepted.

mod harness;

use crate::chaos::harness::rounds;
use crate::chaos::harness::rounds::Plan;
use crate::repository;
use crate::terminal::{print_line, unix_seconds};
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
    /// Keeps the folder with the database and the logs, even if no problem was found.
    #[arg(long)]
    keeps_folder: bool,
    /// Path of a `waypost` program to use instead of building one.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Runs the rounds; fails if a message was lost, duplicated or stuck.
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
    print_line(format_args!("seed {seed}"));
    let plan = Plan { rounds: options.rounds, seed, program, parent, keeps_folder: options.keeps_folder };
    let report = rounds::run(&plan, &mut |line| print_line(line))?;
    print_line(&report.summary);
    if !report.problems.is_empty() {
        bail!("messages were lost, duplicated or stuck");
    }
    Ok(())
}
