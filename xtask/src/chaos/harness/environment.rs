//! A gateway and a simulated WhatsApp in separate processes, with an account, a key and open windows.

use super::client::{CallOutcome, Client};
use super::directory::TestDirectory;
use super::process::Process;
use super::wait_for;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Maximum time until a process responds.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Number of messages per page of the gateway.
const PAGE: &str = "/api/messages?direction=outbound&per_page=200";

/// An environment.
pub(crate) struct Environment {
    // The fields are dropped in this order: the processes end before the folder is removed.
    simulator_process: Process,
    /// Directory of the environment.
    pub(crate) directory: TestDirectory,
    /// Client of the simulator.
    pub(crate) simulator: Client,
    /// Client of the gateway, with its key.
    pub(crate) gateway: Client,
    /// Path of the simulator's send endpoint.
    pub(crate) messages_path: String,
}

impl Environment {
    /// Starts a simulator, and creates a database for a gateway that is not started yet.
    ///
    /// # Errors
    /// If a step fails.
    pub(crate) fn make(program: &Path, parent: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let directory = TestDirectory::make(program, parent, settings)?;
        let log = directory.path("simulator.log");
        let mut simulator_process =
            Process::start("the simulator", &mut directory.command(["simulator"]), &log)?;
        let simulator = Client::of(directory.simulator);
        wait_for("the simulator", START_TIMEOUT, || {
            is_up(&mut simulator_process, &simulator, "/_sim/clock")
        })?;
        // The test concerns the gateway, not Meta's limits. Webhooks must be repeated soon after a restart.
        let settings = json!({ "throughput": 1_000, "pair_burst": 100_000, "retry_ms": 300, "batch": 20,
                               "status_delay_ms": 150 });
        simulator.call_with_retries("POST", "/_sim/settings", Some(&settings))?;
        let accounts = simulator.call_with_retries("GET", "/_sim/accounts", None)?;
        let account = accounts.get(0).context("the simulator has no account")?;
        let part = |name: &str| {
            let part = account.get(name).and_then(Value::as_str);
            part.with_context(|| format!("the simulator's account has no {name}"))
        };
        let (number, waba) = (part("phone_number_id")?, part("waba_id")?);
        let (token, secret, verify_token) =
            (part("access_token")?, part("app_secret")?, part("verify_token")?);
        directory.run(["migrate"])?;
        directory.run([
            "accounts",
            "add",
            "--name",
            "main",
            "--default",
            "--sandbox",
            "--phone-number-id",
            number,
            "--waba-id",
            waba,
            "--access-token",
            token,
            "--app-secret",
            secret,
            "--verify-token",
            verify_token,
        ])?;
        let created = directory.run([
            "keys",
            "create",
            "--name",
            "chaos",
            "--test",
            "--scopes",
            "send,read,manage",
            "--json",
            "--rate-per-minute",
            "10000000",
            "--rate-burst",
            "1000000",
        ])?;
        let created: Value = serde_json::from_str(&created).context("reading the key")?;
        let key = created.get("key").and_then(Value::as_str).context("there is no key")?.to_owned();
        let gateway = Client { address: directory.gateway, key: Some(key) };
        let messages_path = format!("/{number}/messages");
        Ok(Self { simulator_process, directory, simulator, gateway, messages_path })
    }

    /// Starts a gateway, and returns when it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub(crate) fn serve(&self) -> Result<Process> {
        let mut process = self.spawn()?;
        wait_for("the gateway", START_TIMEOUT, || is_up(&mut process, &self.gateway, "/readyz"))?;
        Ok(process)
    }

    /// Starts a gateway without waiting until it is ready.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn spawn(&self) -> Result<Process> {
        let log = self.directory.path("serve.log");
        Process::start("the gateway", &mut self.directory.command(["serve"]), &log)
    }

    /// Sends messages of customers, and returns when their windows are open.
    ///
    /// # Errors
    /// If the messages do not arrive.
    pub(crate) fn open_windows(&self, recipients: &[String]) -> Result<()> {
        for number in recipients {
            let message =
                json!({ "from": number, "message": { "type": "text", "text": { "body": "Hello" } } });
            self.simulator.call_with_retries("POST", "/_sim/inbound", Some(&message))?;
        }
        let wanted = u64::try_from(recipients.len())?;
        wait_for("the customers' messages", START_TIMEOUT, || {
            let outcome =
                self.gateway.call_with_retries("GET", "/api/messages?direction=inbound&per_page=1", None)?;
            let total = outcome.pointer("/data/total").and_then(Value::as_u64);
            Ok(total.filter(|total| *total >= wanted).map(|_| ()))
        })
    }

    /// Returns all outbound messages of the gateway, newest first.
    ///
    /// # Errors
    /// If the gateway does not respond.
    pub(crate) fn stored(&self) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut path = PAGE.to_owned();
        loop {
            let page = self.gateway.call_with_retries("GET", &path, None)?;
            let found = page.pointer("/data/messages").and_then(Value::as_array);
            rows.extend(found.with_context(|| format!("a page without messages: {page}"))?.iter().cloned());
            match page.pointer("/data/next_cursor").and_then(Value::as_str) {
                Some(cursor) => path = format!("{PAGE}&cursor={cursor}"),
                None => return Ok(rows),
            }
        }
    }

    /// Returns all messages that the simulator has accepted, in order.
    ///
    /// # Errors
    /// If the simulator does not respond.
    pub(crate) fn accepted(&self) -> Result<Vec<Value>> {
        let messages = self.simulator.call_with_retries("GET", "/_sim/messages", None)?;
        Ok(messages.as_array().context("the simulator's response has no messages")?.clone())
    }

    /// Checks that the simulator is still running.
    ///
    /// # Errors
    /// If the simulator has ended.
    pub(crate) fn check_simulator(&mut self) -> Result<()> {
        match self.simulator_process.end()? {
            None => Ok(()),
            Some(status) => bail!("the simulator ended with {status}"),
        }
    }
}

fn is_up(process: &mut Process, client: &Client, path: &str) -> Result<Option<()>> {
    if let Some(status) = process.end()? {
        bail!("a process ended with {status} before it was ready; see its log");
    }
    let is_up = matches!(client.call("GET", path, &[], None), CallOutcome::Answered(response) if response.status == 200);
    Ok(is_up.then_some(()))
}
