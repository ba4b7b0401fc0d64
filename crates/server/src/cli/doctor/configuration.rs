//! The settings, and the files that hold secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Findings;
use crate::cli::Ctx;
use crate::config::{Config, MissingSecretKey, Origin};

/// What nobody but the owner may have: read, write, enter.
const OTHERS: u32 = 0o077;

pub(super) fn look(findings: &mut Findings, ctx: &Ctx, config: &Config) {
    findings.area("configuration");
    match &ctx.loaded.file {
        Some(file) => findings.ok("file", format!("{} is read, every name in it is known", file.display())),
        None => findings.ok("file", "there is none: defaults, environment and flags hold"),
    }
    if config.has_secret_key() {
        findings.ok("secret_key", "is set");
    } else {
        findings.fail(
            "secret_key",
            "is not set: `waypost serve` does not start",
            MissingSecretKey.to_string(),
        );
    }
    if config.old_secret_key().is_some() {
        findings.warn(
            "old_secret_key",
            "is set: a rotation is not finished",
            "`waypost secrets rotate`, then take it out of the settings",
        );
    }
    let in_file = ["secret_key", "old_secret_key", "media.s3.secret_access_key"]
        .iter()
        .any(|name| matches!(ctx.loaded.origin(name), Origin::File { .. }));
    let config_file = ctx.loaded.file.as_deref().filter(|_| in_file);
    for path in ctx.loaded.secret_files.iter().map(AsRef::as_ref).chain(config_file) {
        private(findings, "secret file", path);
    }
}

/// Says whether others can read a file.
pub(super) fn private(findings: &mut Findings, name: &'static str, path: &Path) {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(file) => {
            let mode = file.permissions().mode() & 0o777;
            if mode & OTHERS == 0 {
                findings.ok(name, format!("{shown} is its owner's only (mode {mode:o})"));
            } else {
                findings.fail(
                    name,
                    format!("{shown} is open to others (mode {mode:o})"),
                    format!("chmod go= {shown}"),
                );
            }
        }
        Err(error) => {
            findings.fail(name, format!("{shown} cannot be looked at: {error}"), "look at its folder")
        }
    }
}
