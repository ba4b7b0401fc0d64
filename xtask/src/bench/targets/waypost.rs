//! The gateway with a new database, one account, one key, and an open window for every recipient.

use super::{PHONE_NUMBER_ID, Target, WABA_ID};
use crate::bench::load::{Account, RECIPIENTS, recipient};
use crate::bench::mock::WEBHOOK_PATH;
use crate::call::{Answer, call};
use crate::process::{Running, free_address};
use crate::terminal::unix_seconds;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Secret that signs the webhooks.
const APP_SECRET: &str = "bench-app-secret";
/// Number of inbound messages per webhook that opens windows.
const BATCH: usize = 100;

/// Returns the account of the gateway.
pub(in crate::bench) fn account() -> Account {
    Account {
        phone_number_id: PHONE_NUMBER_ID.to_owned(),
        waba_id: WABA_ID.to_owned(),
        app_secret: APP_SECRET.to_owned(),
    }
}

/// An installation of the gateway that can be started.
pub(in crate::bench) struct Installation<'a> {
    program: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    upstream: SocketAddr,
    settings: &'a [String],
}

impl<'a> Installation<'a> {
    /// Creates an installation with an empty folder below `parent`, which must be on a disk.
    pub(in crate::bench) fn new(
        programs: &Path,
        parent: &Path,
        upstream: SocketAddr,
        settings: &'a [String],
    ) -> Result<Self> {
        let folder = tempfile::tempdir_in(parent).context("making a folder for the gateway")?;
        Ok(Self { program: programs.join("waypost"), folder, address: free_address()?, upstream, settings })
    }

    /// Returns `waypost dev` as a new user starts it.
    pub(in crate::bench) fn dev(&self) -> Command {
        let mut command = Command::new(&self.program);
        // The environment is empty: a proxy or a setting would change the measurement.
        command.arg("dev").env_clear().current_dir(self.folder.path());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("WAYPOST_LISTEN", self.address.to_string());
        command
    }

    /// Returns a command of the gateway with the settings of the installation.
    pub(in crate::bench) fn command(&self, arguments: &[&str]) -> Result<Command> {
        let folder = self.folder.path();
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().current_dir(folder);
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("WAYPOST_LISTEN", self.address.to_string());
        command.env("WAYPOST_DATABASE_URL", format!("sqlite:{}", folder.join("bench.db").display()));
        command.env("WAYPOST_DATA_DIR", folder.join("data"));
        command.env("WAYPOST_SECRET_KEY", STANDARD.encode([7_u8; 32]));
        command.env("WAYPOST_GRAPH__BASE_URL", format!("http://{}", self.upstream));
        // The measurement must show the gateway's cost, not the pacing for Meta.
        command.env("WAYPOST_PACING__THROUGHPUT", "1000000");
        command.env("WAYPOST_PACING__PAIR_RULE", "false");
        for setting in self.settings {
            let (name, value) =
                setting.split_once('=').with_context(|| format!("{setting} is not NAME=VALUE"))?;
            command.env(name, value);
        }
        Ok(command)
    }

    /// Creates the database, the account and a key. Returns the key.
    fn set_up(&self) -> Result<String> {
        finish(&mut self.command(&["migrate"])?)?;
        let account = [
            "accounts",
            "add",
            "--name",
            "main",
            "--default",
            "--phone-number-id",
            PHONE_NUMBER_ID,
            "--waba-id",
            WABA_ID,
            "--access-token",
            "bench-access-token",
            "--app-secret",
            APP_SECRET,
            "--verify-token",
            "bench-verify-token",
        ];
        finish(&mut self.command(&account)?)?;
        // The maximum rate of a key: about 16 000 messages per second, over a minute.
        let limits = ["--rate-per-minute", "100000000", "--rate-burst", "10000000"];
        let mut create =
            self.command(&["keys", "create", "--name", "bench", "--scopes", "send,read,manage", "--json"])?;
        key(&finish(create.args(limits))?)
    }

    /// Starts a command that serves, and waits until the gateway is ready.
    pub(in crate::bench) fn start(&self, command: &Command) -> Result<Running> {
        let mut running = Running::start(command)?;
        let is_ready =
            || call(self.address, "GET", "/readyz", &[], b"").is_ok_and(|response| response.status == 200);
        running.wait_until("waypost", is_ready)?;
        Ok(running)
    }
}

/// Starts the gateway.
pub(super) fn start(
    programs: &Path,
    parent: &Path,
    upstream: SocketAddr,
    settings: &[String],
) -> Result<Target> {
    let installation = Installation::new(programs, parent, upstream, settings)?;
    let key = installation.set_up()?;
    let running = installation.start(&installation.command(&["serve"])?)?;
    open_windows(installation.address)?;
    let pid = running.pid();
    Ok(Target {
        address: installation.address,
        path: "/api/messages/send".to_owned(),
        headers: vec![format!("X-API-Key: {key}")],
        pid,
        _running: Some(running),
        _folder: Some(installation.folder),
    })
}

/// Runs a command of the gateway and returns its output.
fn finish(command: &mut Command) -> Result<String> {
    let action = format!("running {} {:?}", command.get_program().display(), command.get_args());
    let output = command.output().with_context(|| action.clone())?;
    if !output.status.success() {
        bail!("{action}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context(action)
}

/// Returns the key that `keys create --json` printed.
fn key(printed: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Made {
        key: String,
    }
    let made: Made = serde_json::from_str(printed).context("reading the key that was made")?;
    Ok(made.key)
}

/// Opens the windows of all recipients with webhooks of Meta, so that free-form messages can be sent.
fn open_windows(address: SocketAddr) -> Result<()> {
    let (account, timestamp) = (account(), unix_seconds()?.to_string());
    let recipients: Vec<String> = (0..RECIPIENTS).map(recipient).collect();
    for batch in recipients.chunks(BATCH) {
        let numbers = || batch.iter().map(|number| number.trim_start_matches('+'));
        let contacts: Vec<_> =
            numbers().map(|wa_id| json!({ "profile": { "name": "Bench" }, "wa_id": wa_id })).collect();
        let messages: Vec<_> = numbers()
            .map(|wa_id| {
                json!({ "from": wa_id, "id": format!("wamid.HBgM{wa_id}FQIAEhgUM0EA"), "timestamp": timestamp,
                        "type": "text", "text": { "body": "Hello" } })
            })
            .collect();
        let body = account.webhook(&json!({ "contacts": contacts, "messages": messages }));
        let headers = [
            "Content-Type: application/json".to_owned(),
            format!("X-Hub-Signature-256: {}", account.signature(&body)?),
        ];
        let Answer { status, body } = call(address, "POST", WEBHOOK_PATH, &headers, body.as_bytes())?;
        if status != 200 {
            bail!("the gateway answered an inbound webhook with {status}: {body}");
        }
    }
    Ok(())
}
