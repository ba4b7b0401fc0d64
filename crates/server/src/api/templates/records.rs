//! Templates.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::access::api_key::Caller;
use engine::messages::send::choose_account;
use engine::ports::{AccountRecord, PageRequest, PageStart, StoredTemplate, TemplateFilter};
use engine::{Deps, templates};

use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::{ApiError, Code, pagination, request_body, response, serialize};

/// Lists templates, oldest first.
pub(crate) async fn list_templates(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (mut filter, account, page) = request_body::read(&query, |fields| {
        let text = |name| fields.optional(name).string(1..=512).map(str::to_owned);
        let filter = TemplateFilter {
            waba_id: None,
            waba_ids: None,
            name: text("name"),
            language: text("language"),
            status: text("status").map(|status| status.to_ascii_uppercase()),
            category: text("category").map(|category| category.to_ascii_uppercase()),
            search: text("search"),
            id: None,
        };
        (filter, text("account"), pagination::page_request("templates", fields))
    })?;
    filter.waba_ids = visible_wabas(&deps, &caller);
    if let Some(account) = account {
        filter.waba_id = Some(choose_account(&deps, &caller, Some(&account))?.account.waba_id.clone());
    }
    let found = deps.template_records.list_templates(caller.workspace(), &filter, page).await?;
    Ok(pagination::page("templates", page, found, serialize::template))
}

/// The WhatsApp Business Accounts of which the key may see anything; `None`: all.
fn visible_wabas(deps: &Deps, caller: &Caller) -> Option<Vec<String>> {
    let visible = caller.visible(deps)?;
    let directory = deps.directory.current();
    let records = directory.accounts_of(caller.workspace());
    Some(
        records
            .filter(|record| visible.contains(&record.account.id))
            .map(|record| record.account.waba_id.clone())
            .collect(),
    )
}

/// One template, by our id.
pub(crate) async fn get_template(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    Ok(response::success(StatusCode::OK, &serialize::template(find(&deps, &caller, &id).await?)))
}

pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::TemplateNotFound, format!("There is no template `{id}`."))
}

/// The template with this id of ours, if the key may see it.
pub(crate) async fn find(deps: &Deps, caller: &Caller, id: &str) -> Result<StoredTemplate, ApiError> {
    let filter = TemplateFilter {
        id: Some(id.parse().map_err(|_| not_found(id))?),
        waba_ids: visible_wabas(deps, caller),
        ..TemplateFilter::default()
    };
    let first = PageRequest { per_page: 1, start: PageStart::Page(1) };
    let found = deps.template_records.list_templates(caller.workspace(), &filter, first).await?;
    found.rows.into_iter().next().ok_or_else(|| not_found(id))
}

/// Brings the templates up to date with Meta's lists: of one account, or of all that the key may use.
pub(crate) async fn sync_templates(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::object(&request_body::bytes(&deps, &headers, body).await?, true)?;
    let account =
        request_body::read(&object, |fields| fields.optional("account").string(1..=200).map(str::to_owned))?;
    let records: Vec<Arc<AccountRecord>> = match account {
        Some(account) => vec![choose_account(&deps, &caller, Some(&account))?],
        None => {
            let directory = deps.directory.current();
            let mut wabas = BTreeSet::new();
            directory
                .accounts_of(caller.workspace())
                .filter(|record| caller.may_use(&record.account))
                .filter(|record| wabas.insert(record.account.waba_id.clone()))
                .cloned()
                .collect()
        }
    };
    let mut sum = engine::ports::TemplateSyncCounts::default();
    for record in &records {
        let counts = templates::sync(&deps, &by, record).await?;
        sum.added += counts.added;
        sum.updated += counts.updated;
        sum.removed += counts.removed;
        sum.total += counts.total;
    }
    let data = response::object([
        ("added", i64::from(sum.added).into()),
        ("updated", i64::from(sum.updated).into()),
        ("removed", i64::from(sum.removed).into()),
        ("total", i64::from(sum.total).into()),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}
