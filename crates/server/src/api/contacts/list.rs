//! List and get contacts.

use crate::api::contacts::lookup::CONTACT_ID;
use crate::api::contacts::serialize::CONTACT_EXAMPLE;
use crate::api::error::Code;
use crate::api::openapi::example::CONTACT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use engine::contacts::ContactVisibility;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::check::Fields;
use domain::contacts::contact::{MAX_NAME, MAX_STAGE, MAX_TAG};
use domain::contacts::phone::PhoneNumber;
use engine::ports::ContactFilter;
use engine::{Deps, contacts};

use crate::api::contacts::lookup::find;
use crate::api::contacts::serialize::serialize_contact;
use crate::api::error::ApiError;
use crate::api::pagination::PageQuery;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::{request_body, response};

/// Lists contacts, newest first.
pub(crate) async fn list_contacts(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (filter, page) = request_body::read(&query, |fields| {
        (
            read_filter(fields, contacts::contact_visibility(&deps, &caller)),
            PageQuery::read("contacts", fields),
        )
    })?;
    let page = page.open(&deps, &caller)?;
    let found = page.read(deps.contacts.list_contacts(caller.workspace(), &filter, page.request())).await?;
    page.respond(found, serialize_contact)
}

/// Reads the filters of a list of contacts.
pub(crate) fn read_filter(fields: &Fields<'_, '_>, view: ContactVisibility) -> ContactFilter {
    let number = fields
        .optional("phone_number")
        .about("Complete phone number, in any format.")
        .keyword("minLength", 1);
    let wa_ids = number.string(..).and_then(|text| match PhoneNumber::parse(text) {
        Ok(number) => {
            let formats = std::iter::once(number.clone()).chain(number.variants());
            Some(formats.map(|number| number.digits().to_owned()).collect())
        }
        Err(error) => {
            number.refuse(error.to_string());
            None
        }
    });
    let text = |name, limit, about| fields.optional(name).about(about).string(1..=limit).map(str::to_owned);
    ContactFilter {
        accounts: view.accounts,
        includes_without_messages: view.includes_without_messages,
        wa_ids,
        username: text(
            "username",
            MAX_NAME,
            "WhatsApp user name, in upper or lower case, with or without `@`.",
        )
        .map(|name| name.trim_start_matches('@').to_owned()),
        tag: text("tag", MAX_TAG, "Tag of the contact."),
        stage: text("stage", MAX_STAGE, "Stage of the contact."),
        has_opted_out: fields
            .optional("opted_out")
            .about("`true`: contacts that have opted out of marketing. `false`: all others.")
            .boolean_or_text(),
        search: text("search", 200, "Part of the name, of the phone number or of the user name."),
    }
}

/// Returns one contact.
pub(crate) async fn get_contact(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let contact = find(&deps, &caller, &id).await?;
    Ok(response::success(StatusCode::OK, &serialize_contact(contact)))
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("list_contacts", "List contacts", "Newest first.")
            .query(filter_schema(true))
            .responds_page("contacts", "Contact", CONTACT_EXAMPLE),
        Operation::new("get_contact", "Get a contact", "")
            .id(CONTACT_ID, CONTACT)
            .errors([Code::ContactNotFound])
            .responds(200, "The contact.", Schema::reference("Contact"), CONTACT_EXAMPLE),
    ]
}

/// Returns the schema of the filters of contacts, with the parameters of a page if `is_list` is `true`.
pub(crate) fn filter_schema(is_list: bool) -> RequestSchema {
    RequestSchema::of_query(|fields| {
        let _described =
            read_filter(fields, ContactVisibility { accounts: None, includes_without_messages: true });
        if is_list {
            let _described = PageQuery::read("contacts", fields);
        }
    })
}
