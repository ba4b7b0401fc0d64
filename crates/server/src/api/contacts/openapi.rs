//! Contacts.

use domain::contacts::bsuid::Bsuid;
use domain::contacts::contact::{
    MAX_CUSTOM_FIELDS, MAX_CUSTOM_KEY, MAX_CUSTOM_VALUE, MAX_EMAIL, MAX_NAME, MAX_STAGE, MAX_TAG, MAX_TAGS,
};
use domain::contacts::opt_out::OptOutReason;
use domain::json::Value;

use crate::api::contacts::bulk::MAX_ITEMS;
use crate::api::contacts::import::MAX_ERRORS;
use crate::api::error::Code;
use crate::api::messages::openapi::{OUTBOUND, filters};
use crate::api::openapi::example::CONTACT;
use crate::api::openapi::operation::{Answer, Operation, TABLE};
use crate::api::openapi::schema::{
    Field, Schema, any_of, at_least_one, body, boolean, format, id, integer, list, map, may, named, need,
    one_of, pattern, shown, text, time, word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let mut operations = vec![list_contacts(), create_contact()];
    operations.extend(many());
    operations.extend(of_one());
    operations
}

/// Which contacts are asked for.
fn narrowed(operation: Operation) -> Operation {
    operation
        .query("phone_number", "The whole number, in any spelling.", text(1..))
        .query("tag", "A tag that they have.", text(1..=MAX_TAG))
        .query("stage", "The stage that they are in.", text(1..=MAX_STAGE))
        .query("opted_out", "Whether they take no marketing.", boolean())
        .search("A part of the name or the number.", 200)
}

fn list_contacts() -> Operation {
    narrowed(Operation::new("list_contacts", "List contacts", "Newest first."))
        .lists("contacts", "Contact", SHOWN)
}

fn create_contact() -> Operation {
    Operation::new(
        "create_contact",
        "Make a contact",
        "Somebody who writes becomes a contact by that alone; this is for those who have not written yet. A number or a \
         user id is needed. A key that is for certain accounts changes no contacts.",
    )
    .query("upsert", "`true`: changes the contact that has the number or user id, if there is one.", boolean())
    .takes(
        named("NewContact"),
        [(
            "person",
            r#"{"phone_number":"+44 7700 900124","name":"Maya Osei","tags":["vip"],"stage":"lead","email":"maya@example.com",
                "custom_fields":{"loyalty_points":120,"city":"Leeds"}}"#,
        )],
    )
    .gives(201, "The contact.", named("Contact"), SHOWN)
    .gives(200, "With `upsert`: the contact that was there, as it is after the change.", named("Contact"), SHOWN)
    .fails([Code::ContactExists])
}

/// Many contacts in one call.
fn many() -> [Operation; 3] {
    let done = shown([
        need("index", integer(0..).about("Its place in `contacts`.")),
        need("id", id()),
        need("status", word(["created", "updated", "unchanged"])),
    ]);
    let refused = shown([
        need("index", integer(0..).about("Its place in `contacts`.")),
        need("code", word(Code::ALL.iter().map(|code| code.as_str()))),
        need("message", text(1..)),
        need("errors", named("Faults")),
        may("contact_id", id().about("`contact_exists`: who has the number or user id.")),
    ]);
    let put = Operation::new(
        "bulk_upsert_contacts",
        "Write down many contacts",
        "Each by its number or user id: new ones are made, known ones changed. One that is wrong fails alone; the others \
         are written together.",
    )
    .takes(
        body([need("contacts", list(named("NewContact"), 1..=MAX_ITEMS))]),
        [("two", r#"{"contacts":[{"phone_number":"+447700900124","name":"Maya Osei","tags":["vip"]},{"phone_number":"+447700900125","stage":"lead"}]}"#)],
    )
    .gives(
        200,
        "What became of each.",
        shown([need("results", list(one_of([done, refused]), 1..=MAX_ITEMS))]),
        r#"{"results":[{"index":0,"id":"01a2b3c4-0000-7000-8000-000000000003","status":"created"},
            {"index":1,"code":"invalid_request","message":"The request is not valid: `/email` must be an e-mail address, such as maya@example.com.",
            "errors":[{"pointer":"/email","reason":"must be an e-mail address, such as maya@example.com"}]}]}"#,
    );
    let import = Operation::new(
        "import_contacts",
        "Read contacts from a table",
        "CSV in UTF-8, of up to 100 MB, parted by commas or semicolons; the first row names the columns: `phone_number`, \
         `user_id`, `name`, `email`, `tags` (parted by `|`), `stage`, `opted_out`, `custom.<name>`. Each row is written \
         by its number or user id; an empty cell keeps what is there. Rows that are wrong are told in `errors_csv`, and \
         the others are written. When the import breaks off, `details.imported` of the error says how far it came.",
    )
    .query("dry_run", "`true`: nothing is written; the answer says what would become of it.", boolean())
    .takes_form(body([need("file", format("binary").about("The table."))]))
    .or_takes(TABLE, text(1..).about("The table."), IMPORTED)
    .gives(200, "What became of the rows.", named("Import"), REPORT);
    let export = narrowed(Operation::new(
        "export_contacts",
        "Write contacts to a table",
        "All that fit, newest first, as CSV that an import takes back unchanged. A cell that a spreadsheet would take for \
         a formula begins with an apostrophe.",
    ))
    .answer(Answer {
        status: 200,
        about: "The table.",
        content: Some((TABLE, text(1..))),
        example: Some(EXPORTED.into()),
        headers: Vec::new(),
    })
    .with_header("Content-Disposition", "That it is a file, `contacts.csv`.", text(1..));
    [put, import, export]
}

/// What is done with one contact.
fn of_one() -> [Operation; 5] {
    let on =
        |operation: Operation| operation.id("The id of the contact.", CONTACT).fails([Code::ContactNotFound]);
    let listed = filters(on(Operation::new(
        "list_contact_messages",
        "List the messages of a contact",
        "Newest first, at every account that you may see.",
    )));
    [
        on(Operation::new("get_contact", "Read a contact", "")).gives(200, "The contact.", named("Contact"), SHOWN),
        on(Operation::new(
            "update_contact",
            "Change a contact",
            "Changes what is given; `null` clears. `tags` and `custom_fields` replace what was there.",
        ))
        .takes(body(changes()), [("stage", r#"{"stage":"customer","tags":["vip","wholesale"]}"#)])
        .gives(200, "The contact.", named("Contact"), SHOWN)
        .fails([Code::ContactExists]),
        on(Operation::new(
            "delete_contact",
            "Erase a contact",
            "For good, with what its messages say and the files that came with them. What was counted stays counted.",
        ))
        .gives_nothing("It is erased."),
        listed.lists("messages", "Message", OUTBOUND).fails([Code::AccountNotFound]),
        on(Operation::new(
            "get_contact_window",
            "Read the customer service windows of a contact",
            "Whether free-form messages may be sent, and until when: at the account that is named, else at the default \
             one; `windows` has every account that you may see.",
        ))
        .query("account", "Id or name of an account.", text(1..=200))
        .gives(200, "The windows.", windows(), WINDOW)
        .fails([Code::AccountNotFound]),
    ]
}

fn windows() -> Schema {
    let fields = || {
        [
            ("whatsapp_account_id", id()),
            ("is_open", boolean()),
            ("last_inbound_at", time().or_null().about("When they last wrote to this account, or called.")),
            ("closes_at", time().or_null().about("When the window closes, or closed.")),
        ]
    };
    let one = shown(fields().map(|(name, schema)| need(name, schema)));
    let all = need("windows", list(one, ..).about("At every account that you may see."));
    shown(fields().map(|(name, schema)| may(name, schema)).into_iter().chain([all]))
        .about("Without any account there are only `windows`, and none.")
}

/// The fields of a contact that a caller sets.
fn changes() -> [Field; 8] {
    let blank = "Not blank.";
    let tag = pattern(r"^[^\s|]([^|]*[^\s|])?$").set("minLength", 1).set("maxLength", number(MAX_TAG));
    let value = any_of([
        text(..=MAX_CUSTOM_VALUE),
        Schema::default().set("type", vec![Value::from("number"), "boolean".into(), "null".into()]),
    ]);
    let custom = map(value)
        .set("maxProperties", number(MAX_CUSTOM_FIELDS))
        .set("propertyNames", text(1..=MAX_CUSTOM_KEY));
    let user = pattern(r"^[^.\s]+\.\S+$").set("maxLength", number(Bsuid::MAX));
    let email = pattern(r"^[^@\s<>,;]+@[^@\s<>,;.]+(\.[^@\s<>,;.]+)+$").set("maxLength", number(MAX_EMAIL));
    [
        may("phone_number", text(1..).about("In international form.").example("+447700900124")),
        may("user_id", user.about("Meta's business-scoped user id.").example("GB.77120394857261034")),
        may("name", text(1..=MAX_NAME).set("pattern", r"\S").about(blank)),
        may("tags", list(tag, ..=MAX_TAGS).about("Words that sort people into groups, without `|`.")),
        may("stage", text(1..=MAX_STAGE).set("pattern", r"\S").about(blank)),
        may("email", email),
        may(
            "custom_fields",
            custom.about("Whatever else you want to keep: names with texts, numbers or truths."),
        ),
        may("opted_out", boolean().about("`true`: no marketing template is sent to them.")),
    ]
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let reason = word(OptOutReason::ALL.map(OptOutReason::as_str));
    let value = Schema::default().set("type", vec![Value::from("string"), "number".into(), "boolean".into()]);
    let contact = shown([
        need("id", id()),
        need("phone_number", text(1..).or_null()),
        need("user_id", text(1..).or_null().about("Meta's business-scoped user id.")),
        need("name", text(..).or_null()),
        need("username", text(..).or_null().about("Their name at WhatsApp, if they have one.")),
        need("tags", list(text(1..), ..)),
        need("stage", text(1..).or_null()),
        need("email", text(1..).or_null()),
        need("custom_fields", map(value)),
        need("last_inbound_at", time().or_null().about("When they last wrote.")),
        need("opted_out", boolean().about("Whether they take no marketing.")),
        need(
            "opted_out_reason",
            reason.or_null().about("Why: they wrote a word, told Meta, you said so, or a table did."),
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
        need("last_line", integer(0..).about("The last line that was looked at.")),
        need(
            "errors_csv",
            text(1..)
                .or_null()
                .about(&format!("Lines, columns and reasons, as CSV; at most {MAX_ERRORS} rows.")),
        ),
        need("errors_truncated", boolean().about("`true` when there were more.")),
    ]);
    vec![
        ("Contact", contact),
        ("NewContact", at_least_one(body(changes()), &["phone_number", "user_id"])),
        ("Import", import),
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
