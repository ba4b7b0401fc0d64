//! Commands of message templates.

use super::super::definition::{
    ApiCommand, ApiParameter, IdLookup, ResultFormat, TableColumn, get, post, rows,
};
use super::shared::{ACCOUNT, SEARCH};

const TEMPLATE: ApiParameter =
    ApiParameter::path("ID|NAME", "ID of the template, or its name if the name has one language").found_by(
        &IdLookup {
            path: "/api/templates",
            filter: "name",
            member: "templates",
            equals: Some("name"),
            what: "template with the name",
        },
    );

/// Commands of message templates.
pub(super) const TEMPLATES: &[ApiCommand] = &[
    ApiCommand {
        name: "list",
        about: "List templates, oldest first",
        parameters: &[
            ApiParameter::query("name", "NAME", "Only this name"),
            ApiParameter::query("language", "CODE", "Only this language"),
            ApiParameter::query("status", "STATUS", "Only this status, such as APPROVED"),
            ApiParameter::query("category", "CATEGORY", "Only this category, such as MARKETING"),
            SEARCH,
            ACCOUNT,
        ],
        effect: get("/api/templates", rows("templates", TEMPLATE_COLUMNS)),
    },
    ApiCommand {
        name: "show",
        about: "Show a template",
        parameters: &[TEMPLATE],
        effect: get("/api/templates/{id}", ResultFormat::Members),
    },
    ApiCommand {
        name: "sync",
        about: "Read the templates from Meta; the command ends when the synchronization is complete",
        parameters: &[
            ApiParameter::body("account", "ID|NAME", "Only of this account").named("whatsapp_account")
        ],
        effect: post("/api/templates/sync", ResultFormat::Members),
    },
];

const TEMPLATE_COLUMNS: &[TableColumn] = &[
    TableColumn("NAME", "/name"),
    TableColumn("LANGUAGE", "/language"),
    TableColumn("CATEGORY", "/category"),
    TableColumn("STATUS", "/status"),
    TableColumn("QUALITY", "/quality"),
    TableColumn("ID", "/id"),
];
