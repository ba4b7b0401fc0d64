//! Pages of lists: requests and responses.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::check::Fields;
use domain::json::Value;
use engine::ports::{ListOrder, Page, PageRequest, PageStart};

use crate::api::response;

/// Default number of rows of a page.
pub(crate) const PER_PAGE: i64 = 50;
/// Maximum number of rows of a page.
pub(crate) const MAX_PER_PAGE: i64 = 200;
/// Maximum page number. Later rows can be read with a cursor.
pub(crate) const MAX_PAGE: i64 = 1_000_000;

/// Documentation of `cursor`.
const CURSOR: &str =
    "`next_cursor` of the previous page. Reads a large list without missing or repeated rows.";

/// Reads `page`, `per_page` and `cursor` of a list. A cursor is valid for its own list only.
pub(crate) fn page_request(list: &str, fields: &Fields<'_, '_>) -> PageRequest {
    ordered_page_request(list, ListOrder::NewestFirst, fields)
}

/// Reads the same of a list whose order the caller chooses. A cursor is valid for its own order only.
pub(crate) fn ordered_page_request(list: &str, order: ListOrder, fields: &Fields<'_, '_>) -> PageRequest {
    let list = cursor_name(list, order);
    let per_page = fields.optional("per_page").about("Number of rows per page.").default_of(PER_PAGE);
    let per_page = per_page.integer_or_text(1..=MAX_PER_PAGE).unwrap_or(PER_PAGE);
    let start = fields.at_most_one(&["page", "cursor"], |name, item| match name {
        "page" => item
            .about("Page number, from 1. Not together with `cursor`.")
            .default_of(1)
            .integer_or_text(1..=MAX_PAGE)
            .and_then(|page| u32::try_from(page).ok())
            .map(PageStart::Page),
        _ => item.about(CURSOR).string(1..).and_then(|text| {
            let position = position(&list, text);
            if position.is_none() {
                item.refuse("is not a cursor of this list");
            }
            position.map(PageStart::After)
        }),
    });
    PageRequest { per_page: u32::try_from(per_page).unwrap_or(1), start: start.unwrap_or(PageStart::Page(1)) }
}

/// Returns the name of a list in its cursors.
fn cursor_name(list: &str, order: ListOrder) -> Cow<'_, str> {
    match order {
        ListOrder::NewestFirst => list.into(),
        ListOrder::OldestFirst => format!("{list}.asc").into(),
    }
}

fn cursor(list: &str, position: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{position}"))
}

fn position(list: &str, cursor: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix(list)?.strip_prefix(':')?.parse().ok()
}

/// Returns the response with a page. `name` is the plural name of the rows.
pub(crate) fn page<T>(
    name: &str,
    request: PageRequest,
    page: Page<T>,
    serialize: impl Fn(T) -> Value,
) -> Response {
    ordered_page(name, ListOrder::NewestFirst, request, page, serialize)
}

/// Returns the response with a page of a list whose order the caller chooses.
pub(crate) fn ordered_page<T>(
    name: &str,
    order: ListOrder,
    request: PageRequest,
    page: Page<T>,
    serialize: impl Fn(T) -> Value,
) -> Response {
    let list = cursor_name(name, order);
    let mut data = domain::json::Object::new();
    data.insert(name, Value::Array(page.rows.into_iter().map(serialize).collect()));
    data.insert("total", i64::from(page.total));
    if page.is_total_capped {
        data.insert("total_capped", true);
    }
    let number = match request.start {
        PageStart::Page(number) => Value::from(i64::from(number)),
        PageStart::After(_) => Value::Null,
    };
    data.insert("page", number);
    data.insert("per_page", i64::from(request.per_page));
    data.insert(
        "next_cursor",
        page.next.map_or(Value::Null, |position| Value::from(cursor(&list, position))),
    );
    response::success(StatusCode::OK, &data)
}

/// Returns one page of rows that are in memory.
pub(crate) fn slice<T: Clone>(rows: &[T], request: PageRequest) -> Page<T> {
    let start = match request.start {
        PageStart::Page(number) => i64::from(number.saturating_sub(1)) * i64::from(request.per_page),
        PageStart::After(position) => position,
    };
    let skipped = usize::try_from(start).unwrap_or(usize::MAX);
    let per_page = usize::try_from(request.per_page).unwrap_or(usize::MAX);
    let selected: Vec<_> = rows.iter().skip(skipped).take(per_page).cloned().collect();
    let end = skipped.saturating_add(selected.len());
    Page {
        rows: selected,
        total: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        is_total_capped: false,
        next: if end < rows.len() { i64::try_from(end).ok() } else { None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        assert_eq!(position("messages", &cursor("messages", 42)), Some(42));
        assert_eq!(position("contacts", &cursor("messages", 42)), None);
        assert_eq!(position("messages", "42"), None);
        assert_eq!(position("messages", ""), None);
    }
}
