//! `waypost send`: one message through a running gateway, for scripts and cron.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::access::api_key::DEV_KEY;
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use super::Ctx;
use super::terminal::{complain, say, say_json};
use crate::cli::gateway_client::{Call, post};
use crate::cli::secret_arg::secret;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").args(["text", "template"]).required(true)))]
pub(super) struct Send {
    /// The phone number in international format, such as +15550100001
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// A text; the customer must have written within 24 hours
    #[arg(long, allow_hyphen_values = true)]
    text: Option<String>,
    /// The name of an approved template
    #[arg(long, value_name = "NAME", requires = "language")]
    template: Option<String>,
    /// The template's language, such as en or pt_BR
    #[arg(long, value_name = "CODE", requires = "template")]
    language: Option<String>,
    /// A parameter of the template's body: may be given several times
    #[arg(long = "param", value_name = "VALUE", requires = "template", allow_hyphen_values = true)]
    params: Vec<String>,
    /// The body's parameters have names: read each --param as NAME=VALUE
    #[arg(long, requires = "params")]
    named: bool,
    /// The account that sends, by id or name [default: the default outgoing account]
    #[arg(long, value_name = "ID|NAME")]
    account: Option<String>,
    /// Lets the same command run again within 24 hours without sending twice
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The gateway [default: the setting public_url]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// The key to call with [default: WAYPOST_API_KEY, or that of a sandbox in this folder]
    #[arg(long, value_name = "KEY", conflicts_with = "api_key_file")]
    api_key: Option<SecretString>,
    /// A file that holds the key
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
}

impl Send {
    /// Sends the message and prints its id.
    ///
    /// # Errors
    /// When it was not sent, or nobody knows.
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let (base_url, api_key) = self.door(ctx)?;
        let body = self.body()?;
        let call = Call {
            base_url: &base_url,
            path: "/api/messages/send",
            api_key: &api_key,
            idempotency_key: self.idempotency_key.as_deref(),
            body: &body,
        };
        let (status, answer) = post(&call).await?;
        if self.json {
            say_json(&answer)?;
        }
        if !status.is_success() {
            complain(&format!("error: {}", refusal(status, &answer)));
            return Ok(ExitCode::FAILURE);
        }
        let data = |name: &str| answer.pointer(&format!("/data/{name}")).and_then(Value::as_str);
        if !self.json {
            say(data("message_id").context("the gateway's answer names no message")?)?;
        }
        if data("status") == Some("unknown") {
            complain(
                "note: it is not known whether the message was sent; do not send it again: its status settles by itself \
                 if WhatsApp has it",
            );
            return Ok(ExitCode::from(UNKNOWN));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Where to call, and with which key.
    fn door(&self, ctx: &Ctx) -> anyhow::Result<(String, SecretString)> {
        let config = &ctx.loaded.config;
        if let Some(url) = &self.url
            && !matches!(url.scheme(), "http" | "https")
        {
            bail!("--url must begin with https:// or http://");
        }
        let url = self.url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        let given = secret("api-key", self.api_key.as_ref(), self.api_key_file.as_deref())?;
        if let Some(key) = given.or_else(|| ctx.environment.api_key.clone()) {
            return Ok((url.unwrap_or_else(|| config.public_url()), key));
        }
        // The sandbox's key is no secret, but it is of use only there: it goes to this machine or nowhere.
        let url = url.unwrap_or_else(|| config.local_url());
        if config.dev_database().exists() && is_local(&url) {
            return Ok((url, DEV_KEY.into()));
        }
        bail!(
            "no key to call with: give --api-key-file, --api-key or WAYPOST_API_KEY (`waypost keys create` makes one)"
        )
    }

    fn body(&self) -> anyhow::Result<Value> {
        let mut body = Map::new();
        body.insert("to".to_owned(), json!(self.to));
        if let Some(account) = &self.account {
            body.insert("whatsapp_account".to_owned(), json!(account));
        }
        let (kind, content) = match (&self.text, &self.template) {
            (Some(text), _) => ("text", json!(text)),
            (None, Some(name)) => {
                let parameters = self.params.iter().map(|param| self.parameter(param));
                let parameters = parameters.collect::<anyhow::Result<Vec<_>>>()?;
                let components = match parameters.is_empty() {
                    true => json!([]),
                    false => json!([{ "type": "body", "parameters": parameters }]),
                };
                ("template", json!({ "name": name, "language": self.language, "components": components }))
            }
            (None, None) => bail!("either --text or --template is needed"),
        };
        body.insert("type".to_owned(), json!(kind));
        body.insert(kind.to_owned(), content);
        Ok(Value::Object(body))
    }

    fn parameter(&self, param: &str) -> anyhow::Result<Value> {
        if !self.named {
            return Ok(json!({ "type": "text", "text": param }));
        }
        let (name, value) = param
            .split_once('=')
            .with_context(|| format!("--param {param}: with --named it must be NAME=VALUE"))?;
        Ok(json!({ "type": "text", "parameter_name": name, "text": value }))
    }
}

/// The exit code when the outcome is not known: not a success, and not to be tried again.
const UNKNOWN: u8 = 3;

/// What the gateway said, in one sentence.
fn refusal(status: StatusCode, answer: &Value) -> String {
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    let mut told = text("/message").map_or_else(|| format!("the gateway answered {status}"), str::to_owned);
    if let Some(code) = text("/code") {
        told.push_str(&format!(" ({code})"));
    }
    let errors = answer.pointer("/details/errors").and_then(Value::as_array);
    // A single one stands in the message.
    for error in errors.filter(|errors| errors.len() > 1).into_iter().flatten() {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        told.push_str(&format!("\n  {} {}", part("pointer"), part("reason")));
    }
    told
}

fn is_local(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
