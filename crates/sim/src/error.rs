//! Meta's errors: the table of codes, and the two shapes (an answer's body, and an error inside a webhook).
//!
//! **Invariant:** a code has one title and one HTTP status; who refuses something names the code, never the status.

use serde_json::{Map, Value, json};

/// Reason why the simulator cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The folder or a file of the kept state cannot be used.
    #[error("using the simulator's data folder")]
    Data(#[source] std::io::Error),
    /// Another simulator keeps its state in the folder.
    #[error("another simulator is running with this data folder")]
    InUse,
    /// The kept state is there but is no state of ours.
    #[error("reading the simulator's kept state")]
    Corrupt(#[source] serde_json::Error),
    /// The port could not be listened on.
    #[error("listening")]
    Listen(#[source] std::io::Error),
    /// The client that sends the webhooks could not be built.
    #[error("building the webhook client: {0}")]
    Client(String),
}

/// The result of a check that may refuse in Meta's way.
pub(crate) type Checked<T> = Result<T, GraphError>;

/// A refusal in Meta's shape.
#[derive(Clone, Debug)]
pub(crate) struct GraphError {
    pub(crate) http: u16,
    pub(crate) code: i64,
    pub(crate) subcode: Option<i64>,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<String>,
    /// Title and text for people; boxed to keep the error small.
    pub(crate) user: Option<Box<(&'static str, String)>>,
    pub(crate) is_transient: Option<bool>,
}

impl GraphError {
    /// The error of a code, with its usual title, status and details.
    pub(crate) fn of(code: i64) -> Self {
        let entry = lookup(code);
        Self {
            http: entry.map_or(400, |entry| entry.http),
            code,
            subcode: None,
            kind: "OAuthException",
            message: format!("(#{code}) {}", entry.map_or("Unknown error", |entry| entry.title)),
            details: entry
                .map(|entry| entry.details)
                .filter(|details| !details.is_empty())
                .map(str::to_owned),
            user: None,
            is_transient: matches!(code, 1 | 2 | 4 | 17 | 80007).then_some(true),
        }
    }

    /// The error with another explanation.
    pub(crate) fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(crate) fn subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    pub(crate) fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn http(mut self, http: u16) -> Self {
        self.http = http;
        self
    }

    /// A schema error: code 100 with a sentence of its own.
    pub(crate) fn schema(sentence: impl AsRef<str>) -> Self {
        let mut error = Self::of(100);
        error.message = format!("(#100) {}", sentence.as_ref());
        error.details = None;
        error
    }

    /// A required part is absent.
    pub(crate) fn missing(path: &str) -> Self {
        Self::of(131008).details(format!("Parameter {path} is required"))
    }

    /// A value that Meta does not take, with the sentence that says why.
    pub(crate) fn invalid(sentence: impl Into<String>) -> Self {
        Self::of(131009).details(sentence)
    }

    /// Graph's answer for an id that is unknown or belongs to somebody else.
    pub(crate) fn no_node(method: &str, id: &str) -> Self {
        let mut error = Self::of(100).subcode(33).kind("GraphMethodException");
        error.message = format!(
            "Unsupported {} request. Object with ID '{id}' does not exist, is not visible with this token, or does \
             not support this operation",
            method.to_lowercase()
        );
        error.details = None;
        error
    }

    /// Graph's answer for an edge that does not exist.
    pub(crate) fn no_edge(path: &str) -> Self {
        Self {
            http: 400,
            code: 2500,
            subcode: None,
            kind: "OAuthException",
            message: format!("Unknown path components: /{path}"),
            details: None,
            user: None,
            is_transient: None,
        }
    }

    /// Graph's answer for a method that a node or edge does not have.
    pub(crate) fn no_method(method: &str) -> Self {
        let mut error = Self::of(100).subcode(33).kind("GraphMethodException");
        error.message = format!("Unsupported {} request.", method.to_lowercase());
        error.details = None;
        error
    }

    /// A refusal of the template management, which explains itself in the user's fields.
    pub(crate) fn template(subcode: i64, title: &'static str, explanation: impl Into<String>) -> Self {
        let mut error = Self::of(100).subcode(subcode);
        error.message = "Invalid parameter".to_owned();
        error.details = None;
        error.is_transient = Some(false);
        error.user = Some(Box::new((title, explanation.into())));
        error
    }

    /// The body of the answer.
    pub(crate) fn body(&self, trace: &str) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), json!(self.message));
        error.insert("type".to_owned(), json!(self.kind));
        error.insert("code".to_owned(), json!(self.code));
        if let Some(details) = &self.details {
            error.insert(
                "error_data".to_owned(),
                json!({"messaging_product": "whatsapp", "details": details}),
            );
        }
        if let Some(subcode) = self.subcode {
            error.insert("error_subcode".to_owned(), json!(subcode));
        }
        if let Some(is_transient) = self.is_transient {
            error.insert("is_transient".to_owned(), json!(is_transient));
        }
        if let Some((title, explanation)) = self.user.as_deref() {
            error.insert("error_user_title".to_owned(), json!(title));
            error.insert("error_user_msg".to_owned(), json!(explanation));
        }
        error.insert("fbtrace_id".to_owned(), json!(trace));
        json!({"error": error})
    }
}

/// The error object of a webhook.
pub(crate) fn webhook_error(code: i64, details: Option<&str>) -> Value {
    let entry = lookup(code);
    let title = entry.map_or("Unknown error", |entry| entry.title);
    let details = details.unwrap_or_else(|| entry.map_or("", |entry| entry.details));
    json!({
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": if details.is_empty() { title } else { details }},
        "href": "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes",
    })
}

/// `true` if the table contains a code.
pub(crate) fn is_known(code: i64) -> bool {
    lookup(code).is_some()
}

fn lookup(code: i64) -> Option<&'static Entry> {
    crate::codes::TABLE.iter().find(|entry| entry.code == code)
}

/// One row of the table of codes.
pub(crate) struct Entry {
    pub(crate) code: i64,
    pub(crate) http: u16,
    pub(crate) title: &'static str,
    /// Default details of the error; may be empty.
    pub(crate) details: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_with_a_status_and_both_shapes() {
        let codes: Vec<i64> = crate::codes::TABLE.iter().map(|entry| entry.code).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "sorted and unique");
        for entry in crate::codes::TABLE {
            assert!((400..600).contains(&entry.http), "{}", entry.code);
            let body = GraphError::of(entry.code).body("trace");
            assert_eq!(body["error"]["code"], entry.code);
            assert_eq!(body["error"]["message"], format!("(#{}) {}", entry.code, entry.title));
            let webhook = webhook_error(entry.code, None);
            assert_eq!(webhook["title"], entry.title);
            assert!(webhook["error_data"]["details"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }

    #[test]
    fn a_template_refusal_speaks_to_people() {
        let body = GraphError::template(2_388_299, "Title", "Why.").body("trace");
        assert_eq!(
            body,
            json!({"error": {"message": "Invalid parameter", "type": "OAuthException", "code": 100,
                "error_subcode": 2_388_299, "is_transient": false, "error_user_title": "Title",
                "error_user_msg": "Why.", "fbtrace_id": "trace"}})
        );
    }
}
