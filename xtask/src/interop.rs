//! `cargo xtask interop`: tests with programs of third parties.
//!
//! A public Cloud API client works with the simulator; public libraries verify the webhooks; schemathesis tests the API
//! against its OpenAPI document; clients in TypeScript and Python that are generated from that document send a message;
//! the outputs of the examples are checked.
//!
//! The tests are written in Python and JavaScript (`interop/`). Their libraries are installed below `target/`, once for
//! each list of requirements. They share no code with this repository.

use crate::call::call;
use crate::ci::Counts;
use crate::digest::sha256_hex;
use crate::process::{Running, free_address};
use crate::repository;
use crate::terminal::print_line;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Folder of the tests.
const FOLDER: &str = "interop";

/// Folder of the tests in JavaScript, within [`FOLDER`].
const JAVASCRIPT: &str = "javascript";

/// Folder of the tests of recorded deliveries, within [`FOLDER`].
const DELIVERIES: &str = "deliveries";

/// Builds the simulator, runs the tests against it, and fails if a test failed.
pub(crate) fn run() -> Result<()> {
    let counts = check(&repository::root())?;
    print_line(format_args!("{} passed, {} failed", counts.passed, counts.failed));
    if counts.failed > 0 {
        bail!("an interoperability test failed");
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
    let modules = modules(root, &target)?;
    // The libraries reject deliveries that are some minutes old: these tests run first.
    let deliveries = deliveries(root, &target)?;
    let mut counts = vec![
        check_python(
            Command::new(&python)
                .current_dir(root.join(FOLDER).join(DELIVERIES))
                .env("WAYPOST_DELIVERIES", &deliveries),
        )?,
        check_javascript(root, &modules, &deliveries)?,
    ];

    let data = tempfile::tempdir().context("making a folder for the simulator")?;
    let address = free_address()?;
    let mut simulator = Command::new(target.join("debug/waypost"));
    simulator.arg("simulator").current_dir(data.path());
    simulator.env("WAYPOST_SIMULATOR__LISTEN", address.to_string());
    simulator.env("WAYPOST_DATA_DIR", data.path());
    let mut simulator = Running::start(&simulator)?;
    let is_ready =
        || call(address, "GET", "/_sim/accounts", &[], b"").is_ok_and(|response| response.status == 200);
    simulator.wait_until("waypost simulator", is_ready)?;
    counts.push(check_python(
        Command::new(&python)
            .current_dir(root.join(FOLDER))
            .env("WAYPOST_SIMULATOR_URL", format!("http://{address}"))
            .env("WAYPOST_BINARY", target.join("debug/waypost"))
            .env("WAYPOST_NODE_MODULES", &modules)
            .env("WAYPOST_GENERATED_CLIENTS", target.join("interop-clients")),
    )?);
    let sum = |of: fn(&Counts) -> usize| counts.iter().map(of).fold(0, usize::saturating_add);
    Ok(Counts { passed: sum(|counts| counts.passed), failed: sum(|counts| counts.failed) })
}

/// Runs the Python tests of a folder.
fn check_python(python: &mut Command) -> Result<Counts> {
    let output = python
        .args(["-m", "unittest", "discover", "--verbose", "--pattern", "*_test.py"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .context("running the interoperability tests")?;
    let report = String::from_utf8_lossy(&output.stderr);
    print_line(String::from_utf8_lossy(&output.stdout));
    print_line(&report);
    let counts = counts(&report).context("the interoperability tests printed no closing line")?;
    Ok(Counts { failed: counts.failed.max(usize::from(!output.status.success())), ..counts })
}

/// Runs the JavaScript tests.
fn check_javascript(root: &Path, modules: &Path, deliveries: &Path) -> Result<Counts> {
    let output = Command::new("node")
        .args(["--test", "--test-reporter=tap", "webhooks_test.cjs"])
        .current_dir(root.join(FOLDER).join(JAVASCRIPT))
        .env("NODE_PATH", modules)
        .env("WAYPOST_DELIVERIES", deliveries)
        .stdin(Stdio::null())
        .output()
        .context("running the interoperability tests in JavaScript")?;
    let report = String::from_utf8_lossy(&output.stdout);
    print_line(&report);
    print_line(String::from_utf8_lossy(&output.stderr));
    let counts =
        tap_counts(&report).context("the interoperability tests in JavaScript printed no closing lines")?;
    Ok(Counts { failed: counts.failed.max(usize::from(!output.status.success())), ..counts })
}

/// Creates and records deliveries, because the libraries reject old ones. Returns the path of the file.
fn deliveries(root: &Path, target: &Path) -> Result<PathBuf> {
    let recorded = Command::new("cargo")
        .args(["run", "--quiet", "--package", "egress", "--example", "record", "--locked"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("recording deliveries")?;
    if !recorded.status.success() {
        bail!("deliveries could not be recorded");
    }
    let file = target.join("interop-deliveries.json");
    fs::write(&file, recorded.stdout).context("writing the deliveries")?;
    Ok(file)
}

/// Installs the JavaScript libraries if they are missing or out of date; returns their folder.
fn modules(root: &Path, target: &Path) -> Result<PathBuf> {
    let source = root.join(FOLDER).join(JAVASCRIPT);
    let folder = target.join("interop-node");
    let (modules, stamp) = (folder.join("node_modules"), folder.join("package-lock.sha256"));
    let wanted =
        sha256_hex(&fs::read(source.join("package-lock.json")).context("reading the lock file of npm")?);
    if fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) && modules.exists() {
        return Ok(modules);
    }
    fs::create_dir_all(&folder).context("making a folder for the JavaScript libraries")?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), folder.join(file)).with_context(|| format!("copying {file}"))?;
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    finish(Command::new("npm").args(install).current_dir(&folder))?;
    fs::write(&stamp, wanted).context("stamping the JavaScript libraries")?;
    Ok(modules)
}

/// Creates the Python environment if it is missing or out of date; returns the path of its Python.
fn environment(root: &Path, target: &Path) -> Result<PathBuf> {
    let requirements = root.join(FOLDER).join("requirements.txt");
    let wanted = sha256_hex(
        &fs::read(&requirements).context("reading the requirements of the interoperability tests")?,
    );
    let folder = target.join("interop-venv");
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

/// Runs a command.
fn finish(command: &mut Command) -> Result<()> {
    let action = format!("running {} {:?}", command.get_program().display(), command.get_args());
    if !command.status().with_context(|| action.clone())?.success() {
        bail!("{action} failed");
    }
    Ok(())
}

/// Parses the last lines of unittest: `Ran 21 tests in 4.2s`, then `OK` or `FAILED (failures=1, errors=2)`.
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

/// Parses the last lines of node's test runner: `# pass 5`, `# fail 0`.
fn tap_counts(report: &str) -> Option<Counts> {
    let number = |name: &str| -> Option<usize> {
        report.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Some(Counts {
        passed: number("# pass ")?,
        failed: number("# fail ")?.saturating_add(number("# cancelled ")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_node_are_parsed() {
        let report =
            "ok 1 - a\n1..2\n# tests 3\n# suites 0\n# pass 1\n# fail 1\n# cancelled 1\n# skipped 0\n";
        assert_eq!(tap_counts(report), Some(Counts { passed: 1, failed: 2 }));
        assert_eq!(tap_counts("SyntaxError"), None);
    }

    #[test]
    fn the_last_lines_of_unittest_are_parsed() {
        let good = "test_a ... ok\n-----\nRan 21 tests in 4.216s\n\nOK (skipped=1)\n";
        assert_eq!(counts(good), Some(Counts { passed: 20, failed: 0 }));
        let bad = "Ran 9 tests in 1s\n\nFAILED (failures=1, errors=2)\n";
        assert_eq!(counts(bad), Some(Counts { passed: 6, failed: 3 }));
        let broken = "ERROR: setUpModule\nRan 0 tests in 0.1s\n\nFAILED (errors=1)\n";
        assert_eq!(counts(broken), Some(Counts { passed: 0, failed: 1 }));
        assert_eq!(counts("Traceback"), None);
    }
}
