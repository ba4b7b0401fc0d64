//! Checks of the disk: free space and write permission.

use std::fs;
use std::path::{Path, PathBuf};

use super::findings::{Findings, bytes};
use crate::config::{Config, MediaStore};

/// Free space below which the check fails.
const FAILING_SPACE: u64 = 100 << 20;
/// Free space below which the check warns.
const WARNING_SPACE: u64 = 1 << 30;

pub(super) fn check(findings: &mut Findings, config: &Config) {
    findings.area("disk");
    let folder = config.database.parent().filter(|folder| !folder.as_os_str().is_empty());
    check_space(findings, "database", folder.unwrap_or(Path::new(".")));
    match config.media.store {
        MediaStore::File => {
            check_writable(findings, &config.data_dir);
            check_space(findings, "files", &nearest(&config.data_dir));
        }
        MediaStore::S3 => match config.media.bucket() {
            Ok(_) => findings.ok("media", "media content is stored in a bucket"),
            Err(error) => findings.fail("media", error.to_string(), "set it, or set media.store to `file`"),
        },
    }
}

/// Returns the folder, or its nearest parent that exists.
fn nearest(folder: &Path) -> PathBuf {
    let existing = folder.ancestors().find(|folder| folder.exists());
    existing.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn check_space(findings: &mut Findings, name: &'static str, folder: &Path) {
    let shown = folder.display();
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let text = format!("{} free below {shown}", bytes(free));
            let fix = "free disk space: if the disk is full, all sends are rejected; retention.* determines how long data is kept";
            if free < FAILING_SPACE {
                findings.fail(name, text, fix);
            } else if free < WARNING_SPACE {
                findings.warn(name, text, fix);
            } else {
                findings.ok(name, text);
            }
        }
        Err(error) => findings.fail(name, format!("{shown}: {error}"), "check the folder"),
    }
}

fn check_writable(findings: &mut Findings, folder: &Path) {
    let shown = folder.display();
    if !folder.exists() {
        findings.ok("data_dir", format!("{shown} does not exist yet; it is created with the first file"));
        return;
    }
    let probe = folder.join(".waypost-doctor");
    let written = fs::write(&probe, b"probe").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => findings.ok("data_dir", format!("{shown} is writable")),
        Err(error) => findings.fail(
            "data_dir",
            format!("{shown} is not writable: {error}"),
            "make the user that runs waypost the owner of the folder",
        ),
    }
}
