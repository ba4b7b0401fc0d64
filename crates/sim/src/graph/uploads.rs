//! Resumable uploads, for the samples of template headers and for profile pictures.

use serde_json::json;

use crate::{
    error::{Checked, GraphError},
    graph::{Call, Reply, auth},
    ids,
    state::{State, Upload},
};

const TYPES: [&str; 5] = ["application/pdf", "image/jpeg", "image/jpg", "image/png", "video/mp4"];
/// The most bytes of an upload.
const MOST: usize = 100 << 20;

/// `POST /{app-id}/uploads`.
pub(crate) fn start(state: &mut State, call: &Call, app_id: &str) -> Checked<Reply> {
    let text = |key: &str| {
        call.params.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let need =
        |key: &str| text(key).ok_or_else(|| GraphError::schema(format!("The parameter {key} is required.")));
    let length: usize = need("file_length")?
        .parse()
        .ok()
        .filter(|length| (1..=MOST).contains(length))
        .ok_or_else(|| GraphError::schema("Param file_length must be a positive number of bytes."))?;
    let mime = need("file_type")?;
    if !TYPES.contains(&mime.as_str()) {
        return Err(crate::validate::not_one_of("file_type", &TYPES, &mime));
    }
    let bytes = state.mint("upload");
    let id = format!("upload:{}", ids::hex(&bytes).chars().take(24).collect::<String>());
    let signature: String = ids::hex(&ids::sha256(&bytes)).chars().take(16).collect();
    let upload = Upload {
        app_id: app_id.to_owned(),
        name: text("file_name").unwrap_or_default(),
        mime,
        length,
        received: 0,
        handle: None,
    };
    state.uploads.insert(id.clone(), upload);
    state.is_dirty = true;
    Ok(Reply::json(json!({"id": format!("{id}?sig={signature}")})))
}

/// `GET` and `POST` on an upload.
pub(crate) fn upload(state: &mut State, call: &Call, id: &str) -> Checked<Reply> {
    let caller = auth::authenticate(state, call)?;
    let Some(upload) = state.uploads.get_mut(id).filter(|upload| upload.app_id == caller.app_id) else {
        return Err(GraphError::no_node(call.method.as_str(), id));
    };
    match call.method.as_str() {
        "GET" => Ok(Reply::json(json!({"id": id, "file_offset": upload.received}))),
        "POST" => {
            let offset = call
                .headers
                .get("file_offset")
                .and_then(|value| value.to_str().ok())
                .and_then(|text| text.trim().parse::<usize>().ok())
                .ok_or_else(|| GraphError::schema("The header file_offset is required."))?;
            if offset != upload.received || offset + call.bytes.len() > upload.length {
                return Err(GraphError::schema(format!(
                    "The offset does not fit: {} of {} bytes are here.",
                    upload.received, upload.length
                )));
            }
            upload.received += call.bytes.len();
            if upload.received < upload.length {
                let received = upload.received;
                state.is_dirty = true;
                return Ok(Reply::json(json!({"id": id, "file_offset": received})));
            }
            let handle = format!("4:{}", ids::base64(id.as_bytes()));
            upload.handle = Some(handle.clone());
            state.is_dirty = true;
            Ok(Reply::json(json!({"h": handle})))
        }
        method => Err(GraphError::no_method(method)),
    }
}
