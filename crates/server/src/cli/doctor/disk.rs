//! Where things are kept: room, and whether it may be written.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Findings, bytes};
use crate::config::{Config, MediaStore};

/// With less than this nothing can be accepted soon.
const TOO_LITTLE: u64 = 100 << 20;
/// With less than this it is time to look.
const LITTLE: u64 = 1 << 30;

pub(super) fn look(findings: &mut Findings, config: &Config) {
    findings.area("disk");
    let folder = config.database.parent().filter(|folder| !folder.as_os_str().is_empty());
    room(findings, "database", folder.unwrap_or(Path::new(".")));
    match config.media.store {
        MediaStore::File => {
            writable(findings, &config.data_dir);
            room(findings, "files", &nearest(&config.data_dir));
        }
        MediaStore::S3 => match config.media.bucket() {
            Ok(_) => findings.ok("media", "files are kept in a bucket"),
            Err(error) => findings.fail("media", error.to_string(), "set it, or media.store to `file`"),
        },
    }
}

/// The folder itself, or the nearest above it that is there.
fn nearest(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|folder| folder.exists());
    there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn room(findings: &mut Findings, name: &'static str, folder: &Path) {
    let shown = folder.display();
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let text = format!("{} free below {shown}", bytes(free));
            let mend = "make room: a full disk refuses every send; see retention.* for what is kept how long";
            if free < TOO_LITTLE {
                findings.fail(name, text, mend);
            } else if free < LITTLE {
                findings.warn(name, text, mend);
            } else {
                findings.ok(name, text);
            }
        }
        Err(error) => findings.fail(name, format!("{shown}: {error}"), "look at the folder"),
    }
}

fn writable(findings: &mut Findings, folder: &Path) {
    let shown = folder.display();
    if !folder.exists() {
        findings.ok("data_dir", format!("{shown} is not there yet; it is made when a file is to be kept"));
        return;
    }
    let probe = folder.join(".waypost-doctor");
    let written = fs::write(&probe, b"probe").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => findings.ok("data_dir", format!("{shown} takes files")),
        Err(error) => findings.fail(
            "data_dir",
            format!("{shown} takes no files: {error}"),
            "give it to the user that runs waypost",
        ),
    }
}
