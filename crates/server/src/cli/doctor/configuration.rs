//! Checks of the settings and of the files that contain secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::findings::Findings;
use crate::cli::context::CommandContext;
use crate::config::{Config, MissingSecretKey, Origin};

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

pub(super) fn check(findings: &mut Findings, ctx: &CommandContext, config: &Config) {
    findings.area("configuration");
    match &ctx.loaded.file {
        Some(file) => findings.ok("file", format!("{} was read; all names are valid", file.display())),
        None => findings.ok("file", "no configuration file; defaults, environment and flags are used"),
    }
    if config.has_secret_key() {
        findings.ok("secret_key", "set");
    } else {
        findings.fail("secret_key", "not set: `waypost serve` does not start", MissingSecretKey.to_string());
    }
    if config.old_secret_key().is_some() {
        findings.warn(
            "old_secret_key",
            "set: a key rotation is not finished",
            "run `waypost secrets rotate`, then remove the setting",
        );
    }
    let in_file = ["secret_key", "old_secret_key", "media.s3.secret_access_key"]
        .iter()
        .any(|name| matches!(ctx.loaded.origin(name), Origin::File { .. }));
    let config_file = ctx.loaded.file.as_deref().filter(|_| in_file);
    for path in ctx.loaded.secret_files.iter().map(AsRef::as_ref).chain(config_file) {
        check_permissions(findings, "secret file", path);
    }
}

/// Checks that only the owner can read a file.
pub(super) fn check_permissions(findings: &mut Findings, name: &'static str, path: &Path) {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(file) => {
            let mode = file.permissions().mode() & 0o777;
            if mode & OTHERS == 0 {
                findings.ok(name, format!("only the owner can read {shown} (mode {mode:o})"));
            } else {
                findings.fail(
                    name,
                    format!("other users can read {shown} (mode {mode:o})"),
                    format!("chmod go= {shown}"),
                );
            }
        }
        Err(error) => findings.fail(
            name,
            format!("{shown} cannot be read: {error}"),
            "check the permissions of its folder",
        ),
    }
}
