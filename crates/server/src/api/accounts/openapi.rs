//! Accounts, and their business profiles.

use crate::api::accounts::list::read_list;
use crate::api::accounts::registration::read_pin;
use crate::api::accounts::request::{FETCH_MEDIA, read_changes, read_deletion, read_new};
use domain::accounts::profile;
use domain::check::RequestSchema;
use domain::id::WorkspaceId;
use engine::accounts::ACCOUNT_CHECKS;

use crate::api::error::Code;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{Schema, boolean, id, integer, list, named, need, shown, text, word};

const ID_OF: &str = "ID or name of the account.";
/// What can go wrong when Meta is asked for something.
const AT_META: [Code; 4] =
    [Code::MetaError, Code::MetaRateLimited, Code::MetaUnavailable, Code::AccountDisconnected];

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = vec![
        Operation::new("list_accounts", "List accounts", "Oldest first.")
            .reads_query(RequestSchema::of_query(read_list))
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
            "Create an account",
            "Adds a WhatsApp phone number that sends messages. No response contains its tokens and secrets. \
             After this, test the account, and subscribe it so that Meta sends its webhooks to Waypost.",
        )
        .reads(
            RequestSchema::of(|fields| read_new(fields, WorkspaceId::from_parts(0, &[0; 10]), false)),
            [(
                "shop",
                r#"{"name":"shop","phone_number_id":"106540352242922","waba_id":"102290129340398","access_token":"EAAGm0PX4ZCpsBAKJYXZCJ7",
                    "app_secret":"2f1c9d7e5b3a48f6","verify_token":"a-word-of-yours","sandbox":true}"#,
            )],
        )
        .gives(201, "The account.", named("Account"), SHOWN)
        .fails([Code::AccountExists]),
        account(on(Operation::new("get_account", "Get an account", ""))),
        account(on(Operation::new(
            "update_account",
            "Update an account",
            "Changes the given fields. `null` clears `app_secret`, `verify_token` and `fetch_media`. Waypost \
             tests a new access token with Meta first; a valid token ends a hold that an invalid token caused. \
             A replaced app secret stays valid for webhooks for 24 hours.",
        )))
        .reads(RequestSchema::of(|fields| read_changes(fields, None)), [("name", r#"{"name":"Main street","default":true}"#)])
        .fails([Code::AccountExists]),
        on(Operation::new(
            "delete_account",
            "Delete an account",
            "The messages of the account are kept. An account with queued messages is deleted only with \
             `force`, which cancels them.",
        ))
        .reads_query(RequestSchema::of_query(read_deletion))
        .gives_nothing("Deleted.")
        .fails([Code::AccountBusy]),
        account(on(Operation::new(
            "resume_account",
            "Resume a held account",
            "Waypost holds an account when Meta refuses the account or its access token. After this call, its \
             queued messages are sent.",
        )))
        .takes_nothing(),
    ]
}

/// What is asked and set at Meta.
fn at_meta() -> [Operation; 5] {
    let check = shown([
        need("name", word(ACCOUNT_CHECKS)),
        need("ok", boolean()),
        need("finding", text(1..).about("Result of the check, with advice.")),
    ]);
    [
        on(Operation::new(
            "test_account",
            "Test an account",
            "Checks the access token, its expiry and its permissions, the phone number and its quality, the \
             webhook subscription and the callback URL. Each check is a separate entry of `checks`.",
        ))
        .takes_nothing()
        .gives(
            200,
            "Results of the checks.",
            shown([
                need("id", id()),
                need("ok", boolean().about("`true` if every check succeeded.")),
                need("checks", list(check, 1..)),
            ]),
            r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","ok":false,"checks":[
                {"name":"token","ok":true,"finding":"valid, never expires"},
                {"name":"webhook","ok":false,"finding":"no app is subscribed to this WhatsApp Business Account, therefore Meta sends no webhooks: subscribe your app"}]}"#,
        ),
        on(Operation::new(
            "subscribe_account",
            "Subscribe to the webhooks of an account",
            "Subscribes the app of the access token to the WhatsApp Business Account.",
        ))
        .takes_nothing()
        .gives(
            200,
            "The app is subscribed.",
            shown([need("id", id()), need("subscribed_apps", list(text(..), ..).about("Names of the subscribed \
                 apps."))]),
            r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","subscribed_apps":["Shop messages"]}"#,
        )
        .fails(AT_META),
        on(Operation::new(
            "register_account",
            "Register a phone number",
            "Registers the phone number for the Cloud API. If the number has no two-step verification PIN, the \
             given PIN is set; otherwise it must be the number's PIN.",
        ))
        .reads(
            RequestSchema::of(read_pin),
            [("pin", r#"{"pin":"123456"}"#)],
        )
        .gives(200, "The account.", named("Account"), SHOWN)
        .fails(AT_META),
        on(Operation::new("get_account_profile", "Get the business profile", "Returns the profile that customers see."))
            .gives(200, "The business profile.", named("BusinessProfile"), PROFILE)
            .fails(AT_META),
        on(Operation::new(
            "update_account_profile",
            "Update the business profile",
            "Changes the given fields. `null` clears a field. `about` cannot be cleared.",
        ))
        .reads(
            RequestSchema::of(profile::read_change),
            [("words", r#"{"about":"Open 9 to 17","description":"Fine ferries since 1902.","websites":["https://harbour.example"],"vertical":"TRAVEL"}"#)],
        )
        .gives(200, "The business profile.", named("BusinessProfile"), PROFILE)
        .fails(AT_META),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let limit = shown([
        need("tier", text(1..).or_null().about("Meta's messaging limit, such as `TIER_2K`.")),
        need(
            "used_24h",
            integer(0..).about(
                "Number of people who received the first message of a conversation \
             in the last 24 hours.",
            ),
        ),
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
        need("status_reason", text(1..).or_null().about("Reason for the hold.")),
        need("default", boolean().about("`true`: sends that name no account use this account.")),
        need("sandbox", boolean().about("`true`: the account uses the simulator instead of Meta.")),
        need("fetch_media", boolean().or_null().about(FETCH_MEDIA)),
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
    .about("The names are Meta's. A field that is not set is `null` or empty.");
    vec![("Account", account), ("BusinessProfile", profile)]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","name":"sandbox","phone_number_id":"555010000000301",
    "waba_id":"555010000000201","display_phone_number":"+1 555-010-9999","quality_rating":"GREEN",
    "messaging_limit":{"tier":"TIER_100K","used_24h":3},"status":"connected","status_reason":null,"default":true,
    "sandbox":true,"fetch_media":null}"#;

const PROFILE: &str = r#"{"about":"Open 9 to 17","address":"1 Quay","description":"Fine ferries since 1902.",
    "email":"desk@harbour.example","websites":["https://harbour.example"],"vertical":"TRAVEL",
    "profile_picture_url":null}"#;
