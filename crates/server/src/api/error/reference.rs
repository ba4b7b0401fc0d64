//! Test that `docs/errors.md` matches the error codes.

use std::fmt::Write;

use domain::meta_error::{MetaErrorClass, TABLE};
use expect_test::expect_file;

use crate::api::error::Code;

/// Reaction of Waypost to an error from Meta, by class.
fn behaviour(class: MetaErrorClass) -> &'static str {
    match class {
        MetaErrorClass::Retry => "retries with exponential backoff and jitter",
        MetaErrorClass::RetryLater => {
            "retries after the time that Meta documents; other messages are not affected"
        }
        MetaErrorClass::ThrottleNumber => "halves the send rate of the phone number, then retries",
        MetaErrorClass::ThrottlePair => "retries after 1, 4, 16, … s; other recipients are not affected",
        MetaErrorClass::ThrottleSpam => {
            "slows the phone number to one message after 1, 2, 4, 8, then every 15 minutes until Meta accepts one; queued messages wait"
        }
        MetaErrorClass::SuspendAccount => {
            "holds the account; queued messages wait until the account is resumed by an operator or, unless the token is refused, by an accepted probe"
        }
        MetaErrorClass::PauseTemplate => "fails the message; do not retry",
        MetaErrorClass::OptOut => "fails the message; opts the recipient out of marketing messages",
        MetaErrorClass::LimitMarketing => {
            "fails the message; sends no marketing messages to the recipient for 24 hours"
        }
        MetaErrorClass::WindowClosed => {
            "fails the message; treats the window as closed until the customer writes"
        }
        MetaErrorClass::Permanent => "fails the message without a retry",
    }
}

fn reference() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Printed from the code: `UPDATE_EXPECT=1 cargo test -p waypost --lib reference`.\n\n\
         Error responses have this format. Programs should use `code`; the text of `message` can change:\n\n\
         ```json\n\
         {\"status\":\"error\",\"message\":\"…\",\"code\":\"outside_window\",\"details\":{},\"request_id\":\"01a2…\"}\n\
         ```\n\n\
         If a send responds 429 or 5xx, the message was not sent. Send the request again after `Retry-After` seconds.\n\
         If a send responds 202 with the status `unknown`, Meta may have accepted the message. Do not send the message again; get its status later with `GET /api/messages/{id}`.\n\n\
         ## Codes of the API\n\n\
         | code | HTTP | meaning |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let line =
            writeln!(page, "| `{}` | {} | {} |", code.as_str(), code.status().as_u16(), code.description());
        line.expect("writing to a string cannot fail");
    }
    page.push_str(
        "\n## Meta's codes\n\n\
         Error responses contain the code in `details.meta.code`, failed messages in `error.code`.\n\
         Waypost retries a synchronous send for up to 5 seconds, and a queued message for up to 24 hours or until \
         it expires.\n\
         Errors with other codes are not retried.\n\n\
         | code | Meta's title | what Waypost does | what to do |\n|---|---|---|---|\n",
    );
    for entry in TABLE {
        let code = if entry.code == 200 { "200–299".to_owned() } else { entry.code.to_string() };
        let (title, advice) = (entry.title, entry.advice);
        let line = writeln!(page, "| {code} | {title} | {} | {advice} |", behaviour(entry.class));
        line.expect("writing to a string cannot fail");
    }
    page.push_str(
        "\nIf Meta responds with code 1 or 2 and an HTTP status of 500 or higher, Meta may have accepted the message. The message \
         gets the status `unknown`.\n",
    );
    page
}

#[test]
fn the_error_reference_matches_the_code() {
    expect_file!["../../../../../docs/errors.md"].assert_eq(&reference());
}
