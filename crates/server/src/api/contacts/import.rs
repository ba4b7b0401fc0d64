//! Import contacts from CSV. The rows are stored while the file is read.
//!
//! **Invariant:** the memory holds the rows of one transaction, not the whole file.

use crate::api::openapi::operation::CSV;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::check::Patch;
use domain::contacts::contact::{ContactChange, ImportColumn};
use domain::contacts::opt_out::OptOutReason;
use domain::id::WorkspaceId;
use engine::contacts::ContactBatch;
use engine::ports::{ContactTarget, StoreError};
use engine::{AuditContext, Deps, contacts};
use futures_util::StreamExt as _;

use crate::api::contacts::csv;
use crate::api::contacts::csv::{CsvReader, Row, RowTooLong};
use crate::api::contacts::import_report::{ImportReport, RowError};
use crate::api::contacts::lookup::require_all_accounts;
use crate::api::error::{ApiError, Code};
use crate::api::form::Form;
use crate::api::request_context::Audited;
use crate::api::{request_body, response};
use crate::request_bodies::bounds::MAX_TABLE;

/// Number of rows that are stored in one transaction.
const ROWS_PER_TRANSACTION: usize = 500;

/// Reads the query of an import.
pub(crate) fn read_dry_run(fields: &Fields<'_, '_>) -> Option<bool> {
    let dry_run = fields
        .optional("dry_run")
        .about("`true`: nothing is stored. The response has the result that the import would have.");
    dry_run.boolean_or_text()
}

/// Creates or updates the contact of each row by its phone number or user id.
pub(crate) async fn import_contacts(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_dry_run = request_body::read(&query, read_dry_run)?;
    require_all_accounts(&deps, &caller)?;
    let mut import = Import {
        deps: &deps,
        audit: &audit,
        workspace: caller.workspace(),
        is_dry_run: is_dry_run.unwrap_or(false),
        table: CsvReader::new(),
        columns: None,
        pending: Vec::new(),
        n_bytes: 0,
        report: ImportReport::default(),
    };
    let imported = match request_body::media_type(request.headers()).as_str() {
        "multipart/form-data" => from_form(&mut import, request).await,
        ""
        | "text/csv"
        | "text/plain"
        | "application/csv"
        | "application/octet-stream"
        | "application/vnd.ms-excel" => from_body(&mut import, request).await,
        other => Err(request_body::unsupported_type(
            other,
            "Send `text/csv`, or `multipart/form-data` with the part `file`.",
        )),
    };
    match imported {
        Ok(()) => Ok(response::success(StatusCode::OK, &import.report.serialize(import.is_dry_run))),
        Err(error) if import.report.n_rows() == 0 => Err(error),
        // The stored rows stay stored. The client can send the file again.
        Err(error) => Err(error.with("imported", import.report.serialize(import.is_dry_run)).after_changes()),
    }
}

async fn from_body(import: &mut Import<'_>, request: Request) -> Result<(), ApiError> {
    let mut stream = request.into_body().into_data_stream();
    while let Some(bytes) = stream.next().await {
        import.feed(&bytes.map_err(|error| incomplete_body(&error))?).await?;
    }
    import.finish().await
}

async fn from_form(import: &mut Import<'_>, request: Request) -> Result<(), ApiError> {
    let mut form = Form::of(request, "Send a form with a boundary, and the file in the part `file`.").await?;
    while let Some(mut part) = form.next_part().await? {
        if part.name() != "file" {
            continue;
        }
        while let Some(bytes) = part.file_chunk().await? {
            import.feed(&bytes).await?;
        }
        return import.finish().await;
    }
    Err(ApiError::invalid_at("/file", "is required: the form has no field with this name"))
}

fn incomplete_body(error: &(dyn std::error::Error + 'static)) -> ApiError {
    request_body::unreadable(error, "the body is incomplete")
}

/// A running import.
struct Import<'a> {
    deps: &'a Deps,
    audit: &'a AuditContext,
    workspace: WorkspaceId,
    is_dry_run: bool,
    table: CsvReader,
    columns: Option<Vec<ImportColumn>>,
    /// Rows that were read and are not stored yet, with their line numbers.
    pending: Vec<(u64, ContactChange)>,
    n_bytes: u64,
    report: ImportReport,
}

impl Import<'_> {
    async fn feed(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.n_bytes = self.n_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.n_bytes > MAX_TABLE {
            let message = format!("The file is larger than {MAX_TABLE} bytes. Split it into several files.");
            let limit = i64::try_from(MAX_TABLE).unwrap_or(i64::MAX);
            return Err(ApiError::new(Code::PayloadTooLarge, message).with("limit_bytes", limit));
        }
        // A small chunk has few rows.
        for bytes in bytes.chunks(65_536) {
            let mut rows = Vec::new();
            let read = self.table.feed(bytes, &mut rows);
            self.add_rows(rows, read).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ApiError> {
        let mut rows = Vec::new();
        let read = self.table.finish(&mut rows);
        self.add_rows(rows, read).await?;
        if self.columns.is_none() {
            return Err(ApiError::invalid_at(
                "",
                "the file is empty: the first row must contain the names of the columns",
            ));
        }
        Ok(self.store_rows().await?)
    }

    async fn add_rows(&mut self, rows: Vec<Row>, read: Result<(), RowTooLong>) -> Result<(), ApiError> {
        for row in rows {
            let Some(columns) = &self.columns else {
                self.columns = Some(read_columns(&row)?);
                continue;
            };
            match read_row(columns, &row) {
                Ok(change) => self.pending.push((row.line, change)),
                Err(errors) => self.report.fail(row.line, errors),
            }
            if self.pending.len() >= ROWS_PER_TRANSACTION {
                self.store_rows().await?;
            }
        }
        if let Err(RowTooLong { line }) = read {
            self.store_rows().await?;
            let reason =
                format!("the row that begins at line {line} is too long: a quotation mark may be missing");
            return Err(ApiError::invalid_at("", reason));
        }
        Ok(())
    }

    async fn store_rows(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.pending);
        if rows.is_empty() {
            return Ok(());
        }
        let request = |(_, change): &(u64, ContactChange)| contacts::ContactRequest {
            target: ContactTarget::Matching,
            change: change.clone(),
            reason: OptOutReason::Import,
        };
        let requests = rows.iter().map(request).collect();
        let batch = if self.is_dry_run { ContactBatch::DryRun } else { ContactBatch::Table };
        let results =
            contacts::upsert_contacts(self.deps, self.audit, batch, self.workspace, requests).await?;
        for ((line, _), result) in rows.into_iter().zip(results) {
            self.report.add(line, result);
        }
        Ok(())
    }
}

/// Reads the names of the columns from the first row.
fn read_columns(row: &Row) -> Result<Vec<ImportColumn>, ApiError> {
    let mut columns: Vec<ImportColumn> = Vec::new();
    let mut errors = Vec::new();
    for (index, cell) in row.cells.iter().enumerate() {
        let name = String::from_utf8_lossy(cell);
        let name = name.trim();
        let mut refuse = |reason: String| {
            let member = if is_name(name) { escaped(name) } else { index.to_string() };
            errors.push(domain::check::Violation::new(format!("/{member}"), reason));
        };
        match ImportColumn::parse(name) {
            Ok(column) if columns.contains(&column) => refuse("appears twice".to_owned()),
            Ok(column) => columns.push(column),
            Err(reason) => refuse(reason),
        }
    }
    if errors.is_empty()
        && !columns.contains(&ImportColumn::PhoneNumber)
        && !columns.contains(&ImportColumn::UserId)
    {
        errors.push(domain::check::Violation::new(
            "/phone_number",
            "is required: the first row must contain this name",
        ));
    }
    if errors.is_empty() { Ok(columns) } else { Err(ApiError::invalid(errors)) }
}

/// Maximum length of an unknown name of a column that is repeated in an error.
const MAX_SHOWN: usize = 64;

/// `true` if a text looks like the name of a column. Any other text may be data, so errors name its position instead.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " _-./~".contains(c);
    ImportColumn::parse(text).is_ok() || text.len() <= MAX_SHOWN && text.chars().all(fits)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn read_row(columns: &[ImportColumn], row: &Row) -> Result<ContactChange, Vec<RowError>> {
    let mut change = ContactChange::default();
    let mut errors = Vec::new();
    if row.cells.len() > columns.len() {
        let reason =
            format!("the row has {} cells, but the first row has {} columns", row.cells.len(), columns.len());
        errors.push((String::new(), reason));
    }
    for (column, cell) in columns.iter().zip(&row.cells) {
        let read = match std::str::from_utf8(cell) {
            Ok(text) if text.contains('\0') => Err("must not contain the character U+0000".to_owned()),
            Ok(text) => change.set_cell(column, csv::unescape_cell(text)),
            Err(_) => Err("is not UTF-8: save the file as CSV UTF-8".to_owned()),
        };
        if let Err(reason) = read {
            errors.push((column.name(), reason));
        }
    }
    let is_named = change.phone_number != Patch::Unchanged || change.user_id != Patch::Unchanged;
    if errors.is_empty() && !is_named {
        errors.push((ImportColumn::PhoneNumber.name(), "is required".to_owned()));
    }
    if errors.is_empty() { Ok(change) } else { Err(errors) }
}

/// Reads the parts of a form. The part `file` is read as a stream.
fn read_form(fields: &Fields<'_, '_>) {
    let _file = fields.required("file").about("Contacts as CSV.").format("binary");
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "import_contacts",
            "Import contacts from CSV",
            "Reads CSV in UTF-8, at most 100 MB, separated by commas or semicolons. The \
             first row has the names of the columns: `phone_number`, `user_id`, `name`, `email`, `tags` \
             (separated by `|`), `stage`, `opted_out`, `custom.<name>`. A column \
             `username`, which an export has, is ignored. Each row creates or updates the \
             contact with its phone number or user ID; an empty cell changes nothing. Invalid rows are \
             listed in `errors_csv`; the other rows are stored. If the import is interrupted, \
             `details.imported` of the error has the result until then.",
        )
        .query(RequestSchema::of_query(read_dry_run))
        .form(RequestSchema::of(read_form))
        .alternative_body(CSV, Schema::string(1..).about("Contacts as CSV."), CSV_EXAMPLE)
        .responds(200, "Result of the import.", Schema::reference("ContactImport"), REPORT_EXAMPLE),
    ]
}

const CSV_EXAMPLE: &str = "phone_number,name,tags,custom.city\n+447700900124,Maya Osei,vip|wholesale,Leeds\n";

const REPORT_EXAMPLE: &str = r#"{"dry_run":false,"created":1,"updated":0,"unchanged":0,"failed":1,"last_line":3,
    "errors_csv":"line,column,reason\n3,phone_number,is required\n","errors_truncated":false}"#;
