//! `waypost send`: sends a message through a running gateway, for scripts and cron.

mod content;
mod media;
mod repeat;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::Value;

use super::context::CommandContext;
use super::terminal::{print_json, print_line, print_note};
use crate::cli::api_error::error_message;
use crate::cli::duration::parse_duration;
use crate::cli::gateway_arg::GatewayArg;
use crate::cli::gateway_client::{ApiRequest, CallBody, CallError};

use self::content::{ContentArgs, UsageError};
use self::repeat::{RepeatUntil, new_token};

/// Send a message through a running gateway, for scripts and cron.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct SendArgs {
    #[command(flatten)]
    content: ContentArgs,
    /// Idempotency key: the same command can be repeated within 24 hours without sending twice [default: a new key]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Maximum time to wait for a rate limit or an unavailable gateway, such as 30s or 10m; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    timeout: SignedDuration,
    #[command(flatten)]
    gateway: GatewayArg,
    /// Print the whole response in JSON. With FILE: send the message of this file, a body of POST /api/messages/send
    /// in JSON; `-` is standard input
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    json: Option<Option<String>>,
}

const AFTER_HELP: &str = "\
Exit codes: 0 sent or queued; 1 not sent; 2 wrong command line; 3 not known whether the message was sent.

Examples:
  waypost send --to +15550100001 --text 'Your order has shipped.'
  waypost send --to +15550100001 --template order_confirmation --language en --param John --param ORD-789
  waypost send --to +15550100001 --document invoice.pdf --caption 'Your invoice'
  waypost send --json message.json";

/// Exit code if the outcome is unknown: not a success, and not safe to retry.
const UNKNOWN: u8 = 3;
/// Exit code of a wrong command line.
const USAGE: u8 = 2;

impl SendArgs {
    /// Sends the message and prints its ID.
    ///
    /// # Errors
    /// If there is no response.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let file = self.json.as_ref().and_then(Option::as_deref);
        let mut message = match self.content.message(file) {
            Ok(message) => message,
            Err(error) => match error.downcast::<UsageError>() {
                Ok(usage) => {
                    print_note(&format!("error: {usage}"));
                    return Ok(ExitCode::from(USAGE));
                }
                Err(error) => return Err(error),
            },
        };
        let client = self.gateway.client(ctx)?;
        let repeat = RepeatUntil::until_after(self.timeout);
        if let Some(upload) = self.content.upload()? {
            media::attach(&client, &repeat, &mut message, &upload).await?;
        }
        let key = self.idempotency_key.clone().unwrap_or_else(new_token);
        let call = ApiRequest {
            method: Method::POST,
            path: "/api/messages/send",
            body: CallBody::json(&message),
            idempotency_key: Some(&key),
        };
        let response = match repeat.call(&client, &call).await {
            Ok(response) => response,
            Err(error @ CallError::NotSent(_)) => return Err(error.into()),
            Err(error @ CallError::NoResponse(_)) => {
                print_note(&format!(
                    "error: {:#}\nnote: the message may or may not have been sent; to try again without sending twice, add \
                     --idempotency-key {key}",
                    anyhow::Error::from(error)
                ));
                return Ok(ExitCode::from(UNKNOWN));
            }
        };
        self.report(response.status, &response.json()?)
    }

    fn report(&self, status: StatusCode, response: &Value) -> anyhow::Result<ExitCode> {
        let is_json = self.json.is_some();
        if is_json {
            print_json(response)?;
        }
        if !status.is_success() {
            print_note(&format!("error: {}", error_message(status, response)));
            return Ok(ExitCode::FAILURE);
        }
        let data = |name: &str| response.pointer(&format!("/data/{name}")).and_then(Value::as_str);
        if !is_json {
            match data("message_id") {
                Some(id) => print_line(id)?,
                // A dry run has no ID.
                None => print_json(response.get("data").context("the gateway's response has no data")?)?,
            }
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
}
