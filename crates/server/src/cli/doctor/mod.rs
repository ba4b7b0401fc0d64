//! `waypost doctor`: what is well, what is not, and how to mend it.
//!
//! **Invariant:** it changes nothing but what is known of the numbers; it works beside a running gateway, and it says
//! what is wrong where other commands would only refuse to start.

mod accounts;
mod configuration;
mod database;
mod disk;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use store::Sealer;

use super::Ctx;
use super::terminal::{Palette, say, say_json};
use crate::config::{Config, ConfigError};
use crate::random::OsRandom;
use crate::run;

/// What `doctor` exits with, by the area of what failed: of several the first, for it may be why the others do.
///
/// 1 is left to the doctor's own trouble, and clap exits with 2 when the command line cannot be read.
const CODES: [(&str, u8); 5] =
    [("configuration", 2), ("database", 3), ("disk", 4), ("callback", 5), ("meta", 6)];
/// What it exits with when an account failed.
const ACCOUNT: u8 = 7;

/// Look at configuration, database, accounts and callback, and say what to mend.
///
/// Exits with 0 when nothing failed (warnings are no failures). Else by what failed, the first of: 2 configuration or
/// command line, 3 database, 4 disk, 5 callback, 6 Meta or the clock, 7 an account.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Ask Meta and the callback, too; that is so unless --offline is given
    #[arg(long, conflicts_with = "offline")]
    online: bool,
    /// Ask nobody: look at this machine only
    #[arg(long)]
    offline: bool,
    /// Work on the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
struct Finding {
    /// What it belongs to: `configuration`, `database`, `account main`.
    area: String,
    /// What was looked at.
    name: &'static str,
    verdict: Verdict,
    /// What was found.
    text: String,
    /// What to do about it.
    mend: Option<String>,
}

/// What was found.
struct Findings {
    area: String,
    all: Vec<Finding>,
}

impl Findings {
    fn new() -> Self {
        Self { area: String::new(), all: Vec::new() }
    }

    /// What follows belongs to this.
    fn area(&mut self, area: impl Into<String>) {
        self.area = area.into();
    }

    fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(name, Verdict::Ok, text.into(), None);
    }

    fn warn(&mut self, name: &'static str, text: impl Into<String>, mend: impl Into<String>) {
        self.add(name, Verdict::Warn, text.into(), Some(mend.into()));
    }

    fn fail(&mut self, name: &'static str, text: impl Into<String>, mend: impl Into<String>) {
        self.add(name, Verdict::Fail, text.into(), Some(mend.into()));
    }

    fn add(&mut self, name: &'static str, verdict: Verdict, text: String, mend: Option<String>) {
        self.all.push(Finding { area: self.area.clone(), name, verdict, text, mend });
    }

    /// What the process exits with.
    fn code(&self) -> u8 {
        let failed: Vec<&str> = self
            .all
            .iter()
            .filter(|finding| finding.verdict == Verdict::Fail)
            .map(|finding| finding.area.as_str())
            .collect();
        let first = CODES.iter().find(|(area, _)| failed.contains(area)).map(|(_, code)| *code);
        first.unwrap_or(if failed.is_empty() { 0 } else { ACCOUNT })
    }

    fn worst(&self) -> Verdict {
        self.all.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }
}

impl Doctor {
    /// Looks at everything.
    ///
    /// # Errors
    /// When the findings cannot be printed.
    pub(super) async fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let config = crate::cli::workspace_arg::Place::config_of(self.dev, ctx)?;
        let mut findings = Findings::new();
        configuration::look(&mut findings, ctx, &config);
        let inspection = database::look(&mut findings, &config, sealer(&config).as_ref());
        disk::look(&mut findings, &config);
        accounts::look(&mut findings, &config, inspection.as_ref(), !self.offline).await?;
        self.tell(&findings, ctx.environment.is_plain)?;
        Ok(ExitCode::from(findings.code()))
    }

    /// Says what is wrong with a configuration that cannot be read.
    ///
    /// # Errors
    /// When that cannot be printed.
    pub(super) fn unreadable(&self, error: ConfigError) -> anyhow::Result<ExitCode> {
        let mut findings = Findings::new();
        findings.area("configuration");
        let text = format!("{:#}", anyhow::Error::new(error));
        findings.fail("settings", text, "mend the setting; `waypost config reference` lists them all");
        self.tell(&findings, true)?;
        Ok(ExitCode::from(findings.code()))
    }

    fn tell(&self, findings: &Findings, is_plain: bool) -> anyhow::Result<()> {
        if self.json {
            let checks: Vec<_> = findings
                .all
                .iter()
                .map(|finding| {
                    json!({
                        "area": finding.area, "name": finding.name, "verdict": finding.verdict.word(),
                        "finding": finding.text, "mend": finding.mend,
                    })
                })
                .collect();
            say_json(&json!({ "verdict": findings.worst().word(), "checks": checks }))?;
            return Ok(());
        }
        let palette = Palette::of_stdout(is_plain);
        let mut area = "";
        for finding in &findings.all {
            if finding.area != area {
                area = &finding.area;
                say(&palette.bold(area))?;
            }
            let mark = match finding.verdict {
                Verdict::Ok => palette.green("ok  "),
                Verdict::Warn => palette.bold("warn"),
                Verdict::Fail => palette.red("FAIL"),
            };
            say(&format!("  {mark}  {:12}  {}", finding.name, finding.text))?;
            if let Some(mend) = &finding.mend {
                say(&format!("        {:12}  {}", "", palette.dim(&format!("-> {mend}"))))?;
            }
        }
        Ok(())
    }
}

/// What opens the secrets, if there is a key.
fn sealer(config: &Config) -> Option<Sealer> {
    run::sealer(config, Arc::new(OsRandom::new())).ok()
}

/// A number of bytes as people read it.
fn bytes(n: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut tenths, mut unit) = (n, 0, 0);
    while whole >= 1024 && unit + 1 < units.len() {
        tenths = (whole % 1024) * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    let unit_name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{whole} {unit_name}") } else { format!("{whole}.{tenths} {unit_name}") }
}
