//! Commands of contacts.

use super::super::definition::ParameterKind::{Boolean, Flag, List, Pairs};
use super::super::definition::{
    ApiCommand, ApiParameter, IdLookup, ResultFormat, TableColumn, delete, get, post, put, rows,
};
use super::messages::MESSAGE_COLUMNS;
use super::shared::{ACCOUNT, SEARCH};

const CONTACT: ApiParameter =
    ApiParameter::path("ID|NUMBER", "ID or phone number of the contact").found_by(&IdLookup {
        path: "/api/contacts",
        filter: "phone_number",
        member: "contacts",
        equals: None,
        what: "contact with the number",
    });

const CONTACT_FILTERS: &[ApiParameter] = &[
    ApiParameter::query("phone-number", "NUMBER", "Only this phone number").named("phone_number"),
    ApiParameter::query("tag", "TAG", "Only with this tag"),
    ApiParameter::query("stage", "STAGE", "Only with this stage"),
    ApiParameter::query("opted-out", "", "Only contacts that have opted out of marketing, or all others")
        .named("opted_out")
        .of_kind(Boolean),
    ApiParameter::query("username", "NAME", "Only this user name"),
    SEARCH,
];

const PHONE_NUMBER: ApiParameter =
    ApiParameter::body("phone-number", "NUMBER", "Phone number in international format")
        .named("phone_number");
const CONTACT_NAME: ApiParameter = ApiParameter::body("name", "NAME", "Name");
const TAGS: ApiParameter = ApiParameter::body("tags", "TAGS", "Tags, separated by commas").of_kind(List);
const STAGE: ApiParameter = ApiParameter::body("stage", "STAGE", "Stage");
const EMAIL: ApiParameter = ApiParameter::body("email", "ADDRESS", "E-mail address");
const CUSTOM_FIELDS: ApiParameter =
    ApiParameter::body("field", "NAME=VALUE", "Custom field; can be repeated")
        .named("custom_fields")
        .of_kind(Pairs);
const OPTED_OUT: ApiParameter =
    ApiParameter::body("opted-out", "", "`true`: the contact gets no marketing messages")
        .named("opted_out")
        .of_kind(Boolean);

/// Commands of contacts.
pub(super) const CONTACTS: &[ApiCommand] = &[
    ApiCommand {
        name: "list",
        about: "List contacts, newest first",
        parameters: CONTACT_FILTERS,
        effect: get("/api/contacts", rows("contacts", CONTACT_COLUMNS)),
    },
    ApiCommand {
        name: "show",
        about: "Show a contact",
        parameters: &[CONTACT],
        effect: get("/api/contacts/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "add",
        about: "Add a contact",
        parameters: &[
            PHONE_NUMBER.required(),
            CONTACT_NAME,
            TAGS,
            STAGE,
            EMAIL,
            CUSTOM_FIELDS,
            OPTED_OUT,
            ApiParameter::query("upsert", "", "Update the contact if there is one with this number")
                .of_kind(Flag),
        ],
        effect: post("/api/contacts", ResultFormat::Members),
    },
    ApiCommand {
        name: "update",
        about: "Change fields of a contact; an empty value deletes a field",
        parameters: &[CONTACT, PHONE_NUMBER, CONTACT_NAME, TAGS, STAGE, EMAIL, CUSTOM_FIELDS, OPTED_OUT],
        effect: put("/api/contacts/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "remove",
        about: "Erase a contact with all messages; this cannot be undone",
        parameters: &[CONTACT],
        effect: delete("/api/contacts/{id}", "the contact and its messages are erased"),
    },
    ApiCommand {
        name: "messages",
        about: "List the messages of a contact, newest first",
        parameters: &[CONTACT],
        effect: get("/api/contacts/{id}/messages", rows("messages", MESSAGE_COLUMNS)),
    },
    ApiCommand {
        name: "window",
        about: "Show the customer service windows of a contact",
        parameters: &[CONTACT, ACCOUNT],
        effect: get("/api/contacts/{id}/window", ResultFormat::Members),
    },
    ApiCommand {
        name: "import",
        about: "Import contacts from a CSV file",
        parameters: &[
            ApiParameter::file("CSV file; `-` is standard input"),
            ApiParameter::query("dry-run", "", "Check the file and change nothing")
                .named("dry_run")
                .of_kind(Flag),
        ],
        effect: post("/api/contacts/import", ResultFormat::Members),
    },
    ApiCommand {
        name: "export",
        about: "Print contacts as CSV, at most 64 MB; GET /api/contacts/export has no limit",
        parameters: CONTACT_FILTERS,
        effect: get("/api/contacts/export", ResultFormat::Text),
    },
];

const CONTACT_COLUMNS: &[TableColumn] = &[
    TableColumn("NAME", "/name"),
    TableColumn("NUMBER OR USER ID", "/phone_number|/user_id"),
    TableColumn("STAGE", "/stage"),
    TableColumn("TAGS", "/tags"),
    TableColumn("OPTED OUT", "/opted_out"),
    TableColumn("LAST MESSAGE", "/last_inbound_at"),
    TableColumn("ID", "/id"),
];
