//! `waypost listen`: posts the events of a running gateway to a program on this machine, as webhooks are posted.
//!
//! The gateway cannot reach the program of a developer. The command reads the event log and posts each event with the
//! same body, headers and signatures as a webhook delivery.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use domain::time::rfc3339;
use egress::{EgressClient, EgressConfig, Policy};
use engine::ports::{Clock as _, WebhookAttempt, WebhookOutcome, WebhookRequest, WebhookSender as _};
use engine::webhooks_out::secret::{self, PREFIX};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::context::CommandContext;
use super::event_log::{EventLog, LoggedEvent};
use super::terminal::{one_line, print_json, print_line, print_note};
use crate::cli::gateway_arg::GatewayArg;
use crate::cli::secret_arg;
use crate::clock::SystemClock;
use crate::random::OsRandom;

/// Waits in seconds before the attempts that follow a failed connection. Afterwards the event is given up.
const RETRY_AFTER_SECONDS: [i64; 4] = [1, 2, 4, 8];

#[derive(Debug, Args)]
pub(super) struct ListenArgs {
    /// URL of the program that receives the events, such as http://localhost:3000/hook
    #[arg(long, value_name = "URL")]
    forward_to: Url,
    /// Only these types of events, separated by commas, such as message.incoming [default: all]
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    events: Vec<String>,
    /// Only events of this account
    #[arg(long, value_name = "ID|NAME")]
    account: Option<String>,
    /// Position: only events after the event with this ID [default: events from now on]
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// File with the signing secret (`whsec_…`) [default: a new secret, which is printed]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    gateway: GatewayArg,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// Target of the events.
struct Forwarder {
    client: EgressClient,
    clock: Arc<SystemClock>,
    url: String,
    secret: SecretString,
    is_json: bool,
}

impl ListenArgs {
    /// Posts events until the process is stopped.
    ///
    /// # Errors
    /// If the gateway refuses the request or does not respond to the first one, or an argument cannot be used.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let gateway = self.gateway.client(ctx)?;
        let (secret, is_new) = self.secret()?;
        let clock = Arc::new(SystemClock::new());
        // The user of this machine chose the address, which is usually on this machine.
        let policy = Policy { allow_http: true, allow_private_networks: true, allow_local_hosts: true };
        let client = EgressClient::new(&EgressConfig { policy, ..EgressConfig::default() }, clock.clone())?;
        let url = self.forward_to.as_str().to_owned();
        client.check_url(&url).with_context(|| format!("--forward-to {url}"))?;
        let mut log = EventLog::open(&gateway, &clock, self.filters()).await?;
        let mut ready =
            format!("forwarding the events of {} to {url}; press Ctrl-C to stop", gateway.base_url());
        if is_new {
            let secret = secret.expose_secret();
            ready = format!("signing secret: {secret}\n{ready}");
        }
        if self.json {
            let shown = is_new.then(|| secret.expose_secret().to_owned());
            print_json(&json!({ "forward_to": url, "secret": shown }))?;
        } else {
            print_line(&ready)?;
        }
        let forwarder = Forwarder { client, clock: clock.clone(), url, secret, is_json: self.json };
        loop {
            for event in log.next().await? {
                forwarder.forward(&event).await?;
            }
        }
    }

    /// Returns the signing secret, and `true` if it is new.
    fn secret(&self) -> anyhow::Result<(SecretString, bool)> {
        let Some(secret) = secret_arg::secret("secret", None, self.secret_file.as_deref())? else {
            return Ok((secret::generate(&OsRandom::new()), true));
        };
        if !secret.expose_secret().starts_with(PREFIX) {
            bail!("--secret-file: the secret must begin with {PREFIX}");
        }
        Ok((secret, false))
    }

    fn filters(&self) -> Vec<(String, String)> {
        let mut filters = Vec::new();
        let mut add = |name: &str, value: String| filters.push((name.to_owned(), value));
        if !self.events.is_empty() {
            add("events", self.events.join(","));
        }
        if let Some(account) = &self.account {
            add("account", account.clone());
        }
        if let Some(after) = &self.after {
            add("after", after.clone());
        }
        filters
    }
}

impl Forwarder {
    /// Posts an event, and prints a line about it.
    async fn forward(&self, event: &LoggedEvent) -> anyhow::Result<()> {
        let mut n_attempts: u32 = 1;
        let mut attempt = self.post(event).await;
        for seconds in RETRY_AFTER_SECONDS {
            let WebhookOutcome::Failed { reason } = &attempt.outcome else { break };
            print_note(&format!("{}: {}; trying again in {seconds} s", event.kind, one_line(reason)));
            let now = self.clock.now();
            let at = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
            self.clock.sleep_until(at).await;
            attempt = self.post(event).await;
            n_attempts = n_attempts.saturating_add(1);
        }
        let latency_ms = i64::try_from(attempt.latency.as_millis()).unwrap_or(i64::MAX);
        let (status, reason) = match &attempt.outcome {
            WebhookOutcome::Responded { status, .. } => (Some(*status), None),
            WebhookOutcome::Failed { reason } => (None, Some(one_line(reason))),
        };
        if self.is_json {
            print_json(&json!({
                "id": event.id,
                "event": event.kind,
                "status": status,
                "reason": reason,
                "latency_ms": latency_ms,
                "attempts": n_attempts,
            }))?;
            return Ok(());
        }
        let result = status.map_or_else(|| reason.unwrap_or_default(), |status| status.to_string());
        let mut line =
            format!("{}  {}  {}  {result}  {latency_ms} ms", rfc3339(self.clock.now()), event.kind, event.id);
        if n_attempts > 1 {
            line.push_str(&format!("  after {n_attempts} attempts"));
        }
        print_line(&line)?;
        Ok(())
    }

    async fn post(&self, event: &LoggedEvent) -> WebhookAttempt {
        let request = WebhookRequest {
            url: self.url.clone(),
            headers: Vec::new(),
            secrets: vec![self.secret.clone()],
            event_id: event.id.clone(),
            at: self.clock.now(),
            body: bytes::Bytes::copy_from_slice(event.body.as_bytes()),
            is_redelivery: false,
        };
        self.client.send_event(request).await
    }
}
