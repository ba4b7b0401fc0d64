//! Secrets among the arguments: as they are, or as the name of a file.

use std::path::Path;

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::secret_file;

/// The secret of `--<name>` or `--<name>-file`; clap has seen to it that only one of them is given.
///
/// # Errors
/// When the file cannot be read, or the secret is empty or holds spaces.
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
        bail!("--{name} must not hold spaces or line ends");
    }
    Ok(Some(secret))
}
