//! Pages of lists: requests and responses.
//!
//! A cursor is the encrypted position of the last row of a page. It is valid for its own list, order and workspace.

use std::borrow::Cow;
use std::future::Future;

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::check::Fields;
use domain::id::{OwnerId, WorkspaceId};
use domain::json::Value;
use engine::Deps;
use engine::access::caller::Caller;
use engine::list_reads::{MAX_CONCURRENT, MAX_WAITING};
use engine::ports::{ListOrder, Page, PageRequest, PageStart, StoreError};

use crate::api::error::{ApiError, Code};
use crate::api::response;

/// Default number of rows of a page.
pub(crate) const PER_PAGE: i64 = 50;
/// Maximum number of rows of a page.
pub(crate) const MAX_PER_PAGE: i64 = 200;
/// Maximum page number. Later rows can be read with a cursor.
pub(crate) const MAX_PAGE: i64 = 1_000_000;
/// Maximum length of a cursor. Waypost's cursors are shorter.
const MAX_CURSOR: usize = 200;

/// Documentation of `cursor`.
const CURSOR: &str =
    "`next_cursor` of the previous page. Reads a large list without missing or repeated rows.";

/// `page`, `per_page` and `cursor` of a request.
pub(crate) struct PageQuery {
    /// Plural name of the rows.
    list: &'static str,
    order: ListOrder,
    per_page: u32,
    start: StartQuery,
}

/// Start of the page that a request asks for.
enum StartQuery {
    Page(u32),
    Cursor(String),
}

impl PageQuery {
    /// Reads the page of a list. `list` is the plural name of the rows.
    pub(crate) fn read(list: &'static str, fields: &Fields<'_, '_>) -> Self {
        Self::read_ordered(list, ListOrder::NewestFirst, fields)
    }

    /// Reads the page of a list whose order the caller chooses.
    pub(crate) fn read_ordered(list: &'static str, order: ListOrder, fields: &Fields<'_, '_>) -> Self {
        let per_page = fields.optional("per_page").about("Number of rows per page.").default_of(PER_PAGE);
        let per_page = per_page.integer_or_text(1..=MAX_PER_PAGE).unwrap_or(PER_PAGE);
        let start = fields.at_most_one(&["page", "cursor"], |name, item| match name {
            "page" => item
                .about("Page number, from 1. Not together with `cursor`.")
                .default_of(1)
                .integer_or_text(1..=MAX_PAGE)
                .and_then(|page| u32::try_from(page).ok())
                .map(StartQuery::Page),
            _ => {
                item.about(CURSOR).string(1..=MAX_CURSOR).map(|cursor| StartQuery::Cursor(cursor.to_owned()))
            }
        });
        let per_page = u32::try_from(per_page).unwrap_or(1);
        Self { list, order, per_page, start: start.unwrap_or(StartQuery::Page(1)) }
    }

    /// Decrypts the cursor of the request.
    ///
    /// # Errors
    /// The cursor does not belong to this list of the caller's workspace.
    pub(crate) fn open<'a>(self, deps: &'a Deps, caller: &Caller) -> Result<ListPage<'a>, ApiError> {
        let Self { list, order, per_page, start } = self;
        let workspace = caller.workspace();
        let start = match start {
            StartQuery::Page(number) => PageStart::Page(number),
            StartQuery::Cursor(text) => {
                let position = URL_SAFE_NO_PAD.decode(text).ok().and_then(|cursor| {
                    deps.cursors.open_cursor(workspace, &cursor_name(list, order), &cursor)
                });
                let position = position
                    .ok_or_else(|| ApiError::invalid_at("/cursor", "is not a cursor of this list"))?;
                PageStart::After(position)
            }
        };
        let owner = caller.owner();
        Ok(ListPage { deps, owner, workspace, list, order, request: PageRequest { per_page, start } })
    }
}

/// Returns the name of a list in its cursors.
fn cursor_name(list: &str, order: ListOrder) -> Cow<'_, str> {
    match order {
        ListOrder::NewestFirst => list.into(),
        ListOrder::OldestFirst => format!("{list}.asc").into(),
    }
}

/// Adds the filters to the error of a list that would read too many rows.
fn with_filters(error: ApiError, list: &str) -> ApiError {
    let filters: &[&str] = match list {
        "messages" => &["contact", "since", "status"],
        "contacts" => &["phone_number", "username"],
        "media" | "audit" => &["since"],
        "deliveries" => &["status"],
        "templates" => &["name"],
        "users" => &["email"],
        _ => &["search"],
    };
    let names: Vec<_> = filters.iter().map(|name| format!("`{name}`")).collect();
    error
        .with_sentence(&format!("Filters that help: {}.", names.join(", ")))
        .with("filters", Value::Array(filters.iter().map(|name| Value::from(*name)).collect()))
}

/// Page that is being read.
pub(crate) struct ListPage<'a> {
    deps: &'a Deps,
    owner: OwnerId,
    workspace: WorkspaceId,
    list: &'static str,
    order: ListOrder,
    request: PageRequest,
}

impl ListPage<'_> {
    /// Returns the request to the store.
    pub(crate) fn request(&self) -> PageRequest {
        self.request
    }

    /// Waits for the caller's turn, and reads the page from the store.
    ///
    /// # Errors
    /// Too many lists of the caller wait, the list would read too many rows, or the store fails.
    pub(crate) async fn read<T>(
        &self,
        reading: impl Future<Output = Result<Page<T>, StoreError>>,
    ) -> Result<Page<T>, ApiError> {
        let _turn = self.deps.list_reads.turn(self.owner).await.map_err(|_| {
            let message = format!(
                "{MAX_CONCURRENT} lists of this caller are being read, and {MAX_WAITING} more wait. Try again in 1 s."
            );
            ApiError::new(Code::RateLimited, message).retry_after(1)
        })?;
        reading.await.map_err(|error| {
            let error = ApiError::from(error);
            if error.code() == Code::QueryTooExpensive { with_filters(error, self.list) } else { error }
        })
    }

    /// Returns the response with the page.
    ///
    /// # Errors
    /// The cursor of the next page cannot be encrypted.
    pub(crate) fn respond<T>(
        &self,
        page: Page<T>,
        serialize: impl Fn(T) -> Value,
    ) -> Result<Response, ApiError> {
        let mut data = domain::json::Object::new();
        data.insert(self.list, Value::Array(page.rows.into_iter().map(serialize).collect()));
        data.insert("total", i64::from(page.total));
        if page.is_total_capped {
            data.insert("total_capped", true);
        }
        let number = match self.request.start {
            PageStart::Page(number) => Value::from(i64::from(number)),
            PageStart::After(_) => Value::Null,
        };
        data.insert("page", number);
        data.insert("per_page", i64::from(self.request.per_page));
        let next = match page.next {
            Some(position) => Value::from(self.cursor(position)?),
            None => Value::Null,
        };
        data.insert("next_cursor", next);
        Ok(response::success(StatusCode::OK, &data))
    }

    fn cursor(&self, position: i64) -> Result<String, ApiError> {
        let name = cursor_name(self.list, self.order);
        Ok(URL_SAFE_NO_PAD.encode(self.deps.cursors.seal_cursor(self.workspace, &name, position)?))
    }

    /// Returns the page of rows that are in memory.
    pub(crate) fn slice<T: Clone>(&self, rows: &[T]) -> Page<T> {
        let start = match self.request.start {
            PageStart::Page(number) => i64::from(number.saturating_sub(1)) * i64::from(self.request.per_page),
            PageStart::After(position) => position,
        };
        let skipped = usize::try_from(start).unwrap_or(usize::MAX);
        let per_page = usize::try_from(self.request.per_page).unwrap_or(usize::MAX);
        let selected: Vec<_> = rows.iter().skip(skipped).take(per_page).cloned().collect();
        let end = skipped.saturating_add(selected.len());
        Page {
            rows: selected,
            total: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            is_total_capped: false,
            next: if end < rows.len() { i64::try_from(end).ok() } else { None },
        }
    }
}
