//! Contacts.

use crate::api::contacts::bulk::read_items;
use crate::api::contacts::change::read_upsert;
use crate::api::contacts::import::read_dry_run;
use crate::api::contacts::list::read_filter;
use crate::api::contacts::window::read_account;
use crate::api::pagination;
use domain::check::{Item, RequestSchema};
use domain::contacts::contact::ContactChange;
use domain::contacts::opt_out::OptOutReason;
use domain::json::Value;
use engine::contacts::ContactVisibility;

use crate::api::contacts::bulk::MAX_ITEMS;
use crate::api::contacts::import::MAX_ERRORS;
use crate::api::error::Code;
use crate::api::messages::openapi::{OUTBOUND, filters};
use crate::api::openapi::example::CONTACT;
use crate::api::openapi::operation::{Answer, Operation, TABLE};
use crate::api::openapi::schema::{
    Schema, body, boolean, format, id, integer, list, map, may, named, need, one_of, shown, text, time, word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = vec![list_contacts(), create_contact()];
    operations.extend(many());
    operations.extend(of_one());
    operations
}

/// Adds the filters of contacts, with those of the page of a list.
fn filtered(operation: Operation, is_list: bool) -> Operation {
    operation.reads_query(RequestSchema::of_query(|fields| {
        let _described =
            read_filter(fields, ContactVisibility { accounts: None, includes_without_messages: true });
        if is_list {
            let _described = pagination::page_request("contacts", fields);
        }
    }))
}

fn list_contacts() -> Operation {
    filtered(Operation::new("list_contacts", "List contacts", "Newest first."), true)
        .lists("contacts", "Contact", SHOWN)
}

fn create_contact() -> Operation {
    Operation::new(
        "create_contact",
        "Create a contact",
        "Adds a person who has not written yet. Waypost creates a contact for every person who writes. A key \
         that is limited to some accounts cannot change contacts.",
    )
    .reads_query(RequestSchema::of_query(read_upsert))
    .reads(
        new_contact(),
        [(
            "person",
            r#"{"phone_number":"+44 7700 900124","name":"Maya Osei","tags":["vip"],"stage":"lead","email":"maya@example.com",
                "custom_fields":{"loyalty_points":120,"city":"Leeds"}}"#,
        )],
    )
    .gives(201, "The contact.", named("Contact"), SHOWN)
    .gives(200, "With `upsert`: the contact existed and is updated.", named("Contact"), SHOWN)
    .fails([Code::ContactExists])
}

/// Many contacts in one call.
fn many() -> [Operation; 3] {
    let put = Operation::new(
        "bulk_upsert_contacts",
        "Create or update many contacts",
        "Finds each contact by its phone number or user ID and creates or updates it. An invalid contact is \
         refused with its errors; the other contacts are stored in one transaction.",
    )
    .reads(
        RequestSchema::of(|fields| {
            for item in read_items(fields).iter().flat_map(|items| items.iter()) {
                item.shared("CreateContactRequest", read_item);
            }
        }),
        [("two", r#"{"contacts":[{"phone_number":"+447700900124","name":"Maya Osei","tags":["vip"]},{"phone_number":"+447700900125","stage":"lead"}]}"#)],
    )
    .gives(
        200,
        "Result for each item.",
        shown([need("results", list(one_of([named("BulkUpsertedContact"), named("BulkRefusedContact")]), 1..=MAX_ITEMS))]),
        r#"{"results":[{"index":0,"id":"01a2b3c4-0000-7000-8000-000000000003","status":"created"},
            {"index":1,"code":"invalid_request","message":"The request is not valid: `/email` must be an e-mail address, such as maya@example.com.",
            "errors":[{"pointer":"/email","reason":"must be an e-mail address, such as maya@example.com"}]}]}"#,
    );
    let import = Operation::new(
        "import_contacts",
        "Import contacts from CSV",
        "Reads CSV in UTF-8, at most 100 MB, separated by commas or semicolons. The first row has the names of \
         the columns: `phone_number`, `user_id`, `name`, `email`, `tags` (separated by `|`), `stage`, \
         `opted_out`, `custom.<name>`. Each row creates or updates the contact with its phone number or user \
         ID; an empty cell changes nothing. Invalid rows are listed in `errors_csv`; the other rows are \
         stored. If the import is interrupted, `details.imported` of the error has the result until then.",
    )
    .reads_query(RequestSchema::of_query(read_dry_run))
    .takes_form(body([need("file", format("binary").about("Contacts as CSV."))]))
    .or_takes(TABLE, text(1..).about("Contacts as CSV."), IMPORTED)
    .gives(200, "Result of the import.", named("ContactImport"), REPORT);
    let export = filtered(Operation::new(
        "export_contacts",
        "Export contacts as CSV",
        "Returns the contacts that match the filters, newest first, as CSV that can be imported again. A cell \
         that a spreadsheet would read as a formula begins with an apostrophe.",
    ), false)
    .answer(Answer {
        status: 200,
        about: "Contacts as CSV.",
        content: Some((TABLE, text(1..))),
        example: Some(EXPORTED.into()),
        headers: Vec::new(),
    })
    .with_header("Content-Disposition", "`attachment` with the file name `contacts.csv`.", text(1..));
    [put, import, export]
}

/// What is done with one contact.
fn of_one() -> [Operation; 5] {
    let on =
        |operation: Operation| operation.id("ID of the contact.", CONTACT).fails([Code::ContactNotFound]);
    let listed = filters(on(Operation::new(
        "list_contact_messages",
        "List the messages of a contact",
        "Lists messages of all accounts that the caller may see, newest first.",
    )));
    [
        on(Operation::new("get_contact", "Get a contact", "")).gives(200, "The contact.", named("Contact"), SHOWN),
        on(Operation::new(
            "update_contact",
            "Update a contact",
            "Changes the given fields. `null` clears a field. `tags` and `custom_fields` replace the present \
             values.",
        ))
        .reads(RequestSchema::of(ContactChange::read), [("stage", r#"{"stage":"customer","tags":["vip","wholesale"]}"#)])
        .gives(200, "The contact.", named("Contact"), SHOWN)
        .fails([Code::ContactExists]),
        on(Operation::new(
            "delete_contact",
            "Erase a contact",
            "Erases the contact, the content of its messages and its files permanently. Counts and statistics \
             stay the same.",
        ))
        .gives_nothing("The contact is erased."),
        listed.lists("messages", "Message", OUTBOUND).fails([Code::AccountNotFound]),
        on(Operation::new(
            "get_contact_window",
            "Get the customer service windows of a contact",
            "Says until when free-form messages can be sent to the contact: from the named account, or else \
             from the default account. `windows` has an entry for each account that the caller may see.",
        ))
        .reads_query(RequestSchema::of_query(read_account))
        .gives(200, "The customer service windows.", windows(), WINDOW)
        .fails([Code::AccountNotFound]),
    ]
}

fn windows() -> Schema {
    let fields = || {
        [
            ("whatsapp_account_id", id()),
            ("is_open", boolean()),
            (
                "last_inbound_at",
                time().or_null().about(
                    "Time of the contact's last message or call to this \
                 account.",
                ),
            ),
            ("closes_at", time().or_null().about("Time at which the window closes or closed.")),
        ]
    };
    let one = shown(fields().map(|(name, schema)| need(name, schema)));
    let all = need("windows", list(one, ..).about("Windows of all accounts that the caller may see."));
    shown(fields().map(|(name, schema)| may(name, schema)).into_iter().chain([all]))
        .about("If there is no account, `windows` is empty and the other fields are missing.")
}

/// Body of a new contact.
fn new_contact() -> RequestSchema {
    RequestSchema::of(ContactChange::read_new)
}

fn read_item(item: Item<'_, '_>) {
    if let Some(fields) = item.object() {
        let _described = ContactChange::read_new(&fields);
        fields.finish();
    }
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let reason = word(OptOutReason::ALL.map(OptOutReason::as_str));
    let value = Schema::default().set("type", vec![Value::from("string"), "number".into(), "boolean".into()]);
    let contact = shown([
        need("id", id()),
        need("phone_number", text(1..).or_null()),
        need("user_id", text(1..).or_null().about("Meta's business-scoped user ID.")),
        need("name", text(..).or_null()),
        need("username", text(..).or_null().about("WhatsApp user name.")),
        need("tags", list(text(1..), ..)),
        need("stage", text(1..).or_null()),
        need("email", text(1..).or_null()),
        need("custom_fields", map(value)),
        need("last_inbound_at", time().or_null().about("Time of the last message from the contact.")),
        need("opted_out", boolean().about("`true`: the contact receives no marketing templates.")),
        need(
            "opted_out_reason",
            reason
                .or_null()
                .about("Source of the opt-out: a keyword in a message, Meta, the API or an import."),
        ),
        need("opted_out_at", time().or_null()),
        need("created_at", time()),
    ]);
    let count = || integer(0..);
    let import = shown([
        need("dry_run", boolean()),
        need("created", count()),
        need("updated", count()),
        need("unchanged", count()),
        need("failed", count()),
        need("last_line", integer(0..).about("Number of the last line that was read.")),
        need(
            "errors_csv",
            text(1..)
                .or_null()
                .about(&format!("Lines, columns and reasons, as CSV; at most {MAX_ERRORS} rows.")),
        ),
        need("errors_truncated", boolean().about("`true`: `errors_csv` does not contain all errors.")),
    ]);
    let done = shown([
        need("index", integer(0..).about("Index of the contact in `contacts`.")),
        need("id", id()),
        need("status", word(["created", "updated", "unchanged"])),
    ]);
    let refused = shown([
        need("index", integer(0..).about("Index of the contact in `contacts`.")),
        need("code", word(Code::ALL.iter().map(|code| code.as_str()))),
        need("message", text(1..)),
        need("errors", named("ValidationErrors")),
        may(
            "contact_id",
            id().about(
                "With `contact_exists`: ID of the contact that has the phone number or \
             user ID.",
            ),
        ),
    ]);
    vec![
        ("BulkUpsertedContact", done),
        ("BulkRefusedContact", refused),
        ("Contact", contact),
        ("ContactImport", import),
    ]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000003","phone_number":"+447700900124",
    "user_id":"GB.77120394857261034","name":"Maya Osei","username":null,"tags":["vip"],"stage":"lead",
    "email":"maya@example.com","custom_fields":{"loyalty_points":120,"city":"Leeds"},
    "last_inbound_at":"2026-05-29T10:30:00Z","opted_out":false,"opted_out_reason":null,"opted_out_at":null,
    "created_at":"2026-05-01T08:00:00Z"}"#;

const WINDOW: &str = r#"{"whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","is_open":true,"last_inbound_at":"2026-05-29T10:30:00Z",
    "closes_at":"2026-05-30T10:30:00Z","windows":[{"whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","is_open":true,
    "last_inbound_at":"2026-05-29T10:30:00Z","closes_at":"2026-05-30T10:30:00Z"}]}"#;

const IMPORTED: &str = "phone_number,name,tags,custom.city\n+447700900124,Maya Osei,vip|wholesale,Leeds\n";

const EXPORTED: &str = "phone_number,user_id,name,email,tags,stage,opted_out,custom.city\n\
    +447700900124,\"\",Maya Osei,maya@example.com,vip|wholesale,lead,false,Leeds\n";

const REPORT: &str = r#"{"dry_run":false,"created":1,"updated":0,"unchanged":0,"failed":1,"last_line":3,
    "errors_csv":"line,column,reason\n3,phone_number,is required\n","errors_truncated":false}"#;
