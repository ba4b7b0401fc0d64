//! Media: upload, metadata, download, deletion.
//!
//! **Invariant:** content is returned only to a token of the account that owns it, and not after it has expired.

use bytes::Bytes;
use serde_json::json;

use crate::{
    clock::{DAY, seconds},
    error::{Checked, GraphError},
    graph::{Call, Caller, FilePart, Reply, ReplyBody, auth},
    ids,
    send::product,
    state::{Media, State},
};

/// Retention of uploaded media.
const UPLOADED_FOR: i64 = 30 * DAY;
/// Validity of a download URL, in seconds.
const URL_FOR: i64 = 300;

/// MIME types that can be uploaded, each with its maximum size.
const ALLOWED: [(&str, usize); 19] = [
    ("audio/aac", 16 << 20),
    ("audio/mp4", 16 << 20),
    ("audio/mpeg", 16 << 20),
    ("audio/amr", 16 << 20),
    ("audio/ogg", 16 << 20),
    ("audio/opus", 16 << 20),
    ("application/vnd.ms-powerpoint", 100 << 20),
    ("application/msword", 100 << 20),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", 100 << 20),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", 100 << 20),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 100 << 20),
    ("application/pdf", 100 << 20),
    ("text/plain", 100 << 20),
    ("application/vnd.ms-excel", 100 << 20),
    ("image/jpeg", 5 << 20),
    ("image/png", 5 << 20),
    ("image/webp", 500 << 10),
    ("video/mp4", 16 << 20),
    ("video/3gpp", 16 << 20),
];

/// `POST /{phone-number-id}/media`.
pub(crate) fn upload(state: &mut State, call: &Call, number_id: &str) -> Checked<Reply> {
    product(&call.params)?;
    let Some(file) = &call.file else {
        return Err(GraphError::schema("The parameter file is required."));
    };
    let base = file.mime.split(';').next().unwrap_or_default().trim().to_lowercase();
    let Some((_, most)) = ALLOWED.iter().find(|(mime, _)| *mime == base) else {
        let names: Vec<&str> = ALLOWED.iter().map(|(mime, _)| *mime).collect();
        return Err(GraphError::schema(format!(
            "Param file must be a file with one of the following types: {}. Received file of type '{base}'.",
            names.join(", ")
        )));
    };
    if file.content.is_empty() {
        return Err(GraphError::schema("Param file must not be empty."));
    }
    if file.content.len() > *most {
        return Err(GraphError::of(100).details(format!("A file of type {base} has at most {most} bytes")));
    }
    let id = state.keep_media(number_id, file.clone(), UPLOADED_FOR);
    Ok(Reply::json(json!({"id": id})))
}

/// `GET` and `DELETE` on a medium.
pub(crate) fn node(
    state: &mut State,
    call: &Call,
    caller: &Caller,
    id: &str,
    edge: Option<&str>,
) -> Checked<Reply> {
    let unknown = || GraphError::no_node(call.method.as_str(), id);
    let media = visible(state, caller, id).ok_or_else(unknown)?;
    if call.text("phone_number_id").is_some_and(|number_id| number_id != media.number_id) {
        return Err(unknown());
    }
    match (call.method.as_str(), edge) {
        ("GET", None) => {
            let answer = json!({
                "messaging_product": "whatsapp",
                "url": state.media_url(id),
                "mime_type": media.mime,
                "sha256": media.sha256,
                "file_size": media.size,
                "id": id,
            });
            Ok(Reply::json(answer))
        }
        ("DELETE", None) => {
            state.media.remove(id);
            if let Some(dir) = &state.env.media_dir
                && let Err(error) = std::fs::remove_file(dir.join(id))
            {
                tracing::debug!(%error, "deleting the content of a medium");
            }
            state.is_dirty = true;
            Ok(Reply::success())
        }
        (method, None) => Err(GraphError::no_method(method)),
        (_, Some(edge)) => Err(GraphError::no_edge(edge)),
    }
}

/// `GET` of a media address. It needs a token and some user agent.
pub(crate) fn download(state: &State, call: &Call) -> Checked<Reply> {
    let agent = call.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
    if agent.is_none_or(str::is_empty) {
        return Ok(Reply::html(400, "<html><body>Bad request</body></html>"));
    }
    let caller = auth::token_of(call).and_then(|token| auth::caller_of(state, &token));
    let Some(caller) = caller else { return Ok(Reply::html(401, "")) };
    let gone = || Reply::html(404, "<html><body>Not found</body></html>");
    let (id, expires) = (call.text("mid").unwrap_or_default(), call.text("ext").unwrap_or_default());
    let is_genuine =
        call.text("hash").is_some_and(|hash| ids::same_secret(hash, &url_hash(state, id, expires)));
    let is_fresh = expires.parse::<i64>().is_ok_and(|at| seconds(state.env.now) < at);
    let Some(media) = visible(state, &caller, id).filter(|_| is_genuine && is_fresh) else {
        return Ok(gone());
    };
    let Some(content) = state.content_of(media) else { return Ok(gone()) };
    let body = ReplyBody::File { mime: media.mime.clone(), name: media.filename.clone(), content };
    Ok(Reply { http: 200, body, mark: None })
}

fn visible<'a>(state: &'a State, caller: &Caller, id: &str) -> Option<&'a Media> {
    let media = state.media.get(id).filter(|media| media.expires_at > state.env.now)?;
    let owner = state.numbers.get(&media.number_id)?;
    caller.may_use(&owner.waba_id).then_some(media)
}

fn url_hash(state: &State, id: &str, expires: &str) -> String {
    let key = format!("media {}", state.env.seed);
    format!(
        "AT{}",
        ids::hmac_hex(&key, format!("{id}|{expires}").as_bytes()).chars().take(32).collect::<String>()
    )
}

impl State {
    /// Keeps some content and gives it an id.
    pub(crate) fn keep_media(&mut self, number_id: &str, file: FilePart, kept_for: i64) -> String {
        let now = self.env.now;
        self.media.retain(|_, media| media.expires_at > now);
        let id = self.mint_id("media");
        let content = file.content;
        let mut media = Media {
            id: id.clone(),
            number_id: number_id.to_owned(),
            mime: file.mime,
            filename: file.name,
            size: content.len(),
            sha256: ids::hex(&ids::sha256(&content)),
            expires_at: now + kept_for,
            content: None,
        };
        let file = self.env.media_dir.as_ref().map(|dir| std::fs::write(dir.join(&id), &content));
        match file {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(%error, "keeping the content of a medium in its file");
                media.content = Some(content);
            }
            None => media.content = Some(content),
        }
        self.media.insert(id.clone(), media);
        self.is_dirty = true;
        id
    }

    /// An address of a medium, good for five minutes.
    pub(crate) fn media_url(&self, id: &str) -> String {
        let expires = (seconds(self.env.now) + URL_FOR).to_string();
        format!(
            "{}/whatsapp_business/attachments/?mid={id}&ext={expires}&hash={}",
            self.env.base_url,
            url_hash(self, id, &expires)
        )
    }

    fn content_of(&self, media: &Media) -> Option<Bytes> {
        if let Some(content) = &media.content {
            return Some(content.clone());
        }
        let dir = self.env.media_dir.as_ref()?;
        std::fs::read(dir.join(&media.id)).ok().map(Bytes::from)
    }
}
