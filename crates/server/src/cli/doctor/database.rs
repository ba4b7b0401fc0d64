//! The database file, and the clock that it was written by.

use engine::ports::Clock as _;
use jiff::{SignedDuration, Timestamp};
use store::{Inspection, SealCount, Sealer};

use super::configuration::private;
use super::{Findings, bytes};
use crate::clock::SystemClock;
use crate::config::Config;

/// How far the clock may be behind what it has written: two processes never agree to the last moment.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn look(findings: &mut Findings, config: &Config, sealer: Option<&Sealer>) -> Option<Inspection> {
    findings.area("database");
    let path = &config.database;
    let shown = path.display();
    if !path.exists() {
        findings.warn(
            "file",
            format!("{shown} is not there yet"),
            "`waypost serve` makes it; if there should be one, look at database_url",
        );
        return None;
    }
    private(findings, "file", path);
    let now = SystemClock::new().now();
    let inspection = match store::inspect(path, sealer, now) {
        Ok(inspection) => inspection,
        Err(error) => {
            let mend =
                "look at the file's owner and folder; if it is damaged, restore a copy (docs/operating.md)";
            findings.fail("opens", format!("{shown} cannot be read: {error}"), mend);
            return None;
        }
    };
    findings.ok(
        "opens",
        format!("{shown}, {}, of which {} are free", bytes(inspection.size), bytes(inspection.free)),
    );
    migrations(findings, &inspection);
    match &inspection.write_refusal {
        None => findings.ok("writable", "it takes writes"),
        Some(reason) => findings.fail(
            "writable",
            format!("it takes no writes: {reason}"),
            "give the file and its folder to the user that runs waypost; look for what holds its lock",
        ),
    }
    if inspection.quick_check == "ok" {
        findings.ok("integrity", "SQLite's quick check finds nothing");
    } else {
        let mend = "end the gateway, keep the file, restore the last good copy (docs/operating.md)";
        findings.fail("integrity", inspection.quick_check.clone(), mend);
    }
    if inspection.journal_mode == "wal" {
        findings.ok("journal_mode", "wal");
    } else {
        let text = format!("{}: no waypost has opened it since it was copied", inspection.journal_mode);
        findings.warn("journal_mode", text, "`waypost migrate` or the next start sets it");
    }
    if let Some(at) = inspection.copied_at {
        findings.warn(
            "copy",
            format!("it was restored from a copy of {at}"),
            "at its next start `waypost serve` makes `unknown` what may have left since",
        );
    }
    if let Some(count) = inspection.seals {
        seals(findings, count);
    }
    if let Some(n_unknown) = inspection.n_unknown.filter(|n| *n > 0) {
        findings.warn(
            "unknown",
            format!("the outcome of {n_unknown} messages is not known"),
            "GET /api/messages?status=unknown; Meta's reports settle most, POST /api/messages/{id}/resolve the rest",
        );
    }
    match inspection.n_living {
        0 => findings.ok("processes", "no waypost works with it"),
        n => findings.ok("processes", format!("{n} at work")),
    }
    clock(findings, &inspection, now);
    Some(inspection)
}

fn migrations(findings: &mut Findings, inspection: &Inspection) {
    let Inspection { version, known, .. } = *inspection;
    if version == known {
        findings.ok("migrations", format!("up to date (version {version})"));
    } else if version < known {
        let text = format!("version {version}, this program wants {known}");
        findings.warn(
            "migrations",
            text,
            "`waypost backup`, then `waypost migrate`, or start `waypost serve`",
        );
    } else {
        let text = format!("version {version}, this program knows {known}: it does not start with it");
        findings.fail(
            "migrations",
            text,
            "use the newer waypost that wrote it, or restore the copy made before",
        );
    }
}

fn seals(findings: &mut Findings, count: SealCount) {
    let SealCount { present, old, other } = count;
    if other > 0 {
        findings.fail(
            "secrets",
            format!("{other} of {} secrets do not open", present + old + other),
            "set secret_key (or old_secret_key) to the key that they were sealed with",
        );
    } else if old > 0 {
        findings.warn(
            "secrets",
            format!("{present} are sealed with secret_key, {old} with old_secret_key"),
            "`waypost secrets rotate`",
        );
    } else {
        findings.ok("secrets", format!("secret_key opens all {present}"));
    }
}

fn clock(findings: &mut Findings, inspection: &Inspection, now: Timestamp) {
    let Some(newest) = inspection.newest else { return };
    let ahead = newest.duration_since(now);
    if ahead > SKEW {
        let text = format!("the database knows of {newest}, this machine's clock says {now}");
        findings.fail("clock", text, "set the clock (NTP); what is due waits until it is right");
    } else {
        findings.ok("clock", "not behind what the database was written by");
    }
}
