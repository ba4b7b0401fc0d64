//! The outcome of a send, decoded from Meta's response.

use std::borrow::Cow;

use domain::messages::outcome::{AcceptedMessage, SendOutcome};
use domain::meta_error::MetaError;
use domain::retry_after;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::escapes;
use crate::json_reader::Json;

/// Returns the outcome of a send whose response was read completely.
pub(crate) fn outcome(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> SendOutcome {
    let body = escapes::replace_invalid_escapes(body);
    let Ok(response) = Json::parse(&body) else { return without_error(status, headers) };
    if status.is_success()
        && let Some(accepted) = accepted(response)
    {
        return SendOutcome::Accepted(accepted);
    }
    match error(status, headers, response) {
        Some(error) if error.is_ambiguous() => SendOutcome::Unknown {
            reason: format!(
                "HTTP {} with Meta's code {}, which does not prove that the message was rejected",
                status.as_u16(),
                error.code
            ),
        },
        Some(error) => SendOutcome::Refused(error),
        None => without_error(status, headers),
    }
}

/// Returns the outcome that the status alone proves: 3xx and 4xx are a refusal before Meta's API.
pub(crate) fn rejected_by_status(status: StatusCode, headers: &HeaderMap) -> Option<SendOutcome> {
    (status.is_redirection() || status.is_client_error())
        .then(|| SendOutcome::Stopped { http_status: status.as_u16(), retry_after: retry_after(headers) })
}

fn without_error(status: StatusCode, headers: &HeaderMap) -> SendOutcome {
    rejected_by_status(status, headers).unwrap_or_else(|| {
        let missing = if status.is_success() { "message id" } else { "error object of Meta" };
        SendOutcome::Unknown { reason: format!("HTTP {} without a {missing}", status.as_u16()) }
    })
}

/// Returns the Graph API's `error` object of a response.
pub(crate) fn error(status: StatusCode, headers: &HeaderMap, response: Json<'_>) -> Option<MetaError> {
    let error = crate::wire::error::read(response.get("error")?)?;
    Some(MetaError { http_status: Some(status.as_u16()), retry_after: retry_after(headers), ..error })
}

fn accepted(response: Json<'_>) -> Option<AcceptedMessage> {
    let (mut message, mut contact) = (None, None);
    for (name, value) in response.members() {
        match &*name {
            "messages" => message = value.elements().next(),
            "contacts" => contact = value.elements().next(),
            _ => {}
        }
    }
    let message = message?;
    let owned = |object: Option<Json<'_>>, name| object?.get(name)?.scalar().map(Cow::into_owned);
    Some(AcceptedMessage {
        wamid: owned(Some(message), "id")?,
        wa_id: owned(contact, "wa_id"),
        user_id: owned(contact, "user_id"),
        message_status: owned(Some(message), "message_status"),
    })
}

/// Returns the seconds to wait that the response names, in `Retry-After` or in Meta's usage header.
///
/// A date in `Retry-After` is compared with the response's own `Date`, so that no clock is read here.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u32> {
    let text = |name: &http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let sent_at = text(&DATE).and_then(retry_after::parse_date);
    if let Some(wait) = text(&RETRY_AFTER).and_then(|value| retry_after::parse(value, sent_at)) {
        return u32::try_from(wait.as_secs()).ok();
    }
    let usage = Json::parse(text(&USAGE)?.as_bytes()).ok()?;
    let minutes = usage
        .members()
        .flat_map(|(_, limits)| limits.elements())
        .filter_map(|limit| limit.get("estimated_time_to_regain_access")?.integer())
        .max()?;
    u32::try_from(minutes.saturating_mul(60)).ok().filter(|seconds| *seconds > 0)
}

const USAGE: http::HeaderName = http::HeaderName::from_static("x-business-use-case-usage");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> SendOutcome {
        outcome(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), body.as_bytes())
    }

    fn with_headers(headers: &[(&'static str, &'static str)]) -> Option<u32> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        retry_after(&headers)
    }

    fn is_unknown(outcome: &SendOutcome) -> bool {
        matches!(outcome, SendOutcome::Unknown { .. })
    }

    #[test]
    fn an_id_means_that_meta_accepted_the_message() {
        let body = r#"{"messaging_product":"whatsapp","contacts":[{"input":"+44 7700 900123","wa_id":"447700900123"}],
            "messages":[{"id":"wamid.HBg=","message_status":"accepted"}]}"#;
        assert_eq!(
            read(200, body),
            SendOutcome::Accepted(AcceptedMessage {
                wamid: "wamid.HBg=".into(),
                wa_id: Some("447700900123".into()),
                user_id: None,
                message_status: Some("accepted".into()),
            })
        );
    }

    #[test]
    fn an_id_is_sufficient_with_any_other_members() {
        let accepted = |wa_id: Option<&str>, user_id: Option<&str>| {
            SendOutcome::Accepted(AcceptedMessage {
                wamid: "w".into(),
                wa_id: wa_id.map(str::to_owned),
                user_id: user_id.map(str::to_owned),
                message_status: None,
            })
        };
        assert_eq!(read(200, r#"{"messages":[{"id":"w"}]}"#), accepted(None, None));
        assert_eq!(read(201, r#"{"messages":[{"id":"w"}],"contacts":null}"#), accepted(None, None));
        assert_eq!(
            read(
                200,
                r#"{"contacts":[{"input":"GB.7","wa_id":"","user_id":"GB.7"}],"messages":[{"id":"w"}]}"#
            ),
            accepted(None, Some("GB.7"))
        );
        assert_eq!(
            read(
                200,
                r#"{"contacts":{"wa_id":"4"},"messages":[{"id":"w","message_status":7.5,"x":"\ud800"}],"error":null}"#
            ),
            SendOutcome::Accepted(AcceptedMessage {
                wamid: "w".into(),
                message_status: Some("7.5".into()),
                ..AcceptedMessage::default()
            })
        );
    }

    #[test]
    fn a_success_without_an_id_is_unknown() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"messages":[]}"#,
            r#"{"messages":[{"id":""}]}"#,
            r#"{"messages":[{}]}"#,
            "<html>",
        ] {
            assert!(is_unknown(&read(200, body)), "{body}");
        }
    }

    #[test]
    fn an_error_object_is_a_rejection_with_any_status() {
        let body = r#"{"error":{"message":"(#131000) Something went wrong","code":131000}}"#;
        for status in [200, 302, 400, 404, 429, 500, 503] {
            let SendOutcome::Refused(error) = read(status, body) else { panic!("{status}") };
            assert_eq!((error.code, error.http_status), (131_000, Some(status)));
        }
    }

    #[test]
    fn codes_1_and_2_are_a_rejection_only_with_a_client_error() {
        for code in [1, 2] {
            let body = format!(r#"{{"error":{{"message":"An unknown error occurred","code":{code}}}}}"#);
            assert!(matches!(read(400, &body), SendOutcome::Refused(_)));
            assert!(is_unknown(&read(500, &body)));
            assert!(is_unknown(&read(503, &body)));
        }
    }

    #[test]
    fn without_an_error_object_the_status_determines_the_outcome() {
        for body in ["", "<html>429</html>", r#"{"error":"slow down"}"#, r#"{"error":{"message":"no code"}}"#]
        {
            for status in [301, 400, 403, 429] {
                assert_eq!(
                    read(status, body),
                    SendOutcome::Stopped { http_status: status, retry_after: None }
                );
            }
            for status in [500, 502, 504] {
                assert!(is_unknown(&read(status, body)));
            }
        }
    }

    #[test]
    fn the_wait_is_read_from_both_headers() {
        assert_eq!(with_headers(&[("retry-after", "17")]), Some(17));
        assert_eq!(with_headers(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")]), None);
        let date = ("date", "Wed, 21 Oct 2026 07:27:30 GMT");
        assert_eq!(with_headers(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), date]), Some(30));
        let usage = r#"{"210987650001234":[{"type":"messaging","call_count":100,"estimated_time_to_regain_access":4},{"type":"whatsapp","estimated_time_to_regain_access":19}]}"#;
        assert_eq!(with_headers(&[("x-business-use-case-usage", usage)]), Some(19 * 60));
        // Error 80008 of management calls (Meta: Rate Limits, Business Use Case Rate Limits).
        let usage = r#"{"210987650001234":[{"type":"whatsapp","call_count":100,"total_cputime":25,"total_time":25,"estimated_time_to_regain_access":7}]}"#;
        assert_eq!(with_headers(&[("x-business-use-case-usage", usage)]), Some(7 * 60));
        assert_eq!(
            with_headers(&[(
                "x-business-use-case-usage",
                r#"{"2":[{"estimated_time_to_regain_access":0}]}"#
            )]),
            None
        );
        assert_eq!(with_headers(&[("x-business-use-case-usage", "nonsense")]), None);
        assert_eq!(with_headers(&[]), None);
    }
}
