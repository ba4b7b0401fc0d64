//! The message of `waypost send`.

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use crate::cli::file_arg;

/// Types of messages with a file.
const MEDIA: [&str; 5] = ["image", "video", "document", "audio", "sticker"];

/// Content of a message.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["text", "template", "image", "video", "document", "audio", "sticker"])))]
pub(super) struct ContentArgs {
    /// Phone number in international format, such as +15550100001
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
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
    /// Image: a public URL, or a file, which is uploaded
    #[arg(long, value_name = "URL|FILE")]
    image: Option<String>,
    /// Video
    #[arg(long, value_name = "URL|FILE")]
    video: Option<String>,
    /// Document
    #[arg(long, value_name = "URL|FILE")]
    document: Option<String>,
    /// Audio
    #[arg(long, value_name = "URL|FILE")]
    audio: Option<String>,
    /// Sticker
    #[arg(long, value_name = "URL|FILE")]
    sticker: Option<String>,
    /// Caption of an image, a video or a document
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    caption: Option<String>,
    /// ID or name of the sending account [default: the default account]
    #[arg(long, value_name = "ID|NAME")]
    account: Option<String>,
}

/// A wrong combination of options.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(&'static str);

/// A file that must be uploaded before the message is sent.
#[derive(Debug)]
pub(super) struct MediaUpload {
    /// Type of the message.
    pub(super) kind: &'static str,
    /// Name of the file.
    pub(super) file_name: String,
    /// Account that sends the message.
    pub(super) account: Option<String>,
    /// Content.
    pub(super) bytes: Vec<u8>,
}

impl ContentArgs {
    /// Returns the body of the request. A file is not attached yet.
    ///
    /// # Errors
    /// If options are missing or exclude each other ([`UsageError`]), or a file cannot be read.
    pub(super) fn message(&self, file: Option<&str>) -> anyhow::Result<Value> {
        let content = self.content()?;
        let mut body = match (file, &content) {
            (Some(_), Some(_)) => {
                return Err(UsageError("--json FILE contains the message: remove the other content").into());
            }
            (Some(path), None) => self.read_message(path)?,
            (None, _) => Map::new(),
        };
        if let Some((kind, content)) = content {
            body.insert("type".to_owned(), json!(kind));
            body.insert(kind.to_owned(), content);
        } else if file.is_none() {
            return Err(UsageError(
                "nothing to send: use --text, --template, --image, --video, --document, --audio, --sticker or --json FILE",
            )
            .into());
        }
        if let Some(to) = &self.to {
            body.insert("to".to_owned(), json!(to));
        } else if file.is_none() {
            return Err(UsageError("--to is required").into());
        }
        if let Some(account) = &self.account {
            body.insert("whatsapp_account".to_owned(), json!(account));
        }
        Ok(Value::Object(body))
    }

    /// Returns the file that must be uploaded.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn upload(&self) -> anyhow::Result<Option<MediaUpload>> {
        let Some((kind, path)) = self.media().filter(|(_, path)| !is_url(path)) else { return Ok(None) };
        let name = std::path::Path::new(path).file_name().and_then(|name| name.to_str());
        Ok(Some(MediaUpload {
            kind,
            file_name: name.unwrap_or("file").to_owned(),
            account: self.account.clone(),
            bytes: file_arg::read(path)?,
        }))
    }

    fn read_message(&self, path: &str) -> anyhow::Result<Map<String, Value>> {
        let bytes = file_arg::read(path)?;
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        serde_json::from_slice(text).with_context(|| format!("--json {path} must be a JSON object"))
    }

    fn media(&self) -> Option<(&'static str, &str)> {
        let values = [&self.image, &self.video, &self.document, &self.audio, &self.sticker];
        MEDIA.into_iter().zip(values).find_map(|(kind, value)| Some((kind, value.as_deref()?)))
    }

    /// Returns type and content.
    fn content(&self) -> anyhow::Result<Option<(&'static str, Value)>> {
        if let Some((kind, path)) = self.media() {
            let mut content = Map::new();
            if is_url(path) {
                content.insert("link".to_owned(), json!(path));
            }
            if let Some(caption) = &self.caption {
                content.insert("caption".to_owned(), json!(caption));
            }
            return Ok(Some((kind, Value::Object(content))));
        }
        if self.caption.is_some() {
            return Err(UsageError("--caption needs --image, --video or --document").into());
        }
        if let Some(text) = &self.text {
            return Ok(Some(("text", json!(text))));
        }
        let Some(name) = &self.template else { return Ok(None) };
        let parameters = self.params.iter().map(|param| self.parameter(param));
        let parameters = parameters.collect::<anyhow::Result<Vec<_>>>()?;
        let components = match parameters.is_empty() {
            true => json!([]),
            false => json!([{ "type": "body", "parameters": parameters }]),
        };
        Ok(Some(("template", json!({ "name": name, "language": self.language, "components": components }))))
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

fn is_url(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}
