//! A gateway and a simulated WhatsApp, each a process of its own, with an account, a key and open windows.

use super::client::{CallOutcome, Client};
use super::directory::TestDirectory;
use super::process::Process;
use super::wait_for;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Maximum time until a process answers.
const START: Duration = Duration::from_secs(20);
/// Messages on a page of the gateway.
const PAGE: &str = "/api/messages?direction=outbound&per_page=200";

/// A environment.
pub(crate) struct Environment {
    // In this order: the processes end before the folder goes.
    simulator_process: Process,
    /// The directory.
    pub(crate) directory: TestDirectory,
    /// Calls the simulator.
    pub(crate) simulator: Client,
    /// Calls the gateway with its key.
    pub(crate) gateway: Client,
    /// Path of the simulator's send endpoint.
    pub(crate) messages_path: String,
}

impl Environment {
    /// Starts a simulator, and sets a database up for a gateway, which is not started.
    ///
    /// # Errors
    /// When something does not work.
    pub(crate) fn make(program: &Path, parent: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let directory = TestDirectory::make(program, parent, settings)?;
        let log = directory.path("simulator.log");
        let mut simulator_process =
            Process::start("the simulator", &mut directory.command(["simulator"]), &log)?;
        let simulator = Client::of(directory.simulator);
        wait_for("the simulator", START, || is_up(&mut simulator_process, &simulator, "/_sim/clock"))?;
        // What shall be tried is the gateway's care, not Meta's pace; and webhooks come back soon after a restart.
        let settings = json!({ "throughput": 1_000, "pair_burst": 100_000, "retry_ms": 300, "batch": 20,
                               "status_delay_ms": 150 });
        simulator.call_until_answered("POST", "/_sim/settings", Some(&settings))?;
        let accounts = simulator.call_until_answered("GET", "/_sim/accounts", None)?;
        let account = accounts.get(0).context("the simulator has no account")?;
        let part = |name: &str| {
            let part = account.get(name).and_then(Value::as_str);
            part.with_context(|| format!("the simulator's account has no {name}"))
        };
        let (number, waba) = (part("phone_number_id")?, part("waba_id")?);
        let (token, secret, word) = (part("access_token")?, part("app_secret")?, part("verify_token")?);
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
            word,
        ])?;
        let made = directory.run([
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
        let made: Value = serde_json::from_str(&made).context("reading the key")?;
        let key = made.get("key").and_then(Value::as_str).context("there is no key")?.to_owned();
        let gateway = Client { address: directory.gateway, key: Some(key) };
        let messages_path = format!("/{number}/messages");
        Ok(Self { simulator_process, directory, simulator, gateway, messages_path })
    }

    /// Starts a gateway, and returns once it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn serve(&self) -> Result<Process> {
        let mut process = self.spawn()?;
        wait_for("the gateway", START, || is_up(&mut process, &self.gateway, "/readyz"))?;
        Ok(process)
    }

    /// Starts a gateway, which is not ready yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn spawn(&self) -> Result<Process> {
        let log = self.directory.path("serve.log");
        Process::start("the gateway", &mut self.directory.command(["serve"]), &log)
    }

    /// Has people write to us, and returns when their windows are open.
    ///
    /// # Errors
    /// When their messages do not arrive.
    pub(crate) fn open_windows(&self, people: &[String]) -> Result<()> {
        for number in people {
            let message =
                json!({ "from": number, "message": { "type": "text", "text": { "body": "Hello" } } });
            self.simulator.call_until_answered("POST", "/_sim/inbound", Some(&message))?;
        }
        let wanted = u64::try_from(people.len())?;
        wait_for("the customers' messages", START, || {
            let heard = self.gateway.call_until_answered(
                "GET",
                "/api/messages?direction=inbound&per_page=1",
                None,
            )?;
            let total = heard.pointer("/data/total").and_then(Value::as_u64);
            Ok(total.filter(|total| *total >= wanted).map(|_| ()))
        })
    }

    /// Everything that the gateway has of outbound messages, oldest last.
    ///
    /// # Errors
    /// When it does not tell.
    pub(crate) fn stored(&self) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut path = PAGE.to_owned();
        loop {
            let page = self.gateway.call_until_answered("GET", &path, None)?;
            let found = page.pointer("/data/messages").and_then(Value::as_array);
            rows.extend(found.with_context(|| format!("a page without messages: {page}"))?.iter().cloned());
            match page.pointer("/data/next_cursor").and_then(Value::as_str) {
                Some(cursor) => path = format!("{PAGE}&cursor={cursor}"),
                None => return Ok(rows),
            }
        }
    }

    /// Everything that the simulator has accepted, in order.
    ///
    /// # Errors
    /// When it does not tell.
    pub(crate) fn accepted(&self) -> Result<Vec<Value>> {
        let messages = self.simulator.call_until_answered("GET", "/_sim/messages", None)?;
        Ok(messages.as_array().context("the simulator tells no messages")?.clone())
    }

    /// Checks that the simulator still runs.
    ///
    /// # Errors
    /// The simulator has ended.
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
    let is_up =
        matches!(client.call("GET", path, &[], None), CallOutcome::Answered(answer) if answer.status == 200);
    Ok(is_up.then_some(()))
}
