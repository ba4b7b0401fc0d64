//! Faults on demand: which requests they hit, and what then happens.
//!
//! **Invariant:** a fault hits exactly as many requests as its `times` says; of several that match, the oldest acts.

use std::{collections::BTreeMap, time::Duration};

use axum::response::Response;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    clock,
    error::{GraphError, is_known},
    graph::{Cut, Mark, json_response, put, status},
    phone,
    state::State,
};

/// For how long the port stays closed per refused connection, when no time is given: a closed port cannot count.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// A fault: the requests that it applies to, and its effect.
#[derive(Clone, Debug)]
pub struct Fault {
    /// A part of the path of the requests it hits; any path when absent.
    pub path: Option<String>,
    /// Their method; any when absent.
    pub method: Option<String>,
    /// The recipient of the sends it hits; any request when absent. Not looked at by `cut_before` and `refuse`.
    pub to: Option<String>,
    /// Effect of the fault.
    pub action: FaultAction,
    /// Number of requests that the fault applies to.
    pub times: u32,
}

/// Effect of a fault on a request.
#[derive(Clone, Debug)]
pub enum FaultAction {
    /// It is answered with this and not processed.
    Status(FaultAnswer),
    /// It is processed, and the answer held back.
    Delay(Duration),
    /// Connections are refused, for a time or for `times` seconds.
    Refuse(Option<Duration>),
    /// It is thrown away and the connection cut.
    CutBefore,
    /// It is processed and the connection cut before the answer.
    CutAfter,
}

/// The answer of a `status` fault.
#[derive(Clone, Debug, Default)]
pub struct FaultAnswer {
    /// The HTTP status; that of the code when absent.
    pub status: Option<u16>,
    /// A Graph error code, which makes the body.
    pub code: Option<i64>,
    /// Its subcode.
    pub subcode: Option<i64>,
    /// Its details, instead of the usual ones.
    pub details: Option<String>,
    /// The body as it is, instead of one made from a code.
    pub body: Option<Value>,
    /// More headers.
    pub headers: BTreeMap<String, String>,
}

impl Fault {
    /// A fault that hits one request of a path.
    pub fn on(path: &str, action: FaultAction) -> Self {
        Self { path: Some(path.to_owned()), method: None, to: None, action, times: 1 }
    }

    fn word(&self) -> &'static str {
        match self.action {
            FaultAction::Status(_) => "status",
            FaultAction::Delay(_) => "delay",
            FaultAction::Refuse(_) => "refuse",
            FaultAction::CutBefore => "cut_before",
            FaultAction::CutAfter => "cut_after",
        }
    }

    fn hits(&self, method: &Method, path: &str) -> bool {
        self.path.as_ref().is_none_or(|part| path.contains(part.as_str()))
            && self.method.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(method.as_str()))
    }

    fn hits_recipient(&self, recipient: Option<&str>) -> bool {
        self.to.as_ref().is_none_or(|to| {
            recipient.is_some_and(|recipient| recipient == to || recipient == phone::only_digits(to))
        })
    }
}

/// A fault that waits for its requests.
#[derive(Clone, Debug)]
pub(crate) struct FaultEntry {
    pub(crate) id: u64,
    pub(crate) fault: Fault,
    pub(crate) n_left: u32,
    /// End of a refusal.
    pub(crate) until: Option<i64>,
}

/// Waiting fault in an answer of the control API.
#[derive(Debug, Serialize)]
pub(crate) struct FaultView {
    id: u64,
    action: &'static str,
    path: Option<String>,
    method: Option<String>,
    to: Option<String>,
    times_left: u32,
}

/// Fault that applies to a request.
pub(crate) enum Hit {
    Answer(Box<FaultAnswer>),
    Mark(Mark),
}

impl FaultAnswer {
    pub(crate) fn into_response(self, trace: &str) -> Response {
        let error = self.code.map(|code| {
            let mut error = GraphError::of(code);
            error.subcode = self.subcode.or(error.subcode);
            if let Some(details) = self.details {
                error = error.details(details);
            }
            error
        });
        let http = self.status.or(error.as_ref().map(|error| error.http)).unwrap_or(500);
        let mut response = match (self.body, error) {
            (Some(body), _) => json_response(http, &body),
            (None, Some(error)) => json_response(http, &error.body(trace)),
            // What a proxy on the way would say: no word of Graph's.
            (None, None) => {
                let mut response = Response::new(axum::body::Body::from("<html><body>Error</body></html>"));
                *response.status_mut() = status(http);
                put(&mut response, "content-type", "text/html");
                response
            }
        };
        for (name, value) in &self.headers {
            put(&mut response, name, value);
        }
        response
    }
}

impl State {
    pub(crate) fn add_fault(&mut self, fault: Fault) -> u64 {
        self.next += 1;
        let until = match &fault.action {
            FaultAction::Refuse(span) => span.map(|span| self.env.now + clock::millis(span)),
            FaultAction::Status(_)
            | FaultAction::Delay(_)
            | FaultAction::CutBefore
            | FaultAction::CutAfter => None,
        };
        let n_left = fault.times.max(1);
        self.faults.push(FaultEntry { id: self.next, fault, n_left, until });
        self.next
    }

    pub(crate) fn fault_views(&self) -> Vec<FaultView> {
        let view = |entry: &FaultEntry| FaultView {
            id: entry.id,
            action: entry.fault.word(),
            path: entry.fault.path.clone(),
            method: entry.fault.method.clone(),
            to: entry.fault.to.clone(),
            times_left: entry.n_left,
        };
        self.faults.iter().map(view).collect()
    }

    /// The faults that act before a request is read. Refusals are the listener's business when there is one.
    pub(crate) fn cut_at_once(&mut self, method: &Method, path: &str, is_wired: bool) -> Option<Cut> {
        let now = self.env.now;
        self.faults.retain(|entry| entry.until.is_none_or(|until| now < until));
        let position = self.faults.iter().position(|entry| match entry.fault.action {
            FaultAction::CutBefore => entry.fault.hits(method, path),
            FaultAction::Refuse(_) => !is_wired,
            FaultAction::Status(_) | FaultAction::Delay(_) | FaultAction::CutAfter => false,
        })?;
        let entry = self.faults.get(position)?;
        let is_refusal = matches!(entry.fault.action, FaultAction::Refuse(_));
        let cut = if is_refusal { Cut::Refused } else { Cut::Before };
        if entry.until.is_none() {
            self.use_fault(position);
        }
        Some(cut)
    }

    /// The faults that act on a request that has been read.
    pub(crate) fn fault_hit(&mut self, method: &Method, path: &str, recipient: Option<&str>) -> Option<Hit> {
        let position = self.faults.iter().position(|entry| {
            !matches!(entry.fault.action, FaultAction::CutBefore | FaultAction::Refuse(_))
                && entry.fault.hits(method, path)
                && entry.fault.hits_recipient(recipient)
        })?;
        let hit = match &self.faults.get(position)?.fault.action {
            FaultAction::Status(answer) => Hit::Answer(Box::new(answer.clone())),
            FaultAction::Delay(span) => Hit::Mark(Mark::Delay(*span)),
            FaultAction::CutAfter | FaultAction::CutBefore | FaultAction::Refuse(_) => Hit::Mark(Mark::Cut),
        };
        self.use_fault(position);
        Some(hit)
    }

    fn use_fault(&mut self, position: usize) {
        let Some(entry) = self.faults.get_mut(position) else { return };
        entry.n_left -= 1;
        if entry.n_left == 0 {
            self.faults.remove(position);
        }
    }

    /// The next refusal for the listener: for how long its port is to be closed.
    pub(crate) fn take_refusal(&mut self) -> Option<Duration> {
        let position =
            self.faults.iter().position(|entry| matches!(entry.fault.action, FaultAction::Refuse(_)))?;
        let entry = self.faults.remove(position);
        let FaultAction::Refuse(span) = entry.fault.action else { return None };
        Some(span.unwrap_or(REFUSED_FOR * entry.n_left))
    }
}

/// `POST /_sim/faults` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultRequest {
    #[serde(default, rename = "match")]
    matching: MatchRequest,
    action: ActionWord,
    times: Option<u32>,
    status: Option<u16>,
    code: Option<i64>,
    subcode: Option<i64>,
    details: Option<String>,
    body: Option<Value>,
    headers: Option<BTreeMap<String, String>>,
    retry_after: Option<u32>,
    delay_ms: Option<u64>,
    ms: Option<u64>,
    delay_seconds: Option<f64>,
    seconds: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchRequest {
    path: Option<String>,
    method: Option<String>,
    to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionWord {
    Status,
    Delay,
    Refuse,
    CutBefore,
    CutAfter,
}

impl FaultRequest {
    /// The fault, or what is wrong with the request.
    pub(crate) fn fault(self) -> Result<Fault, String> {
        let span = self.span()?;
        let has_answer = self.status.is_some()
            || self.code.is_some()
            || self.subcode.is_some()
            || self.details.is_some()
            || self.body.is_some()
            || self.headers.is_some()
            || self.retry_after.is_some();
        if has_answer && self.action != ActionWord::Status {
            return Err(
                "status, code, subcode, details, body, headers and retry_after go with action status"
                    .to_owned(),
            );
        }
        if span.is_some() && !matches!(self.action, ActionWord::Delay | ActionWord::Refuse) {
            return Err("a time goes with the actions delay and refuse".to_owned());
        }
        let times = self.times.unwrap_or(1);
        if times == 0 {
            return Err("times: must be at least 1".to_owned());
        }
        let action = match self.action {
            ActionWord::Status => FaultAction::Status(self.answer()?),
            ActionWord::Delay => FaultAction::Delay(
                span.ok_or("action delay needs one of delay_ms, ms, delay_seconds, seconds")?,
            ),
            ActionWord::Refuse => FaultAction::Refuse(span),
            ActionWord::CutBefore => FaultAction::CutBefore,
            ActionWord::CutAfter => FaultAction::CutAfter,
        };
        Ok(Fault {
            path: self.matching.path,
            method: self.matching.method,
            to: self.matching.to,
            action,
            times,
        })
    }

    fn span(&self) -> Result<Option<Duration>, String> {
        let seconds = |value: Option<f64>| {
            value
                .map(|seconds| {
                    Duration::try_from_secs_f64(seconds).map_err(|_| "seconds: is not a time".to_owned())
                })
                .transpose()
        };
        let given = [
            self.delay_ms.map(Duration::from_millis),
            self.ms.map(Duration::from_millis),
            seconds(self.delay_seconds)?,
            seconds(self.seconds)?,
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (_, Some(_)) => Err("give one of delay_ms, ms, delay_seconds, seconds".to_owned()),
            (first, None) => Ok(first),
        }
    }

    fn answer(&self) -> Result<FaultAnswer, String> {
        if self.status.is_none() && self.code.is_none() {
            return Err("action status needs a status, a code or both".to_owned());
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("status: must be between 200 and 599".to_owned());
        }
        if self.code.is_some_and(|code| !is_known(code) && self.status.is_none()) {
            return Err("code: is not in the table, so give its HTTP status too".to_owned());
        }
        let mut headers = self.headers.clone().unwrap_or_default();
        if let Some(seconds) = self.retry_after {
            headers.insert("retry-after".to_owned(), seconds.to_string());
        }
        Ok(FaultAnswer {
            status: self.status,
            code: self.code,
            subcode: self.subcode,
            details: self.details.clone(),
            body: self.body.clone(),
            headers,
        })
    }
}
