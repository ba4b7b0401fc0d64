//! Templates.

use super::example::TEMPLATE;
use super::operation::Operation;
use super::schema::{Schema, any_object, id, integer, list, may, named, need, shown, text, time, word};
use crate::api::Code;

/// The routes.
pub(super) fn operations() -> Vec<Operation> {
    let some = || text(1..=512);
    vec![
        Operation::new("list_templates", "List templates", "Oldest first.")
            .query("name", "The name.", some())
            .query("language", "The language code.", some())
            .query("status", "Meta's status, such as `APPROVED`, in any case.", some())
            .query("category", "`MARKETING`, `UTILITY` or `AUTHENTICATION`, in any case.", some())
            .query("account", "Id or name of an account.", some())
            .search("A part of the name.", 512)
            .lists("templates", "StoredTemplate", SHOWN)
            .fails([Code::AccountNotFound]),
        Operation::new("get_template", "Read a template", "")
            .id("Our id of the template.", TEMPLATE)
            .gives(200, "The template.", named("StoredTemplate"), SHOWN)
            .fails([Code::TemplateNotFound]),
        Operation::new(
            "sync_templates",
            "Read the templates from Meta again",
            "Answers when done. Meta's webhooks tell of changes by themselves; this is for the first time, and when in doubt.",
        )
        .may_take(
            [may("account", text(1..=200).about("Id or name; without it all accounts that you may use."))],
            r#"{"account":"sandbox"}"#,
        )
        .gives(
            200,
            "How many there are.",
            shown([
                need("added", integer(0..)),
                need("updated", integer(0..)),
                need("removed", integer(0..)),
                need("total", integer(0..)),
            ]),
            r#"{"added":2,"updated":0,"removed":1,"total":11}"#,
        )
        .fails([
            Code::AccountNotFound,
            Code::MetaError,
            Code::MetaRateLimited,
            Code::MetaUnavailable,
            Code::AccountDisconnected,
        ]),
    ]
}

/// The shapes by name.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let template = shown([
        need("id", id().about("Ours.")),
        need("template_id", text(1..).about("Meta's.")),
        need("waba_id", text(1..)),
        need("name", text(1..)),
        need("language", text(1..)),
        need("category", text(1..).about("`MARKETING`, `UTILITY`, `AUTHENTICATION`, or what Meta says.")),
        need("status", text(1..).about("`APPROVED`, `PENDING`, `REJECTED`, `PAUSED`, …, or what Meta says.")),
        need("parameter_format", word(["POSITIONAL", "NAMED"])),
        need("components", list(any_object(), ..).about("As Meta shows them.")),
        need("quality", text(1..).or_null()),
        need("rejected_reason", text(1..).or_null()),
        need("synced_at", time()),
    ]);
    vec![("StoredTemplate", template)]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000004","template_id":"638556904220408",
    "waba_id":"555010000000201","name":"order_confirmation","language":"en","category":"UTILITY","status":"APPROVED",
    "parameter_format":"POSITIONAL","components":[{"type":"BODY","text":"Thank you, {{1}}. Your order {{2}} is confirmed."}],
    "quality":"GREEN","rejected_reason":null,"synced_at":"2026-05-29T10:30:00Z"}"#;
