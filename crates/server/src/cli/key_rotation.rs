//! `waypost keys rotate`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use domain::time::rfc3339;
use engine::AuditContext;
use engine::access::api_key::delegation::{self, ApiKeyError, RotateApiKeyRequest};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::context::CommandContext;
use super::terminal::{print_json, print_line, print_note};
use crate::api::access::api_keys::MAX_OVERLAP;
use crate::cli::duration::parse_duration;
use crate::cli::key_arg::{find_key, key_json_with_secret};
use crate::cli::workspace_arg::WorkspaceArg;

#[derive(Debug, Args)]
pub(super) struct RotateKeyArgs {
    /// ID or prefix of the key, or its name if the name is unique
    #[arg(value_name = "ID|PREFIX|NAME")]
    key: String,
    /// Time for which the old key stays valid, such as 24h or 2d; 0 revokes the old key at once
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = overlap)]
    overlap: SignedDuration,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn overlap(text: &str) -> Result<SignedDuration, String> {
    let overlap = parse_duration(text)?;
    if overlap > SignedDuration::from_secs(MAX_OVERLAP) {
        return Err(format!("must be at most {} days", MAX_OVERLAP / 86_400));
    }
    Ok(overlap)
}

impl RotateKeyArgs {
    /// Replaces the key, and prints the new one.
    ///
    /// # Errors
    /// If the database cannot be opened, or there is no such valid key.
    pub(super) async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        // After a rotation the old and the new key have the same name.
        let old = find_key(&opened, &self.key, |key| key.revoked_at.is_none() && key.replaced_by.is_none())?;
        let request = RotateApiKeyRequest { workspace: opened.workspace, id: old.id, overlap: self.overlap };
        let audit = AuditContext::command_line();
        let rotated = match delegation::rotate_api_key(&opened.deps, &audit, None, request).await {
            Err(ApiKeyError::NotActive | ApiKeyError::NotFound) => {
                bail!("key `{}` ({}…) was replaced or revoked before, or has expired", old.name, old.prefix)
            }
            rotated => rotated.context("rotating the key")?,
        };
        let (key, secret) = rotated;
        if self.json {
            print_json(&key_json_with_secret(&key, &secret))?;
            return Ok(ExitCode::SUCCESS);
        }
        print_line(secret.expose_secret())?;
        let until = opened.deps.now().saturating_add(self.overlap).unwrap_or(Timestamp::MAX);
        let validity = if self.overlap.is_zero() {
            "is no longer valid".to_owned()
        } else {
            format!("is valid until {}", rfc3339(until))
        };
        print_note(&format!(
            "This is the new API key `{}`. It is printed only once: store it as a secret.\nThe old key {}… {validity}.",
            key.name, old.prefix
        ));
        Ok(ExitCode::SUCCESS)
    }
}
