//! Accounts, and their business profiles.

use domain::accounts::profile::{MAX_ABOUT, MAX_WEBSITE, MAX_WEBSITES, TEXTS, VERTICALS};
use engine::accounts::CHECKS;

use crate::api::accounts::request::{MAX_ID, MAX_NAME, MAX_SECRET};
use crate::api::error::Code;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Field, Schema, any_case, body, boolean, format, id, integer, keep, list, may, named, need, pattern,
    shown, text, word,
};

const ID_OF: &str = "The id of the account, or its name.";
/// What can go wrong when Meta is asked for something.
const AT_META: [Code; 4] =
    [Code::MetaError, Code::MetaRateLimited, Code::MetaUnavailable, Code::AccountDisconnected];

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        Operation::new("list_accounts", "List accounts", "Oldest first.")
            .search("A part of the name or the number.", 200)
            .lists("accounts", "Account", SHOWN),
    ];
    operations.extend(changes());
    operations.extend(at_meta());
    operations
}

fn on(operation: Operation) -> Operation {
    operation.id(ID_OF, ACCOUNT).fails([Code::AccountNotFound])
}

fn changes() -> [Operation; 5] {
    let account = |operation: Operation| operation.gives(200, "The account.", named("Account"), SHOWN);
    [
        Operation::new(
            "create_account",
            "Add an account",
            "A WhatsApp sender, as Meta knows it. Tokens and secrets go in, and never come out. Test it next, and \
             subscribe it: then Meta posts here what customers write.",
        )
        .takes(
            body(wish()),
            [(
                "shop",
                r#"{"name":"shop","phone_number_id":"106540352242922","waba_id":"102290129340398","access_token":"EAAGm0PX4ZCpsBAKJYXZCJ7",
                    "app_secret":"2f1c9d7e5b3a48f6","verify_token":"a-word-of-yours","sandbox":true}"#,
            )],
        )
        .gives(201, "The account.", named("Account"), SHOWN)
        .fails([Code::AccountExists]),
        account(on(Operation::new("get_account", "Read an account", ""))),
        account(on(Operation::new(
            "update_account",
            "Change an account",
            "Changes what is given; `null` clears `app_secret`, `verify_token` and `fetch_media`. A new access token is tried at Meta \
             first; when it works, a hold that was for the old one ends. An app secret that is replaced proves webhooks \
             for another 24 hours.",
        )))
        .takes(body(change()), [("name", r#"{"name":"Main street","default":true}"#)])
        .fails([Code::AccountExists]),
        on(Operation::new(
            "delete_account",
            "Remove an account",
            "What it sent and received stays. While messages wait in its queue it is removed with `force` only, which \
             cancels them.",
        ))
        .query("force", "`true`: messages that wait are canceled.", boolean())
        .gives_nothing("It is removed.")
        .fails([Code::AccountBusy]),
        account(on(Operation::new(
            "resume_account",
            "Let a held account send again",
            "An account is held when Meta refuses it or its token; what was queued meanwhile leaves then.",
        )))
        .takes_nothing(),
    ]
}

/// What is asked and set at Meta.
fn at_meta() -> [Operation; 5] {
    let check = shown([
        need("name", word(CHECKS)),
        need("ok", boolean()),
        need("finding", text(1..).about("What was found, and what to do about it.")),
    ]);
    [
        on(Operation::new(
            "test_account",
            "Try an account",
            "Its token, when that ends, its scopes, the number, its quality, the webhook subscription and the callback: each is a line of its \
             own, whatever the others say.",
        ))
        .takes_nothing()
        .gives(
            200,
            "What was found.",
            shown([
                need("id", id()),
                need("ok", boolean().about("Whether all is well.")),
                need("checks", list(check, 1..)),
            ]),
            r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","ok":false,"checks":[
                {"name":"token","ok":true,"finding":"valid, never expires"},
                {"name":"webhook","ok":false,"finding":"no app is subscribed to this WhatsApp Business Account: Meta will report nothing; subscribe yours"}]}"#,
        ),
        on(Operation::new(
            "subscribe_account",
            "Subscribe to an account's webhooks",
            "Subscribes the app of the access token to the WhatsApp Business Account.",
        ))
        .takes_nothing()
        .gives(
            200,
            "It is subscribed.",
            shown([need("id", id()), need("subscribed_apps", list(text(..), ..).about("Their names."))]),
            r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","subscribed_apps":["Shop messages"]}"#,
        )
        .fails(AT_META),
        on(Operation::new(
            "register_account",
            "Register an account's number",
            "For the Cloud API. The PIN becomes the number's two-step verification PIN, or is the one that it has.",
        ))
        .takes(
            body([need("pin", pattern("^[0-9]{6}$").about("Six digits, as a string."))]),
            [("pin", r#"{"pin":"123456"}"#)],
        )
        .gives(200, "The account.", named("Account"), SHOWN)
        .fails(AT_META),
        on(Operation::new("get_account_profile", "Read the business profile", "As customers see it."))
            .gives(200, "The profile.", named("Profile"), PROFILE)
            .fails(AT_META),
        on(Operation::new(
            "update_account_profile",
            "Change the business profile",
            "Changes what is given; `null` clears, except for `about`.",
        ))
        .takes(
            body(profile_change()),
            [("words", r#"{"about":"Open 9 to 17","description":"Fine ferries since 1902.","websites":["https://harbour.example"],"vertical":"TRAVEL"}"#)],
        )
        .gives(200, "The profile.", named("Profile"), PROFILE)
        .fails(AT_META),
    ]
}

fn name() -> Schema {
    const INNER: &str = r"\u0000-\u001f\u007f-\u009f";
    let seen = std::format!(r"^[^\s{INNER}]([^{INNER}]*[^\s{INNER}])?$");
    text(1..=MAX_NAME).set("pattern", seen)
}

fn meta_id() -> Schema {
    pattern(&std::format!("^[0-9]{{1,{MAX_ID}}}$"))
}

fn secret() -> Schema {
    text(1..=MAX_SECRET).set("pattern", "^[!-~]+$")
}

/// Who fetches the links of messages.
const FETCHES: &str = "Whether a link in a message is fetched here and uploaded, instead of handed to Meta; null: as \
                       the configuration says.";

fn wish() -> [Field; 9] {
    [
        need("name", name()),
        need("phone_number_id", meta_id().about("Meta's id of the number, not the number.")),
        need("waba_id", meta_id().about("Meta's id of the WhatsApp Business Account.")),
        need("access_token", secret().about("Calls Meta.")),
        may("app_secret", secret().about("Proves that a webhook is Meta's.")),
        may("verify_token", secret().about("A word of yours, with which Meta checks the callback.")),
        may("default", boolean().default_of(false).about("Whether a send that names no account uses it.")),
        may(
            "sandbox",
            boolean().about("Whether it talks to the simulator. Without it: as the key. A test key makes no other, a live key none."),
        ),
        may("fetch_media", boolean().about(FETCHES)),
    ]
}

fn change() -> [Field; 9] {
    [
        keep("name", name()),
        keep("access_token", secret()),
        may("app_secret", secret()),
        may("verify_token", secret()),
        keep("default", boolean()),
        may("fetch_media", boolean().about(FETCHES)),
        may("phone_number_id", text(..).about("Cannot be changed; may say what it is.")),
        may("waba_id", text(..).about("Cannot be changed; may say what it is.")),
        may("sandbox", boolean().about("Cannot be changed; may say what it is.")),
    ]
}

fn profile_change() -> Vec<Field> {
    let mut fields = vec![keep("about", text(1..=MAX_ABOUT))];
    fields.extend(TEXTS.iter().map(|(name, most)| may(name, text(..=*most))));
    let site = format("uri").set("maxLength", i64::try_from(MAX_WEBSITE).unwrap_or(i64::MAX));
    fields.extend([
        may("websites", list(site, ..=MAX_WEBSITES).about("`https://` or `http://`.")),
        may("vertical", any_case(&VERTICALS).about(&std::format!("One of {}.", VERTICALS.join(", ")))),
        may("profile_picture_handle", text(1..).about("Of a picture that was uploaded to Meta.")),
    ]);
    fields
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let limit = shown([
        need("tier", text(1..).or_null().about("Meta's messaging limit, such as `TIER_2K`.")),
        need("used_24h", integer(0..).about("How many people were written to first in 24 hours.")),
    ]);
    let account = shown([
        need("id", id()),
        need("name", text(1..)),
        need("phone_number_id", text(1..)),
        need("waba_id", text(1..)),
        need("display_phone_number", text(1..).or_null()),
        need("quality_rating", text(1..).or_null().about("`GREEN`, `YELLOW`, `RED`, `NA` or `UNKNOWN`.")),
        need("messaging_limit", limit),
        need("status", word(["connected", "held", "disconnected"])),
        need("status_reason", text(1..).or_null().about("Why it is held.")),
        need("default", boolean().about("Whether a send that names no account uses it.")),
        need("sandbox", boolean().about("Whether it talks to the simulator.")),
        need("fetch_media", boolean().or_null().about(FETCHES)),
    ]);
    let some = || text(..).or_null();
    let profile = shown([
        need("about", some()),
        need("address", some()),
        need("description", some()),
        need("email", some()),
        need("websites", list(text(..), ..).or_null()),
        need("vertical", some()),
        need("profile_picture_url", some()),
    ])
    .about("In Meta's names; what is not set is null or empty.");
    vec![("Account", account), ("Profile", profile)]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","name":"sandbox","phone_number_id":"555010000000301",
    "waba_id":"555010000000201","display_phone_number":"+1 555-010-9999","quality_rating":"GREEN",
    "messaging_limit":{"tier":"TIER_100K","used_24h":3},"status":"connected","status_reason":null,"default":true,
    "sandbox":true,"fetch_media":null}"#;

const PROFILE: &str = r#"{"about":"Open 9 to 17","address":"1 Quay","description":"Fine ferries since 1902.",
    "email":"desk@harbour.example","websites":["https://harbour.example"],"vertical":"TRAVEL",
    "profile_picture_url":null}"#;
