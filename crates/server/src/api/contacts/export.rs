//! Export contacts as CSV that can be imported again. The file is written while the contacts are read.

use crate::api::contacts::list::filter_schema;
use crate::api::openapi::operation::CSV;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use engine::contacts;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use domain::contacts::contact::{COLUMNS, CUSTOM_PREFIX, ImportColumn, custom_text, join_tags};
use domain::id::WorkspaceId;
use engine::Deps;
use engine::ports::{Contact, ContactFilter, PageRequest, PageStart, StoreError};
use futures_util::stream;

use crate::api::contacts::csv;
use crate::api::contacts::list::read_filter;
use crate::api::error::ApiError;
use crate::api::request_body;
use crate::api::request_context::Authorized;

/// Number of contacts that are read at once.
const PER_PAGE: u32 = 500;
/// Maximum number of columns of custom fields.
const MAX_CUSTOM_COLUMNS: u32 = 500;

/// Returns all contacts that match the filters, newest first, as CSV.
pub(crate) async fn export_contacts(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let filter = request_body::read(&query, |fields| {
        read_filter(fields, contacts::contact_visibility(&deps, &caller))
    })?;
    let workspace = caller.workspace();
    let keys = deps.contacts.list_custom_field_names(workspace, MAX_CUSTOM_COLUMNS).await?;
    let mut header_row = String::new();
    for (name, _) in &COLUMNS {
        csv::write_raw(&mut header_row, name);
    }
    for key in &keys {
        csv::write_raw(&mut header_row, &format!("{CUSTOM_PREFIX}{key}"));
    }
    header_row.push('\n');
    let export = Export {
        deps,
        workspace,
        filter,
        keys,
        header_row: Some(header_row),
        next: Some(PageStart::Page(1)),
    };
    let mut response = Response::new(Body::from_stream(stream::unfold(export, Export::next_chunk)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"contacts.csv\""),
    );
    Ok(response)
}

/// A running export.
struct Export {
    deps: Arc<Deps>,
    workspace: WorkspaceId,
    filter: ContactFilter,
    keys: Vec<String>,
    /// Row with the names of the columns, until the row is sent.
    header_row: Option<String>,
    /// Start of the next page of contacts; `None` after the last page.
    next: Option<PageStart>,
}

impl Export {
    /// Returns the next rows. After an error the response body is incomplete, which the client detects.
    async fn next_chunk(mut self) -> Option<(Result<Bytes, StoreError>, Self)> {
        if let Some(header_row) = self.header_row.take() {
            return Some((Ok(header_row.into()), self));
        }
        let page = PageRequest { per_page: PER_PAGE, start: self.next.take()? };
        match self.deps.contacts.list_contacts(self.workspace, &self.filter, page).await {
            Ok(page) => {
                self.next = page.next.map(PageStart::After);
                let mut rows = String::new();
                for contact in &page.rows {
                    self.write(&mut rows, contact);
                }
                Some((Ok(rows.into()), self))
            }
            Err(error) => {
                tracing::error!(error = %engine::chain(&error), "an export ended early");
                Some((Err(error), self))
            }
        }
    }

    fn write(&self, rows: &mut String, contact: &Contact) {
        for (_, column) in &COLUMNS {
            match column {
                ImportColumn::PhoneNumber => {
                    let number = contact.wa_id.as_ref().map(|digits| format!("+{digits}"));
                    csv::write_raw(rows, &number.unwrap_or_default());
                }
                ImportColumn::UserId => csv::write_cell(rows, contact.user_id.as_deref().unwrap_or_default()),
                ImportColumn::Name => csv::write_cell(rows, contact.name.as_deref().unwrap_or_default()),
                ImportColumn::Username => {
                    csv::write_cell(rows, contact.username.as_deref().unwrap_or_default());
                }
                ImportColumn::Email => csv::write_cell(rows, contact.email.as_deref().unwrap_or_default()),
                ImportColumn::Tags => csv::write_cell(rows, &join_tags(&contact.tags)),
                ImportColumn::Stage => csv::write_cell(rows, contact.stage.as_deref().unwrap_or_default()),
                ImportColumn::OptedOut => {
                    csv::write_raw(rows, if contact.opted_out.is_some() { "true" } else { "false" });
                }
                ImportColumn::Custom(_) => {}
            }
        }
        for key in &self.keys {
            let text = contact.custom_fields.get(key).map(custom_text);
            csv::write_cell(rows, &text.unwrap_or_default());
        }
        rows.push('\n');
    }
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "export_contacts",
            "Export contacts as CSV",
            "Returns the contacts that match the filters, newest first, as CSV that can be \
             imported again. A cell that a spreadsheet would read as a formula begins with an apostrophe.",
        )
        .query(filter_schema(false))
        .responds_raw(200, "Contacts as CSV.", CSV, Schema::string(1..))
        .response_example(CSV_EXAMPLE)
        .response_header(
            "Content-Disposition",
            "`attachment` with the file name `contacts.csv`.",
            Schema::string(1..),
        ),
    ]
}

const CSV_EXAMPLE: &str = "phone_number,user_id,name,username,email,tags,stage,opted_out,custom.city\n\
    +447700900124,\"\",Maya Osei,maya.osei,maya@example.com,vip|wholesale,lead,false,Leeds\n";
