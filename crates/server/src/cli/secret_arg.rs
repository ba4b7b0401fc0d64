//! Secrets as arguments: the secret itself, or the name of its file.

use std::path::Path;

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::secret_file;

/// Returns the secret of `--<name>` or `--<name>-file`; clap rejects a command line with both.
///
/// # Errors
/// If the file cannot be read, or the secret is empty or contains spaces.
pub(super) fn secret(
    name: &str,
    value: Option<&SecretString>,
    file: Option<&Path>,
) -> anyhow::Result<Option<SecretString>> {
    let secret = match (value, file) {
        (Some(value), _) => value.clone(),
        (None, Some(path)) => {
            secret_file(path).with_context(|| format!("--{name}-file: reading {}", path.display()))?
        }
        (None, None) => return Ok(None),
    };
    let text = secret.expose_secret();
    if text.is_empty() {
        bail!("--{name} is empty");
    }
    if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        bail!("--{name} must not contain spaces or line breaks");
    }
    Ok(Some(secret))
}
