//! Accounts.

use super::example::ACCOUNT;
use super::operation::Operation;
use super::schema::{Schema, boolean, id, integer, named, need, shown, text, word};
use crate::api::Code;

/// The routes.
pub(super) fn operations() -> Vec<Operation> {
    let id_of = "The id of the account, or its name.";
    vec![
        Operation::new("list_accounts", "List accounts", "Oldest first.")
            .search("A part of the name or the number.", 200)
            .lists("accounts", "Account", SHOWN),
        Operation::new("get_account", "Read an account", "")
            .id(id_of, ACCOUNT)
            .gives(200, "The account.", named("Account"), SHOWN)
            .fails([Code::AccountNotFound]),
        Operation::new(
            "resume_account",
            "Let a held account send again",
            "An account is held when Meta refuses it or its token; what was queued meanwhile leaves then.",
        )
        .id(id_of, ACCOUNT)
        .takes_nothing()
        .gives(200, "The account.", named("Account"), SHOWN)
        .fails([Code::AccountNotFound]),
    ]
}

/// The shapes by name.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
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
    ]);
    vec![("Account", account)]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","name":"sandbox","phone_number_id":"555010000000301",
    "waba_id":"555010000000201","display_phone_number":"+1 555-010-9999","quality_rating":"GREEN",
    "messaging_limit":{"tier":"TIER_100K","used_24h":3},"status":"connected","status_reason":null,"default":true,
    "sandbox":true}"#;
