//! `waypost doctor`: checks the installation and reports what to fix.
//!
//! **Invariant:** it changes nothing but the stored properties of phone numbers. It runs beside a running gateway. It reports
//! an invalid configuration as a finding.

mod accounts;
mod configuration;
mod database;
mod disk;
mod findings;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use store::Sealer;

use super::context::CommandContext;
use super::terminal::{Palette, print_json, print_line};
use crate::config::{Config, ConfigError};
use crate::random::OsRandom;
use crate::run;
use findings::{Findings, Verdict};

/// Check configuration, database, disk, accounts and callback, and report what to fix.
///
/// The exit code is 0 if no check failed (warnings are not failures). Otherwise the first failed area determines the exit
/// code: 2 configuration or command line, 3 database, 4 disk, 5 callback, 6 Meta or the clock, 7 an account.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Call Meta and the callback URL as well (the default)
    #[arg(long, conflicts_with = "offline")]
    online: bool,
    /// Check this machine only, without any network calls
    #[arg(long)]
    offline: bool,
    /// Use the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    /// Runs all checks and prints their results.
    ///
    /// # Errors
    /// If the results cannot be printed.
    pub(super) async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let config = crate::cli::workspace_arg::WorkspaceArg::config_of(self.dev, ctx)?;
        let mut findings = Findings::new();
        configuration::check(&mut findings, ctx, &config);
        let inspection = database::check(&mut findings, &config, sealer(&config).as_ref());
        disk::check(&mut findings, &config);
        accounts::check(&mut findings, &config, inspection.as_ref(), !self.offline).await?;
        self.print(&findings, ctx.environment.is_plain)?;
        Ok(ExitCode::from(findings.code()))
    }

    /// Reports a configuration that is not valid.
    ///
    /// # Errors
    /// If the results cannot be printed.
    pub(super) fn report_invalid_configuration(&self, error: ConfigError) -> anyhow::Result<ExitCode> {
        let mut findings = Findings::new();
        findings.area("configuration");
        let text = format!("{:#}", anyhow::Error::new(error));
        findings.fail("settings", text, "fix the setting; `waypost config reference` lists all settings");
        self.print(&findings, true)?;
        Ok(ExitCode::from(findings.code()))
    }

    fn print(&self, findings: &Findings, is_plain: bool) -> anyhow::Result<()> {
        if self.json {
            let checks: Vec<_> = findings
                .all
                .iter()
                .map(|finding| {
                    json!({
                        "area": finding.area, "name": finding.name, "verdict": finding.verdict.as_str(),
                        "finding": finding.text, "fix": finding.fix,
                    })
                })
                .collect();
            print_json(&json!({ "verdict": findings.worst().as_str(), "checks": checks }))?;
            return Ok(());
        }
        let palette = Palette::of_stdout(is_plain);
        let mut area = "";
        for finding in &findings.all {
            if finding.area != area {
                area = &finding.area;
                print_line(&palette.bold(area))?;
            }
            let mark = match finding.verdict {
                Verdict::Ok => palette.green("ok  "),
                Verdict::Warn => palette.bold("warn"),
                Verdict::Fail => palette.red("FAIL"),
            };
            print_line(&format!("  {mark}  {:12}  {}", finding.name, finding.text))?;
            if let Some(fix) = &finding.fix {
                print_line(&format!("        {:12}  {}", "", palette.dim(&format!("-> {fix}"))))?;
            }
        }
        Ok(())
    }
}

/// Returns the sealer, if a secret key is set.
fn sealer(config: &Config) -> Option<Sealer> {
    run::sealer(config, Arc::new(OsRandom::new())).ok()
}
