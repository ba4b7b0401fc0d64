//! `docs/errors.md`: printed from the codes themselves, and compared.

use std::fmt::Write;

use domain::meta_error::{MetaErrorClass, TABLE};
use expect_test::expect_file;

use super::Code;

/// What a class of Meta's errors makes the gateway do.
fn behaviour(class: MetaErrorClass) -> &'static str {
    match class {
        MetaErrorClass::Retry => "tried again, with growing waits drawn by chance",
        MetaErrorClass::ThrottleNumber => "the number's pace is halved, then tried again",
        MetaErrorClass::ThrottlePair => "this recipient waits 1, 4, 16, … s, then tried again",
        MetaErrorClass::SuspendAccount => "the account is held; its queue waits until somebody resumes it",
        MetaErrorClass::PauseTemplate => "fails; nothing is mended by sending it again",
        MetaErrorClass::OptOut => "fails; this person gets no marketing any more",
        MetaErrorClass::LimitMarketing => "fails; this person gets no marketing for 24 hours",
        MetaErrorClass::WindowClosed => "fails; the window counts as closed until the customer writes",
        MetaErrorClass::Permanent => "fails after exactly one call",
    }
}

fn reference() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Printed from the code: `UPDATE_EXPECT=1 cargo test -p waypost --lib reference`.\n\n\
         An answer that says no has this shape; `message` is for people, `code` is for programs:\n\n\
         ```json\n\
         {\"status\":\"error\",\"message\":\"…\",\"code\":\"outside_window\",\"details\":{},\"request_id\":\"01a2…\"}\n\
         ```\n\n\
         429 and 5xx mean that the message was certainly not sent: try again after `Retry-After` seconds.\n\
         202 with the status `unknown` means that nobody knows yet: do not send it again, read the message later.\n\n\
         ## Codes of the API\n\n\
         | code | HTTP | meaning |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let line = writeln!(page, "| `{}` | {} | {} |", code.as_str(), code.status().as_u16(), code.about());
        line.expect("a string takes everything");
    }
    page.push_str(
        "\n## Meta's codes\n\n\
         They stand in `details.meta.code` of an answer and in `error.code` of a message that failed.\n\
         A sync send has five seconds for its turn and for repetitions; a queued one is tried again for a day, or until \
         it expires.\n\
         A code that is not listed is final.\n\n\
         | code | Meta's name | what the gateway does | what to do |\n|---|---|---|---|\n",
    );
    for entry in TABLE {
        let code = if entry.code == 200 { "200–299".to_owned() } else { entry.code.to_string() };
        let (title, advice) = (entry.title, entry.advice);
        let line = writeln!(page, "| {code} | {title} | {} | {advice} |", behaviour(entry.class));
        line.expect("a string takes everything");
    }
    page.push_str(
        "\nCodes 1 and 2 with an HTTP status of 500 or more leave open whether Meta took the message: such a send is \
         `unknown`.\n",
    );
    page
}

#[test]
fn the_page_of_errors_is_what_the_code_says() {
    expect_file!["../../../../../docs/errors.md"].assert_eq(&reference());
}
