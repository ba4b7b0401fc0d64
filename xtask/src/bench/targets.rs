//! Targets of the benchmark, each started as in production.

use super::load::{RECIPIENTS, recipient};
use super::mock::COUNT_PATH;
use crate::call::{Answer, call};
use crate::digest::hmac_sha256_hex;
use crate::process::{Running, free_address};
use crate::terminal::unix_seconds;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::json;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Meta's ids of the sending account; any values work.
const PHONE_NUMBER_ID: &str = "330011220099887";
const WABA_ID: &str = "210987650001234";
const APP_SECRET: &str = "bench-app-secret";

/// Number of inbound messages per webhook that opens windows.
const BATCH: usize = 100;

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// The mock of Meta's API.
    Mock,
    /// nginx as a reverse proxy to it.
    Nginx,
    /// The gateway.
    Waypost,
}

impl Kind {
    /// Returns the name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Nginx => "nginx",
            Self::Waypost => "waypost",
        }
    }
}

/// A running target; it is stopped when this is dropped.
pub(super) struct Target {
    /// Address of the target.
    pub(super) address: SocketAddr,
    /// Path of the send endpoint.
    pub(super) path: String,
    /// Headers of every request.
    pub(super) headers: Vec<String>,
    /// Id of its first process.
    pub(super) pid: u32,
    // The fields are dropped in this order: the process ends before its folder is removed.
    _running: Option<Running>,
    _folder: Option<TempDir>,
}

/// The mock of Meta's API, which runs during the whole run.
pub(super) struct MockServer {
    address: SocketAddr,
    running: Running,
}

impl MockServer {
    /// Starts the mock.
    pub(super) fn start(programs: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(programs.join("xtask"));
        command.args(["mock-upstream", "--listen", &address.to_string()]);
        let mut running = Running::start(&command)?;
        running.wait_until("the mock upstream", || TcpStream::connect(address).is_ok())?;
        Ok(Self { address, running })
    }

    /// Returns the number of received messages.
    pub(super) fn received(&self) -> Result<u64> {
        let response = call(self.address, "GET", COUNT_PATH, &[], b"")?;
        response.body.trim().parse().context("reading how many messages the mock upstream took")
    }
}

/// Starts a target.
///
/// `parent` is the folder below which the database is created: it must be on a disk.
pub(super) fn start(
    kind: Kind,
    programs: &Path,
    parent: &Path,
    upstream: &MockServer,
    settings: &[String],
) -> Result<Target> {
    match kind {
        Kind::Mock => Ok(Target {
            address: upstream.address,
            path: graph_path(),
            headers: Vec::new(),
            pid: upstream.running.pid(),
            _running: None,
            _folder: None,
        }),
        Kind::Nginx => nginx(upstream.address),
        Kind::Waypost => waypost(programs, parent, upstream.address, settings),
    }
}

/// Returns `true` if nginx is installed.
pub(super) fn nginx_is_installed() -> bool {
    Command::new("nginx").arg("-v").output().is_ok_and(|output| output.status.success())
}

/// Returns the path of the send endpoint of the Graph API.
fn graph_path() -> String {
    format!("/v24.0/{PHONE_NUMBER_ID}/messages")
}

/// nginx with the settings of Debian (one worker per core), except that it keeps connections open for as long as they
/// are used, on both sides, and writes no access log.
fn nginx(upstream: SocketAddr) -> Result<Target> {
    let folder = tempfile::tempdir().context("making a folder for nginx")?;
    let address = free_address()?;
    let parent = folder.path().display();
    let configuration = format!(
        "daemon off;\n\
         worker_processes auto;\n\
         pid {parent}/nginx.pid;\n\
         error_log {parent}/error.log;\n\
         events {{ worker_connections 768; }}\n\
         http {{\n\
           access_log off;\n\
           sendfile on;\n\
           tcp_nopush on;\n\
           keepalive_requests 1000000000;\n\
           client_body_temp_path {parent}/body;\n\
           proxy_temp_path {parent}/proxy;\n\
           fastcgi_temp_path {parent}/fastcgi;\n\
           uwsgi_temp_path {parent}/uwsgi;\n\
           scgi_temp_path {parent}/scgi;\n\
           upstream graph {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
           server {{\n\
             listen {address};\n\
             location / {{ proxy_pass http://graph; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}\n\
           }}\n\
         }}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration).context("writing nginx's configuration")?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(folder.path().join("error.log")).arg("-c").arg(&file);
    let mut running = Running::start(&command)?;
    running.wait_until("nginx", || TcpStream::connect(address).is_ok())?;
    let pid = running.pid();
    Ok(Target {
        address,
        path: graph_path(),
        headers: Vec::new(),
        pid,
        _running: Some(running),
        _folder: Some(folder),
    })
}

/// The gateway with a new database, one account, one key, and an open window for every recipient.
fn waypost(programs: &Path, parent: &Path, upstream: SocketAddr, settings: &[String]) -> Result<Target> {
    let folder = tempfile::tempdir_in(parent).context("making a folder for the gateway")?;
    let address = free_address()?;
    let program = programs.join("waypost");
    let command = || -> Result<Command> {
        let mut command = Command::new(&program);
        // The environment is empty: a proxy or a setting would change the measurement.
        command.env_clear().current_dir(folder.path());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("WAYPOST_LISTEN", address.to_string());
        command.env("WAYPOST_DATABASE_URL", format!("sqlite:{}", folder.path().join("bench.db").display()));
        command.env("WAYPOST_DATA_DIR", folder.path().join("data"));
        command.env("WAYPOST_SECRET_KEY", STANDARD.encode([7_u8; 32]));
        command.env("WAYPOST_GRAPH__BASE_URL", format!("http://{upstream}"));
        // The measurement must show the gateway's cost, not the pacing for Meta.
        command.env("WAYPOST_PACING__THROUGHPUT", "1000000");
        command.env("WAYPOST_PACING__PAIR_RULE", "false");
        for setting in settings {
            let (name, value) =
                setting.split_once('=').with_context(|| format!("{setting} is not NAME=VALUE"))?;
            command.env(name, value);
        }
        Ok(command)
    };
    finish(command()?.arg("migrate"))?;
    finish(command()?.args(["accounts", "add", "--name", "main", "--default"]).args([
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
    ]))?;
    // The maximum rate of a key: about 16 000 messages per second, over a minute.
    let made = finish(
        command()?.args(["keys", "create", "--name", "bench", "--scopes", "send,read", "--json"]).args([
            "--rate-per-minute",
            "100000000",
            "--rate-burst",
            "10000000",
        ]),
    )?;
    let mut serve = command()?;
    serve.arg("serve");
    let mut running = Running::start(&serve)?;
    let is_ready = || call(address, "GET", "/readyz", &[], b"").is_ok_and(|response| response.status == 200);
    running.wait_until("waypost serve", is_ready)?;
    open_windows(address)?;
    let path = "/api/messages/send".to_owned();
    let headers = vec![format!("X-API-Key: {}", key(&made)?)];
    let pid = running.pid();
    Ok(Target { address, path, headers, pid, _running: Some(running), _folder: Some(folder) })
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
    let timestamp = unix_seconds()?.to_string();
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
        let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": WABA_ID, "changes": [{
            "field": "messages", "value": {
                "messaging_product": "whatsapp",
                "metadata": { "display_phone_number": "442079460018", "phone_number_id": PHONE_NUMBER_ID },
                "contacts": contacts, "messages": messages } }] }] })
        .to_string();
        let signature = hmac_sha256_hex(APP_SECRET, body.as_bytes())?;
        let headers =
            ["Content-Type: application/json".to_owned(), format!("X-Hub-Signature-256: sha256={signature}")];
        let Answer { status, body } = call(address, "POST", "/webhooks/meta", &headers, body.as_bytes())?;
        if status != 200 {
            bail!("the gateway answered an inbound webhook with {status}: {body}");
        }
    }
    Ok(())
}
