//! `waypost trigger`: makes something happen in the sandbox, through the control API of the simulator.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Command, Subcommand};
use engine::ports::Clock as _;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::context::CommandContext;
use super::terminal::{print_json, print_line, print_note};
use crate::cli::file_arg;
use crate::cli::gateway_client::{ApiRequest, CallBody, GatewayClient};
use crate::clock::SystemClock;

/// Sandbox only: cause an event.
#[derive(Debug, Args)]
pub(super) struct TriggerArgs {
    /// URL of the simulator [default: the setting simulator.base_url, or simulator.listen]
    #[arg(long, value_name = "URL", global = true)]
    simulator_url: Option<Url>,
    /// Print the response of the simulator in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    kind: TriggerKind,
}

#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum TriggerKind {
    /// A customer writes
    #[command(name = "message.incoming")]
    Incoming(IncomingArgs),
    /// Meta reports that a message was sent
    #[command(name = "message.sent")]
    Sent(StatusArgs),
    /// Meta reports that a message was delivered
    #[command(name = "message.delivered")]
    Delivered(StatusArgs),
    /// The recipient reads a message
    #[command(name = "message.read")]
    Read(StatusArgs),
    /// The recipient plays a voice message
    #[command(name = "message.played")]
    Played(StatusArgs),
    /// Meta reports that a message could not be delivered
    #[command(name = "message.failed")]
    Failed(FailedArgs),
    /// Meta reviews, pauses or rates a template
    #[command(name = "template.status")]
    Template(TemplateArgs),
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

#[derive(Debug, Args)]
struct IncomingArgs {
    /// Phone number of the customer
    #[arg(long, value_name = "NUMBER", default_value = "+15550100001")]
    from: String,
    /// Name in the customer's profile
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Text of the message
    #[arg(long, allow_hyphen_values = true, default_value = "Hello")]
    text: String,
    /// File with another message: a message object of the Cloud API in JSON; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    message: Option<String>,
    /// Phone number ID of the account that the customer writes to [default: the first account]
    #[arg(long, value_name = "ID")]
    account: Option<String>,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// ID of the message: Waypost's or Meta's [default: the last message that the simulator accepted]
    #[arg(long, value_name = "ID")]
    message: Option<String>,
}

#[derive(Debug, Args)]
struct FailedArgs {
    #[command(flatten)]
    message: StatusArgs,
    /// Meta's error code
    #[arg(long, default_value_t = 131_026)]
    code: u32,
}

#[derive(Debug, Args)]
struct TemplateArgs {
    /// Name of the template
    #[arg(long, value_name = "NAME")]
    template: String,
    /// Language of the template [default: every language of the name]
    #[arg(long, value_name = "CODE")]
    language: Option<String>,
    /// Phone number ID of an account of the template's WhatsApp Business Account [default: the first account]
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// New status: APPROVED, REJECTED or PAUSED
    #[arg(long, required_unless_present = "quality")]
    status: Option<String>,
    /// Reason of a rejection, such as INVALID_FORMAT
    #[arg(long, requires = "status")]
    reason: Option<String>,
    /// New quality: GREEN, YELLOW, RED or UNKNOWN
    #[arg(long)]
    quality: Option<String>,
}

/// Maximum time until the gateway has accepted the webhooks of the simulator.
const DELIVERY_TIMEOUT: SignedDuration = SignedDuration::from_secs(5);
/// Interval in which the simulator is asked.
const POLL_INTERVAL: SignedDuration = SignedDuration::from_millis(20);
/// Exit code of a wrong command line.
const USAGE: u8 = 2;

impl TriggerArgs {
    /// Causes the event.
    ///
    /// # Errors
    /// If the simulator does not respond.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let url = self.simulator_url.as_ref().map_or_else(
            || ctx.loaded.config.simulator_url(),
            |url| url.as_str().trim_end_matches('/').to_owned(),
        );
        let simulator = Simulator { client: GatewayClient::new(url, None)? };
        let (caused, response) = match &self.kind {
            TriggerKind::Incoming(incoming) => incoming.run(&simulator).await?,
            TriggerKind::Sent(status) => status.run(&simulator, "sent", None).await?,
            TriggerKind::Delivered(status) => status.run(&simulator, "delivered", None).await?,
            TriggerKind::Read(status) => status.run(&simulator, "read", None).await?,
            TriggerKind::Played(status) => status.run(&simulator, "played", None).await?,
            TriggerKind::Failed(failed) => {
                failed.message.run(&simulator, "failed", Some(failed.code)).await?
            }
            TriggerKind::Template(template) => template.run(&simulator).await?,
            TriggerKind::Unknown(words) => {
                let word = words.first().map_or("", String::as_str);
                print_note(&format!("error: `{word}` cannot be caused; the types are:\n{}", list_of_types()));
                return Ok(ExitCode::from(USAGE));
            }
        };
        if !simulator.is_delivered().await? {
            print_note(
                "note: the gateway has not accepted the simulator's webhook yet; is the gateway running?",
            );
        }
        if self.json {
            print_json(&response)?;
        } else {
            print_line(&caused)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list_of_types() -> String {
    let command = TriggerKind::augment_subcommands(Command::new("trigger"));
    let line = |kind: &Command| {
        let effect = kind.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:18}  {effect}", kind.get_name())
    };
    command.get_subcommands().map(line).collect::<Vec<_>>().join("\n")
}

/// Sentence for people, and response of the simulator.
type Caused = (String, Value);

impl IncomingArgs {
    async fn run(&self, simulator: &Simulator) -> anyhow::Result<Caused> {
        let message: Value = match &self.message {
            Some(path) => serde_json::from_slice(&file_arg::read(path)?)
                .with_context(|| format!("--message {path} must be JSON"))?,
            None => json!({ "type": "text", "text": { "body": self.text } }),
        };
        let mut body = Map::new();
        body.insert("from".to_owned(), json!(self.from));
        body.insert("message".to_owned(), message);
        for (name, value) in [("name", &self.name), ("account", &self.account)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        let response = simulator.post("/_sim/inbound", &Value::Object(body)).await?;
        let id = response.get("message_id").and_then(Value::as_str).unwrap_or_default();
        Ok((format!("{} wrote the message {id}", self.from), response))
    }
}

impl StatusArgs {
    async fn run(&self, simulator: &Simulator, status: &str, code: Option<u32>) -> anyhow::Result<Caused> {
        let message_id = self.message_id(simulator).await?;
        let mut body = json!({ "message_id": message_id, "status": status });
        if let (Some(code), Some(body)) = (code, body.as_object_mut()) {
            body.insert("code".to_owned(), json!(code));
        }
        let response = simulator.post("/_sim/statuses", &body).await?;
        Ok((format!("the simulator reported the status {status} of the message {message_id}"), response))
    }

    /// Returns Meta's ID of the message.
    async fn message_id(&self, simulator: &Simulator) -> anyhow::Result<String> {
        let (query, missing) = match &self.message {
            Some(id) if id.starts_with("wamid.") => return Ok(id.clone()),
            Some(id) => {
                let query: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
                (
                    format!("?biz_opaque_callback_data={query}"),
                    format!("the simulator has not accepted a message {id}"),
                )
            }
            None => {
                (String::new(), "the simulator has not accepted any message; send a message first".to_owned())
            }
        };
        let messages = simulator.get(&format!("/_sim/messages{query}")).await?;
        let last = messages.as_array().and_then(|messages| messages.last());
        let id = last.and_then(|message| message.get("message_id")).and_then(Value::as_str);
        id.map(str::to_owned).context(missing)
    }
}

impl TemplateArgs {
    async fn run(&self, simulator: &Simulator) -> anyhow::Result<Caused> {
        let mut review = Map::new();
        for (name, value) in [("status", &self.status), ("reason", &self.reason), ("quality", &self.quality)]
        {
            if let Some(value) = value {
                review.insert(name.to_owned(), json!(value));
            }
        }
        let review = Value::Object(review);
        let ids = self.ids(simulator).await?;
        if ids.is_empty() {
            bail!("the simulator has no template `{}` in this language", self.template);
        }
        let mut response = Value::Null;
        for id in &ids {
            response = simulator.post(&format!("/_sim/templates/{id}/review"), &review).await?;
        }
        Ok((format!("the simulator reviewed the template {} ({})", self.template, ids.join(", ")), response))
    }

    /// Returns Meta's IDs of the template.
    async fn ids(&self, simulator: &Simulator) -> anyhow::Result<Vec<String>> {
        let accounts = simulator.get("/_sim/accounts").await?;
        let mut ids = Vec::new();
        let is_chosen = |account: &&Value| {
            self.account
                .as_deref()
                .is_none_or(|id| account.get("phone_number_id").and_then(Value::as_str) == Some(id))
        };
        if let Some(account) = accounts.as_array().into_iter().flatten().find(is_chosen) {
            let text = |name: &str| account.get(name).and_then(Value::as_str).unwrap_or_default();
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("name", &self.template)
                .append_pair("limit", "100")
                .append_pair("access_token", text("access_token"))
                .finish();
            let path = format!("/v24.0/{}/message_templates?{query}", text("waba_id"));
            let page = simulator.get(&path).await?;
            for template in page.get("data").and_then(Value::as_array).into_iter().flatten() {
                let part = |name: &str| template.get(name).and_then(Value::as_str).unwrap_or_default();
                let is_language = self.language.as_ref().is_none_or(|language| language == part("language"));
                if part("name") == self.template && is_language {
                    ids.push(part("id").to_owned());
                }
            }
        }
        Ok(ids)
    }
}

/// The simulator.
struct Simulator {
    client: GatewayClient,
}

impl Simulator {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, CallBody::empty()).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, CallBody::json(body)).await
    }

    /// Waits until the gateway has accepted all webhooks. Returns `false` if it has not within a few seconds.
    async fn is_delivered(&self) -> anyhow::Result<bool> {
        let clock = SystemClock::new();
        let after = |span: SignedDuration| clock.now().saturating_add(span).unwrap_or(Timestamp::MAX);
        let deadline = after(DELIVERY_TIMEOUT);
        loop {
            let pending = self.get("/_sim/webhooks?pending=true").await?;
            if pending.as_array().is_none_or(Vec::is_empty) {
                return Ok(true);
            }
            if clock.now() >= deadline {
                return Ok(false);
            }
            clock.sleep_until(after(POLL_INTERVAL)).await;
        }
    }

    async fn call(&self, method: Method, path: &str, body: CallBody) -> anyhow::Result<Value> {
        let response = self.client.call(&ApiRequest::new(method, path, body)).await?;
        let json = response.json()?;
        if !response.status.is_success() {
            let message = json.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
            bail!("the simulator refused the request: {message}");
        }
        Ok(json)
    }
}
