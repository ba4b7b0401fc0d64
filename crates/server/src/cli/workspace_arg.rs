//! Where a command finds the database.

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

use super::Ctx;
use crate::clock::SystemClock;
use crate::config::{Config, MissingSecretKey, secret_key_from_text};
use crate::run::{self, OpenOptions};

/// Which database a command works on.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Work on the sandbox of `waypost dev` in this folder
    #[arg(long)]
    pub(super) dev: bool,
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = "default")]
    workspace: String,
}

/// An open database.
pub(super) struct Opened {
    /// The engine on it.
    pub(super) deps: Arc<Deps>,
    /// The chosen workspace.
    pub(super) workspace: WorkspaceId,
    /// The settings in effect.
    pub(super) config: Config,
}

impl Place {
    /// The settings with the database and the secret key of this place.
    ///
    /// # Errors
    /// When there is no sandbox here, or its key cannot be read.
    pub(super) fn config(&self, ctx: &Ctx) -> anyhow::Result<Config> {
        Self::config_of(self.dev, ctx)
    }

    /// The same for a command that works on all workspaces.
    ///
    /// # Errors
    /// When there is no sandbox here, or its key cannot be read.
    pub(super) fn config_of(is_dev: bool, ctx: &Ctx) -> anyhow::Result<Config> {
        let mut config = ctx.loaded.config.clone();
        if is_dev {
            if !config.dev_database().exists() {
                bail!("there is no sandbox in {}: `waypost dev` makes one", config.data_dir.display());
            }
            use_sandbox(&mut config)?;
        }
        Ok(config)
    }

    /// Opens the database.
    ///
    /// # Errors
    /// When it cannot be opened, or has no such workspace.
    pub(super) async fn open(&self, ctx: &Ctx) -> anyhow::Result<Opened> {
        let config = self.config(ctx)?;
        if !config.has_secret_key() {
            if config.dev_database().exists() {
                bail!("{MissingSecretKey}; if you mean the sandbox of `waypost dev`, add --dev");
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

/// Points the settings to the sandbox of `waypost dev`: its database and its key.
fn use_sandbox(config: &mut Config) -> anyhow::Result<()> {
    config.database = config.dev_database();
    if !config.has_secret_key() {
        config.set_secret_key(read_secret_key(&secret_key_path(config))?);
    }
    Ok(())
}

/// Makes the sandbox's folder and key where they are missing, and points the settings to them.
///
/// # Errors
/// When they cannot be made or read.
pub(super) fn make_sandbox(config: &mut Config, random: &dyn Random) -> anyhow::Result<()> {
    let folder = &config.data_dir;
    make_folder(folder)?;
    let path = secret_key_path(config);
    if !config.has_secret_key() && !path.exists() {
        make_secret_key(&path, random).with_context(|| format!("writing {}", path.display()))?;
    }
    use_sandbox(config)
}

/// Makes a folder that only its owner may enter, and keeps git out of it.
///
/// # Errors
/// When it cannot be made.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let making = || format!("making the folder {} (data_dir)", folder.display());
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(making)?;
    fs::write(folder.join(".gitignore"), "*\n").with_context(making)
}

fn secret_key_path(config: &Config) -> PathBuf {
    config.data_dir.join("secret_key")
}

fn make_secret_key(path: &Path, random: &dyn Random) -> std::io::Result<()> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    let key = SecretSlice::from(bytes.to_vec());
    // Written aside and renamed: half a key would lock the sandbox for good.
    let aside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    writeln!(file, "{}", STANDARD.encode(key.expose_secret()))?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

fn read_secret_key(path: &Path) -> anyhow::Result<SecretSlice<u8>> {
    let text = crate::config::secret_file(path)
        .with_context(|| format!("reading the sandbox's secret key {}", path.display()))?;
    secret_key_from_text(text.expose_secret())
        .with_context(|| format!("{} holds no secret key (32 bytes as base64)", path.display()))
}
