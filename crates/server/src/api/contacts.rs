//! Contacts.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::phone::PhoneNumber;
use engine::Deps;
use engine::ports::{ContactFilter, MessageFilter, PageRequest, PageStart};

use super::visit::{Allowed, Named};
use super::{ApiError, Code, answer, body, list, show};

/// Lists contacts, newest first.
pub(crate) async fn list_contacts(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = body::query(query.as_deref())?;
    let (filter, page) = body::read(&query, |fields| {
        let number = fields.optional("phone_number");
        let wa_id = number.string(..).and_then(|text| match PhoneNumber::parse(text) {
            Ok(number) => Some(number.digits().to_owned()),
            Err(error) => {
                number.refuse(error.to_string());
                None
            }
        });
        let filter = ContactFilter {
            accounts: caller.visible(&deps),
            wa_id,
            has_opted_out: fields.optional("opted_out").boolean_or_text(),
            search: fields.optional("search").string(1..=200).map(str::to_owned),
        };
        (filter, list::page_request("contacts", fields))
    })?;
    let found = deps.messages.contacts(caller.workspace(), &filter, page).await?;
    Ok(list::page("contacts", page, found, show::contact))
}

/// One contact.
pub(crate) async fn get_contact(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    body::read(&body::query(query.as_deref())?, |_| ())?;
    let not_found = || ApiError::new(Code::ContactNotFound, format!("There is no contact `{id}`."));
    let parsed = id.parse().map_err(|_| not_found())?;
    let contact = deps.messages.contact(caller.workspace(), parsed).await?.ok_or_else(not_found)?;
    if let Some(accounts) = caller.visible(&deps) {
        // A contact belongs to the workspace; a key of some accounts sees those it has a message with.
        let filter =
            MessageFilter { contact: Some(contact.id), accounts: Some(accounts), ..MessageFilter::default() };
        let one = PageRequest { per_page: 1, start: PageStart::Page(1) };
        if deps.messages.messages(caller.workspace(), &filter, one).await?.total == 0 {
            return Err(ApiError::forbidden_account());
        }
    }
    Ok(answer::success(StatusCode::OK, &show::contact(contact)))
}
