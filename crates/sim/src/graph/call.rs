//! A Graph request, read: version, path, parameters from wherever they were written.
//!
//! **Invariant:** a parameter means the same in the query, in a JSON body, in a form and in a multipart body.

use std::collections::BTreeMap;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use serde_json::{Map, Value, json};

use crate::error::{Checked, GraphError};
use crate::phone;
use crate::validate::unstring;

/// The version that a path without one means.
const DEFAULT_VERSION: u32 = 24;

/// The members that may be JSON written in a string.
const STRINGS: [&str; 16] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
    "context",
    "components",
    "block_users",
    "library_template_body_inputs",
    "library_template_button_inputs",
];

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) version: u32,
    /// The path without its version.
    pub(crate) segments: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    /// Query and body together; the body wins.
    pub(crate) params: Map<String, Value>,
    /// The body alone, as JSON.
    pub(crate) body: Value,
    pub(crate) bytes: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) file: Option<FilePart>,
}

/// The uploaded file of a multipart body.
#[derive(Clone, Debug)]
pub(crate) struct FilePart {
    pub(crate) name: Option<String>,
    pub(crate) mime: String,
    pub(crate) content: Bytes,
}

impl Call {
    pub(crate) async fn read(parts: Parts, bytes: Bytes) -> Checked<Self> {
        let mut segments: Vec<String> = parts
            .uri
            .path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| decode(segment, false))
            .collect();
        let version = segments.first().and_then(|first| version_of(first));
        if version.is_some() {
            segments.remove(0);
        }
        let query: BTreeMap<String, String> = pairs(parts.uri.query().unwrap_or_default());
        let mut call = Self {
            method: parts.method.clone(),
            version: version.unwrap_or(DEFAULT_VERSION),
            segments,
            params: query.iter().map(|(key, value)| (key.clone(), json!(value))).collect(),
            query,
            body: Value::Null,
            bytes: bytes.clone(),
            headers: parts.headers.clone(),
            file: None,
        };
        // An upload's body is the file itself.
        if call.segments.first().is_some_and(|first| first.starts_with("upload:")) || bytes.is_empty() {
            return Ok(call);
        }
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_lowercase();
        if kind.starts_with("multipart/form-data") {
            call.read_multipart(parts, bytes).await?;
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let form = pairs(&text).into_iter().map(|(key, value)| (key, json!(value))).collect();
            call.take_body(form);
        } else {
            match serde_json::from_slice(&bytes) {
                Ok(Value::Object(body)) => call.take_body(body),
                _ => return Err(GraphError::schema("The request body is not a JSON object.")),
            }
        }
        Ok(call)
    }

    fn take_body(&mut self, body: Map<String, Value>) {
        self.body = Value::Object(body.clone());
        for (key, mut value) in body {
            if STRINGS.contains(&key.as_str()) {
                unstring(&mut value);
            }
            // Payment parameters may be JSON in a string even inside JSON.
            if let Some(parameters) = value.get_mut("action").and_then(|action| action.get_mut("parameters"))
            {
                unstring(parameters);
            }
            self.params.insert(key, value);
        }
    }

    async fn read_multipart(&mut self, parts: Parts, bytes: Bytes) -> Checked<()> {
        let broken = |_| GraphError::schema("The multipart body is broken.");
        let mut request = Request::from_parts(parts, axum::body::Body::from(bytes));
        DefaultBodyLimit::disable().apply(&mut request);
        let mut multipart = Multipart::from_request(request, &())
            .await
            .map_err(|_| GraphError::schema("The multipart body is broken."))?;
        while let Some(field) = multipart.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                let (file_name, mime) =
                    (field.file_name().map(str::to_owned), field.content_type().map(str::to_owned));
                let mime = mime.unwrap_or_else(|| "application/octet-stream".to_owned());
                let content = field.bytes().await.map_err(broken)?;
                self.file = Some(FilePart { name: file_name, mime, content });
            } else {
                let text = field.text().await.map_err(broken)?;
                self.params.insert(name, json!(text));
            }
        }
        Ok(())
    }

    /// A parameter that is a text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.params.get(key).and_then(Value::as_str)
    }

    /// A parameter that is a boolean, in any spelling.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let value = self.params.get(key)?;
        match value.as_str() {
            Some("true" | "1") => Some(true),
            Some("false" | "0") => Some(false),
            _ => value.as_bool(),
        }
    }

    /// The recipient of a send, as faults compare it.
    pub(crate) fn recipient(&self) -> Option<String> {
        let to = self.params.get("to").or_else(|| self.params.get("recipient"))?;
        let to = to.as_str().map_or_else(|| to.to_string(), str::to_owned);
        Some(if phone::is_user_id(&to) { to } else { phone::only_digits(&to) })
    }

    /// The path without its version, as links repeat it.
    pub(crate) fn path(&self) -> String {
        format!("v{}.0/{}", self.version, self.segments.join("/"))
    }
}

fn version_of(segment: &str) -> Option<u32> {
    let (major, minor) = segment.strip_prefix('v')?.split_once('.')?;
    minor.parse::<u32>().ok()?;
    major.parse().ok()
}

/// The pairs of a query or form.
pub(crate) fn pairs(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect()
}

/// A path segment without its percent signs.
pub(crate) fn decode(segment: &str, plus_is_blank: bool) -> String {
    if !segment.contains('%') && !plus_is_blank {
        return segment.to_owned();
    }
    let segment = if plus_is_blank { segment.to_owned() } else { segment.replace('+', "%2B") };
    let text = format!("x={segment}").replace('&', "%26");
    pairs(&text).remove("x").unwrap_or_default()
}
