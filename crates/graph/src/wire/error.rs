//! Meta's error objects, in all of their shapes.

use std::borrow::Cow;

use domain::meta_error::MetaError;

use crate::json_reader::Json;

/// Reads an error object of a response (`message`, `error_subcode`, `error_user_msg`, …) or of a webhook (`title`,
/// `error_data`, `href`). Returns `None` if it has no code: it is then not an error of Meta's API.
pub(crate) fn read(object: Json<'_>) -> Option<MetaError> {
    let mut error = MetaError::default();
    let mut code = None;
    let (mut title, mut message, mut user_title, mut user_message) = (None, None, None, None);
    let (mut data, mut details) = (None, None);
    for (name, value) in object.members() {
        match &*name {
            "code" => code = value.integer(),
            "error_subcode" => error.subcode = value.integer(),
            "title" => title = value.scalar(),
            "message" => message = value.scalar(),
            "error_user_title" => user_title = value.scalar(),
            "error_user_msg" => user_message = value.scalar(),
            "error_data" => data = details_of(value),
            // The on-premises API used this member, and some errors still do.
            "details" => details = value.scalar(),
            "fbtrace_id" => error.fbtrace_id = value.scalar().map(Cow::into_owned),
            _ => {}
        }
    }
    error.code = code?;
    let message = message.map(|message| without_code(message, error.code));
    error.details =
        data.or_else(|| details.or(user_message).or_else(|| message.clone()).map(Cow::into_owned));
    error.title = user_title.or(title).or(message).map(Cow::into_owned);
    Some(error)
}

/// Reads `error_data`: an object, an object in a string, or a text.
fn details_of(data: Json<'_>) -> Option<String> {
    if data.is_object() {
        return data.get("details")?.scalar().map(Cow::into_owned);
    }
    let text = data.scalar()?;
    match Json::parse(text.as_bytes()) {
        Ok(inner) if inner.is_object() => inner.get("details")?.scalar().map(Cow::into_owned),
        Ok(_) | Err(_) => Some(text.into_owned()),
    }
}

/// Returns `(#131009) Parameter value is not valid` without the code.
fn without_code(message: Cow<'_, str>, code: i64) -> Cow<'_, str> {
    let rest = message.strip_prefix("(#").and_then(|rest| {
        let (number, rest) = rest.split_once(')')?;
        (number.parse() == Ok(code)).then(|| rest.trim_start())
    });
    match rest {
        Some("") | None => message,
        Some(rest) => Cow::Owned(rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the literal stands at the call")]
    fn reads(json: &str, expected: Expect) {
        let error = read(Json::parse(json.as_bytes()).expect("JSON"));
        expected.assert_eq(
            &error.map_or("none".to_owned(), |error| serde_json::to_string(&error).expect("JSON")),
        );
    }

    #[test]
    fn an_error_of_a_response_with_details() {
        reads(
            r##"{"message":"(#131009) Parameter value is not valid","type":"OAuthException","code":131009,
                "error_data":{"messaging_product":"whatsapp","details":"Button title length invalid. Min length: 1, Max length: 20"},
                "fbtrace_id":"AbCdEf0123456789xyzQRST"}"##,
            expect![[
                r#"{"code":131009,"title":"Parameter value is not valid","details":"Button title length invalid. Min length: 1, Max length: 20","fbtrace_id":"AbCdEf0123456789xyzQRST"}"#
            ]],
        );
    }

    #[test]
    fn error_data_as_json_in_a_string() {
        reads(
            r##"{"message":"(#100) Invalid parameter","code":"100","error_data":"{\"details\":\"Say \\\"whatsapp\\\".\"}"}"##,
            expect![[r#"{"code":100,"title":"Invalid parameter","details":"Say \"whatsapp\"."}"#]],
        );
        reads(
            r##"{"message":"(#100) Invalid parameter","code":100,"error_data":"just words"}"##,
            expect![[r#"{"code":100,"title":"Invalid parameter","details":"just words"}"#]],
        );
        reads(
            r##"{"message":"(#100) Invalid parameter","code":100,"error_data":{}}"##,
            expect![[r#"{"code":100,"title":"Invalid parameter","details":"Invalid parameter"}"#]],
        );
    }

    #[test]
    fn a_template_error_uses_the_user_message() {
        reads(
            r##"{"message":"Invalid parameter","type":"OAuthException","code":100,"error_subcode":2388023,"is_transient":false,
                "error_user_title":"Name is taken","error_user_msg":"Wait four weeks or take another name.","fbtrace_id":"A1"}"##,
            expect![[
                r#"{"code":100,"subcode":2388023,"title":"Name is taken","details":"Wait four weeks or take another name.","fbtrace_id":"A1"}"#
            ]],
        );
    }

    #[test]
    fn a_generic_error_is_only_a_message() {
        reads(
            r##"{"message":"Error validating access token: Session has expired","type":"OAuthException","code":190,"error_subcode":463}"##,
            expect![[
                r#"{"code":190,"subcode":463,"title":"Error validating access token: Session has expired","details":"Error validating access token: Session has expired"}"#
            ]],
        );
        reads(
            r##"{"code":0,"message":"(#0) "}"##,
            expect![[r#"{"code":0,"title":"(#0) ","details":"(#0) "}"#]],
        );
    }

    #[test]
    fn a_webhooks_error() {
        reads(
            r##"{"code":131047,"title":"Re-engagement message","message":"Re-engagement message",
                "error_data":{"details":"More than 24 hours have passed."},"href":"https://developers.facebook.com/x"}"##,
            expect![[
                r#"{"code":131047,"title":"Re-engagement message","details":"More than 24 hours have passed."}"#
            ]],
        );
        reads(
            r##"{"code":1026,"title":"Receiver Incapable"}"##,
            expect![[r#"{"code":1026,"title":"Receiver Incapable"}"#]],
        );
    }

    #[test]
    fn an_error_without_a_code_is_not_an_error_of_meta() {
        reads(r##"{"message":"upstream connect error"}"##, expect!["none"]);
        reads(r##"{"code":"oops"}"##, expect!["none"]);
        reads(r##""Not Found""##, expect!["none"]);
    }

    #[test]
    fn members_of_other_types_count_as_absent() {
        reads(
            r##"{"code":131000,"message":{"x":1},"error_data":[1],"error_subcode":"2494055","title":null}"##,
            expect![[r#"{"code":131000,"subcode":2494055}"#]],
        );
    }
}
