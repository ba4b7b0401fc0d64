//! Checks of the database and of the clock.

use domain::time::rfc3339;
use engine::ports::Clock as _;
use jiff::{SignedDuration, Timestamp};
use store::{IntegrityReport, SealedValueCounts, Sealer};

use super::configuration::check_permissions;
use super::findings::{Findings, bytes};
use crate::clock::SystemClock;
use crate::config::Config;

/// Largest time that the clock may be behind the newest record; the clocks of two machines are never equal.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(
    findings: &mut Findings,
    config: &Config,
    sealer: Option<&Sealer>,
) -> Option<IntegrityReport> {
    findings.area("database");
    let path = &config.database;
    let shown = path.display();
    if !path.exists() {
        findings.warn(
            "file",
            format!("{shown} does not exist yet"),
            "`waypost serve` creates it; if the file should exist, check database_url",
        );
        return None;
    }
    check_permissions(findings, "file", path);
    let now = SystemClock::new().now();
    let inspection = match store::check_integrity(path, sealer, now) {
        Ok(inspection) => inspection,
        Err(error) => {
            let fix = "check the owner of the file and its folder; if the file is damaged, restore a backup (docs/operating.md)";
            findings.fail("opens", format!("{shown} cannot be read: {error}"), fix);
            return None;
        }
    };
    findings.ok(
        "opens",
        format!("{shown}, {}, of which {} are unused", bytes(inspection.size), bytes(inspection.free)),
    );
    migrations(findings, &inspection);
    match &inspection.write_refusal {
        None => findings.ok("writable", "writes succeed"),
        Some(reason) => findings.fail(
            "writable",
            format!("writes fail: {reason}"),
            "make the user that runs waypost the owner of the file and its folder; check for a process that locks the file",
        ),
    }
    if inspection.quick_check == "ok" {
        findings.ok("integrity", "SQLite's quick check found no errors");
    } else {
        let fix = "stop the gateway, keep the file, and restore the last good backup (docs/operating.md)";
        findings.fail("integrity", inspection.quick_check.clone(), fix);
    }
    if inspection.journal_mode == "wal" {
        findings.ok("journal_mode", "wal");
    } else {
        let text =
            format!("{}: waypost has not opened the file since it was copied", inspection.journal_mode);
        findings.warn("journal_mode", text, "`waypost migrate` or the next start sets it to wal");
    }
    if let Some(at) = inspection.backup_created_at {
        findings.warn(
            "copy",
            format!("restored from a backup of {}", rfc3339(at)),
            "when `waypost serve` starts, messages that may have been sent since then get the status `unknown`",
        );
    }
    if let Some(count) = inspection.seals {
        seals(findings, count);
    }
    if let Some(n_unknown) = inspection.n_unknown.filter(|n| *n > 0) {
        findings.warn(
            "unknown",
            format!("the outcome of {n_unknown} messages is unknown"),
            "list them with GET /api/messages?status=unknown; status webhooks resolve most of them, POST /api/messages/{id}/resolve the others",
        );
    }
    match inspection.n_processes {
        0 => findings.ok("processes", "no process uses the database"),
        n => findings.ok("processes", format!("{n} running")),
    }
    clock(findings, &inspection, now);
    Some(inspection)
}

fn migrations(findings: &mut Findings, inspection: &IntegrityReport) {
    let IntegrityReport { version, known, .. } = *inspection;
    if version == known {
        findings.ok("migrations", format!("up to date (version {version})"));
    } else if version < known {
        let text = format!("version {version}; this program needs version {known}");
        findings.warn("migrations", text, "run `waypost backup`, then `waypost migrate` or `waypost serve`");
    } else {
        let text = format!("version {version}; this program supports version {known} and does not start");
        findings.fail(
            "migrations",
            text,
            "use the newer waypost, or restore a backup from before the upgrade",
        );
    }
}

fn seals(findings: &mut Findings, count: SealedValueCounts) {
    let SealedValueCounts { present, old, other } = count;
    if other > 0 {
        findings.fail(
            "secrets",
            format!("{other} of {} secrets cannot be decrypted", present + old + other),
            "set secret_key (or old_secret_key) to the key that encrypted them",
        );
    } else if old > 0 {
        findings.warn(
            "secrets",
            format!("{present} secrets are encrypted with secret_key, {old} with old_secret_key"),
            "run `waypost secrets rotate`",
        );
    } else {
        findings.ok("secrets", format!("secret_key decrypts all {present} secrets"));
    }
}

fn clock(findings: &mut Findings, inspection: &IntegrityReport, now: Timestamp) {
    let Some(newest) = inspection.newest else { return };
    let ahead = newest.duration_since(now);
    if ahead > MAX_SKEW {
        let text = format!(
            "the newest record is from {}, but this machine's clock is at {}",
            rfc3339(newest),
            rfc3339(now)
        );
        findings.fail(
            "clock",
            text,
            "set the clock (NTP); scheduled work waits until the clock has passed this time",
        );
    } else {
        findings.ok("clock", "not behind the newest record");
    }
}
