//! Upload of the file of a message.

use anyhow::{Context as _, bail};
use http::Method;
use serde_json::{Value, json};

use super::content::MediaUpload;
use super::repeat::{RepeatUntil, new_token};
use crate::cli::api_error::error_message;
use crate::cli::gateway_client::{ApiRequest, CallBody, GatewayClient};

/// Uploads a file, and puts its ID into the message. The gateway stores the same content once, so that a repeated
/// upload has no effect.
///
/// # Errors
/// If the gateway refuses the file, or does not respond.
pub(super) async fn attach(
    client: &GatewayClient,
    repeat: &RepeatUntil,
    message: &mut Value,
    upload: &MediaUpload,
) -> anyhow::Result<()> {
    let boundary = new_token();
    let body = multipart(upload, &boundary);
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let call = ApiRequest::new(Method::POST, "/api/media", CallBody::of_type(&content_type, body));
    let response = repeat.call(client, &call).await?;
    let json = response.json()?;
    if !response.status.is_success() {
        bail!("uploading {}: {}", upload.file_name, error_message(response.status, &json));
    }
    let id = json.pointer("/data/id").context("the gateway's response has no id")?.clone();
    let content = message.get_mut(upload.kind).and_then(Value::as_object_mut);
    let content = content.context("the message has no content")?;
    content.insert("id".to_owned(), id);
    if upload.kind == "document" {
        content.insert("filename".to_owned(), json!(upload.file_name));
    }
    Ok(())
}

fn multipart(upload: &MediaUpload, boundary: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(account) = &upload.account {
        let part = "Content-Disposition: form-data; name=\"whatsapp_account\"";
        body.extend_from_slice(format!("--{boundary}\r\n{part}\r\n\r\n{account}\r\n").as_bytes());
    }
    // The form encoding of HTML escapes these three characters of a file name.
    let name = upload.file_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let part = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
    body.extend_from_slice(
        format!("--{boundary}\r\n{part}\r\nContent-Type: application/octet-stream\r\n\r\n").as_bytes(),
    );
    body.extend_from_slice(&upload.bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}
