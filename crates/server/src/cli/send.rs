//! `waypost send`: sends a message through a running gateway, for scripts and cron.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::access::api_key::DEV_KEY;
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use super::context::CommandContext;
use super::terminal::{print_json, print_line, print_note};
use crate::cli::gateway_client::{Call, post};
use crate::cli::secret_arg::secret;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").args(["text", "template"]).required(true)))]
pub(super) struct SendArgs {
    /// Phone number in international format, such as +15550100001
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// Text message; the customer must have written within the last 24 hours
    #[arg(long, allow_hyphen_values = true)]
    text: Option<String>,
    /// Name of an approved template
    #[arg(long, value_name = "NAME", requires = "language")]
    template: Option<String>,
    /// Language of the template, such as en or pt_BR
    #[arg(long, value_name = "CODE", requires = "template")]
    language: Option<String>,
    /// Parameter of the template's body; can be repeated
    #[arg(long = "param", value_name = "VALUE", requires = "template", allow_hyphen_values = true)]
    params: Vec<String>,
    /// The parameters have names: each --param is NAME=VALUE
    #[arg(long, requires = "params")]
    named: bool,
    /// ID or name of the sending account [default: the default account]
    #[arg(long, value_name = "ID|NAME")]
    account: Option<String>,
    /// Idempotency key: the same command can be repeated within 24 hours without sending twice
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// URL of the gateway [default: WAYPOST_URL, or the setting public_url]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// API key [default: WAYPOST_API_KEY, WAYPOST_KEY, or the key of a sandbox in this folder]
    #[arg(long, value_name = "KEY", conflicts_with = "api_key_file")]
    api_key: Option<SecretString>,
    /// File that contains the API key
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Print the whole response in JSON
    #[arg(long)]
    json: bool,
}

impl SendArgs {
    /// Sends the message and prints its ID.
    ///
    /// # Errors
    /// If there is no response.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let (base_url, api_key) = self.target(ctx)?;
        let body = self.body()?;
        let call = Call {
            base_url: &base_url,
            path: "/api/messages/send",
            api_key: &api_key,
            idempotency_key: self.idempotency_key.as_deref(),
            body: &body,
        };
        let (status, response) = post(&call).await?;
        if self.json {
            print_json(&response)?;
        }
        if !status.is_success() {
            print_note(&format!("error: {}", error_message(status, &response)));
            return Ok(ExitCode::FAILURE);
        }
        let data = |name: &str| response.pointer(&format!("/data/{name}")).and_then(Value::as_str);
        if !self.json {
            print_line(data("message_id").context("the gateway's response has no message_id")?)?;
        }
        if data("status") == Some("unknown") {
            print_note(
                "note: it is not known whether the message was sent; do not send it again: a status webhook resolves it if Meta \
                 accepted the message",
            );
            return Ok(ExitCode::from(UNKNOWN));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the URL of the gateway and the API key.
    fn target(&self, ctx: &CommandContext) -> anyhow::Result<(String, SecretString)> {
        let config = &ctx.loaded.config;
        let (name, url) = match (&self.url, &ctx.environment.url) {
            (Some(url), _) => ("--url", Some(url.clone())),
            (None, Some(text)) => {
                ("WAYPOST_URL", Some(Url::parse(text).context("WAYPOST_URL must be a URL")?))
            }
            (None, None) => ("--url", None),
        };
        if url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            bail!("{name} must begin with https:// or http://");
        }
        let url = url.map(|url| url.as_str().trim_end_matches('/').to_owned());
        let given = secret("api-key", self.api_key.as_ref(), self.api_key_file.as_deref())?;
        if let Some(key) = given.or_else(|| ctx.environment.api_key.clone()) {
            return Ok((url.unwrap_or_else(|| config.public_url()), key));
        }
        // The API key of the sandbox is public. It is sent to this machine only.
        let url = url.unwrap_or_else(|| config.local_url());
        if config.dev_database().exists() && is_local(&url) {
            return Ok((url, DEV_KEY.into()));
        }
        bail!(
            "no API key: use --api-key-file, --api-key or WAYPOST_API_KEY; create a key with `waypost keys create`"
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

/// Exit code if the outcome is unknown: not a success, and not safe to retry.
const UNKNOWN: u8 = 3;

/// Returns the error message of the gateway.
fn error_message(status: StatusCode, response: &Value) -> String {
    let text = |pointer: &str| response.pointer(pointer).and_then(Value::as_str);
    let mut message =
        text("/message").map_or_else(|| format!("the gateway responded with {status}"), str::to_owned);
    if let Some(code) = text("/code") {
        message.push_str(&format!(" ({code})"));
    }
    let errors = response.pointer("/details/errors").and_then(Value::as_array);
    // The message contains a single error.
    for error in errors.filter(|errors| errors.len() > 1).into_iter().flatten() {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        message.push_str(&format!("\n  {} {}", part("pointer"), part("reason")));
    }
    message
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
