//! `cargo xtask outside`: a public Cloud API client, pointed at the simulator, must notice no difference.
//!
//! The client is Python (`tests-outside/`), in an environment of its own below `target/`, made once for each list of
//! requirements. It knows nothing of this repository, which is its worth: the simulator is read by eyes that never
//! saw its code.

use crate::call::call;
use crate::ci::Counts;
use crate::digest::sha256_hex;
use crate::process::{Running, free_address};
use crate::repository;
use crate::terminal::say;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the tests are.
const FOLDER: &str = "tests-outside";

/// Builds the simulator, runs the tests against it, and fails if any did.
pub(crate) fn run() -> Result<()> {
    let counts = check(&repository::root())?;
    say(format_args!("{} passed, {} failed", counts.passed, counts.failed));
    if counts.failed > 0 {
        bail!("the outside client noticed a difference");
    }
    Ok(())
}

/// Builds the simulator and runs the tests against it.
pub(crate) fn check(root: &Path) -> Result<Counts> {
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--workspace", "--bin", "waypost", "--locked"])
        .current_dir(root)
        .status()
        .context("running cargo build")?;
    if !built.success() {
        bail!("the gateway does not build");
    }
    let target = repository::target_directory(root)?;
    let python = environment(root, &target)?;

    let data = tempfile::tempdir().context("making a folder for the simulator")?;
    let address = free_address()?;
    let mut simulator = Command::new(target.join("debug/waypost"));
    simulator.arg("simulator").current_dir(data.path());
    simulator.env("WAYPOST_SIMULATOR__LISTEN", address.to_string());
    simulator.env("WAYPOST_DATA_DIR", data.path());
    let mut simulator = Running::start(&simulator)?;
    let is_ready =
        || call(address, "GET", "/_sim/accounts", &[], b"").is_ok_and(|answer| answer.status == 200);
    simulator.wait_until("waypost simulator", is_ready)?;

    let output = Command::new(&python)
        .args(["-m", "unittest", "discover", "--verbose", "--pattern", "*_test.py"])
        .current_dir(root.join(FOLDER))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("WAYPOST_SIMULATOR_URL", format!("http://{address}"))
        .stdin(Stdio::null())
        .output()
        .context("running the outside tests")?;
    let report = String::from_utf8_lossy(&output.stderr);
    say(String::from_utf8_lossy(&output.stdout));
    say(&report);
    let counts = counts(&report).context("the outside tests printed no closing line")?;
    Ok(Counts { failed: counts.failed.max(usize::from(!output.status.success())), ..counts })
}

/// Makes the Python environment if it is not there, or is one for other requirements; hands back its Python.
fn environment(root: &Path, target: &Path) -> Result<PathBuf> {
    let requirements = root.join(FOLDER).join("requirements.txt");
    let wanted = sha256_hex(&fs::read(&requirements).context("reading the outside tests' requirements")?);
    let folder = target.join("outside-venv");
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.sha256"));
    if fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) && python.exists() {
        return Ok(python);
    }
    finish(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    finish(Command::new(&python).args(install).arg(&requirements))?;
    fs::write(&stamp, wanted).context("stamping the Python environment")?;
    Ok(python)
}

/// Runs a command to its end.
fn finish(command: &mut Command) -> Result<()> {
    let doing = format!("running {} {:?}", command.get_program().display(), command.get_args());
    if !command.status().with_context(|| doing.clone())?.success() {
        bail!("{doing} failed");
    }
    Ok(())
}

/// Reads unittest's closing lines: `Ran 21 tests in 4.2s`, then `OK` or `FAILED (failures=1, errors=2)`.
fn counts(report: &str) -> Option<Counts> {
    let ran: usize =
        report.lines().rev().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse().ok())?;
    let closing = report.lines().rev().find(|line| line.starts_with("OK") || line.starts_with("FAILED"))?;
    let number = |name: &str| -> usize {
        let after = closing.split_once(&format!("{name}=")).map(|(_, after)| after);
        after.and_then(|after| after.split([',', ')']).next()?.parse().ok()).unwrap_or(0)
    };
    let failed = number("failures").saturating_add(number("errors"));
    let not_passed = failed.saturating_add(number("skipped"));
    Some(Counts { passed: ran.saturating_sub(not_passed), failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_unittest_are_read() {
        let good = "test_a ... ok\n-----\nRan 21 tests in 4.216s\n\nOK (skipped=1)\n";
        assert_eq!(counts(good), Some(Counts { passed: 20, failed: 0 }));
        let bad = "Ran 9 tests in 1s\n\nFAILED (failures=1, errors=2)\n";
        assert_eq!(counts(bad), Some(Counts { passed: 6, failed: 3 }));
        let broken = "ERROR: setUpModule\nRan 0 tests in 0.1s\n\nFAILED (errors=1)\n";
        assert_eq!(counts(broken), Some(Counts { passed: 0, failed: 1 }));
        assert_eq!(counts("Traceback"), None);
    }
}
