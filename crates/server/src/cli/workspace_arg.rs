//! Database and workspace of a command.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use domain::id::WorkspaceId;
use engine::Deps;
use engine::ports::Random;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::context::CommandContext;
use crate::clock::SystemClock;
use crate::config::{Config, MissingSecretKey, secret_key_from_text};
use crate::run::{self, OpenOptions};

/// Database and workspace of a command.
#[derive(Debug, Args)]
pub(super) struct WorkspaceArg {
    /// Use the sandbox of `waypost dev` in this folder
    #[arg(long)]
    pub(super) dev: bool,
    /// Name of the workspace
    #[arg(long, value_name = "NAME", default_value = "default")]
    workspace: String,
}

/// An open database with the chosen workspace.
pub(super) struct Opened {
    /// Dependencies of the engine.
    pub(super) deps: Arc<Deps>,
    /// Chosen workspace.
    pub(super) workspace: WorkspaceId,
    /// Effective configuration.
    pub(super) config: Config,
}

impl WorkspaceArg {
    /// Returns the configuration with the database and the secret key of the command.
    ///
    /// # Errors
    /// If there is no sandbox in `data_dir`, or its secret key cannot be read.
    pub(super) fn config(&self, ctx: &CommandContext) -> anyhow::Result<Config> {
        Self::config_of(self.dev, ctx)
    }

    /// Returns the configuration for a command that has no workspace.
    ///
    /// # Errors
    /// If there is no sandbox in `data_dir`, or its secret key cannot be read.
    pub(super) fn config_of(is_dev: bool, ctx: &CommandContext) -> anyhow::Result<Config> {
        let mut config = ctx.loaded.config.clone();
        if is_dev {
            if !config.dev_database().exists() {
                bail!("there is no sandbox in {}; create one with `waypost dev`", config.data_dir.display());
            }
            use_sandbox(&mut config)?;
        }
        Ok(config)
    }

    /// Opens the database.
    ///
    /// # Errors
    /// If the database cannot be opened, or the workspace does not exist.
    pub(super) async fn open(&self, ctx: &CommandContext) -> anyhow::Result<Opened> {
        let config = self.config(ctx)?;
        if !config.has_secret_key() {
            if config.dev_database().exists() {
                bail!("{MissingSecretKey}; to use the sandbox of `waypost dev`, add --dev");
            }
            bail!(MissingSecretKey);
        }
        let options = OpenOptions { is_dev: false, clock: Arc::new(SystemClock::new()) };
        let deps = run::open(&config, options).await?;
        let workspace = deps.directory.current().workspace(&self.workspace);
        let workspace = workspace.with_context(|| format!("there is no workspace `{}`", self.workspace))?;
        Ok(Opened { deps, workspace, config })
    }
}

/// Sets the database and the secret key of the sandbox of `waypost dev`.
fn use_sandbox(config: &mut Config) -> anyhow::Result<()> {
    config.database = config.dev_database();
    if !config.has_secret_key() {
        config.set_secret_key(read_secret_key(&secret_key_path(config))?);
    }
    Ok(())
}

/// Creates the folder and the secret key of the sandbox if they do not exist, and sets them in the configuration.
///
/// # Errors
/// If they cannot be created or read.
pub(super) fn create_sandbox(config: &mut Config, random: &dyn Random) -> anyhow::Result<()> {
    let folder = &config.data_dir;
    create_folder(folder)?;
    let path = secret_key_path(config);
    if !config.has_secret_key() && !path.exists() {
        create_secret_key(&path, random).with_context(|| format!("writing {}", path.display()))?;
    }
    use_sandbox(config)
}

/// Creates a folder that only its owner can access, and makes git ignore it.
///
/// # Errors
/// If the folder cannot be created.
pub(super) fn create_folder(folder: &Path) -> anyhow::Result<()> {
    let creating = || format!("creating the folder {} (data_dir)", folder.display());
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(creating)?;
    fs::write(folder.join(".gitignore"), "*\n").with_context(creating)
}

fn secret_key_path(config: &Config) -> PathBuf {
    config.data_dir.join("secret_key")
}

fn create_secret_key(path: &Path, random: &dyn Random) -> std::io::Result<()> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    let key = SecretSlice::from(bytes.to_vec());
    // The key is written to a new file, which is then renamed: an incomplete key would make the sandbox unusable.
    let new_path = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new_path)?;
    writeln!(file, "{}", STANDARD.encode(key.expose_secret()))?;
    file.sync_all()?;
    fs::rename(&new_path, path)
}

fn read_secret_key(path: &Path) -> anyhow::Result<SecretSlice<u8>> {
    let text = crate::config::secret_file(path)
        .with_context(|| format!("reading the sandbox's secret key {}", path.display()))?;
    secret_key_from_text(text.expose_secret())
        .with_context(|| format!("{} does not contain a secret key (32 bytes in base64)", path.display()))
}
