//! List and get templates.

use crate::api::error::Code;
use crate::api::openapi::example::TEMPLATE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::templates::lookup::TEMPLATE_ID;
use crate::api::templates::serialize::TEMPLATE_EXAMPLE;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use engine::Deps;
use engine::messages::admission::choose_account;
use engine::ports::TemplateFilter;

use crate::api::error::ApiError;
use crate::api::pagination::PageQuery;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::templates::lookup::{find, visible_wabas};
use crate::api::templates::serialize::serialize_template;
use crate::api::{request_body, response};

/// Lists templates, oldest first.
pub(crate) async fn list_templates(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (mut filter, account, page) = request_body::read(&query, read_list)?;
    let page = page.open(&deps, &caller)?;
    filter.waba_ids = visible_wabas(&deps, &caller);
    if let Some(account) = account {
        filter.waba_id = Some(choose_account(&deps, &caller, Some(&account))?.account.waba_id.clone());
    }
    let found =
        page.read(deps.template_records.list_templates(caller.workspace(), &filter, page.request())).await?;
    page.respond(found, serialize_template)
}

/// Returns one template.
pub(crate) async fn get_template(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    Ok(response::success(StatusCode::OK, &serialize_template(find(&deps, &caller, &id).await?)))
}

/// Filter of a list of templates, account and page.
type ListQuery = (TemplateFilter, Option<String>, PageQuery);

/// Reads the query of a list of templates.
pub(crate) fn read_list(fields: &Fields<'_, '_>) -> ListQuery {
    let text = |name, about| fields.optional(name).about(about).string(1..=512).map(str::to_owned);
    let status = text("status", "Meta's status, such as `APPROVED`, in any case.");
    let filter = TemplateFilter {
        waba_id: None,
        waba_ids: None,
        name: text("name", "Name of the template."),
        language: text("language", "Language code of the template."),
        status: status.map(|status| status.to_ascii_uppercase()),
        category: text("category", "`MARKETING`, `UTILITY` or `AUTHENTICATION`, in any case.")
            .map(|category| category.to_ascii_uppercase()),
        search: text("search", "Part of the name."),
        id: None,
    };
    (filter, text("account", "ID or name of an account."), PageQuery::read("templates", fields))
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("list_templates", "List templates", "Oldest first.")
            .query(RequestSchema::of_query(read_list))
            .responds_page("templates", "StoredTemplate", TEMPLATE_EXAMPLE)
            .errors([Code::AccountNotFound]),
        Operation::new("get_template", "Get a template", "")
            .id(TEMPLATE_ID, TEMPLATE)
            .responds(200, "The template.", Schema::reference("StoredTemplate"), TEMPLATE_EXAMPLE)
            .errors([Code::TemplateNotFound]),
    ]
}
