//! Contacts.

use super::example::CONTACT;
use super::operation::Operation;
use super::schema::{Schema, boolean, id, named, need, shown, text, time};
use crate::api::Code;

/// The routes.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("list_contacts", "List contacts", "Newest first.")
            .query("phone_number", "The whole number, in any spelling.", text(1..))
            .query("opted_out", "Whether they take no marketing.", boolean())
            .search("A part of the name or the number.", 200)
            .lists("contacts", "Contact", SHOWN),
        Operation::new("get_contact", "Read a contact", "")
            .id("The id of the contact.", CONTACT)
            .gives(200, "The contact.", named("Contact"), SHOWN)
            .fails([Code::ContactNotFound]),
    ]
}

/// The shapes by name.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let contact = shown([
        need("id", id()),
        need("phone_number", text(1..).or_null()),
        need("user_id", text(1..).or_null().about("Meta's business-scoped user id.")),
        need("name", text(..).or_null()),
        need("last_inbound_at", time().or_null().about("When they last wrote.")),
        need("opted_out", boolean().about("Whether they take no marketing.")),
        need("created_at", time()),
    ]);
    vec![("Contact", contact)]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000003","phone_number":"+15550100001",
    "user_id":"US.87354945036704728","name":"Ada Byron","last_inbound_at":"2026-05-29T10:30:00Z","opted_out":false,
    "created_at":"2026-05-01T08:00:00Z"}"#;
