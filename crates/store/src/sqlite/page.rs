//! List queries: rows in the order of their positions, with a total that is counted up to a cap.

use std::borrow::Cow;

use engine::ports::{COUNT_CAP, Page, PageRequest, PageStart};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::SqlResult;
use crate::row::Cells;

/// Order of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// List query: a table, its columns and the conditions on its rows.
///
/// The text consists of constants of this crate. Values from a caller are bound.
pub(crate) struct ListQuery {
    pub(crate) table: &'static str,
    pub(crate) columns: &'static str,
    pub(crate) order: Order,
    pub(crate) conditions: Vec<Cow<'static, str>>,
    pub(crate) values: Vec<Value>,
}

impl ListQuery {
    /// Creates a list of all rows of `table`. The table must have a column `seq`.
    pub(crate) fn new(table: &'static str, columns: &'static str, order: Order) -> Self {
        Self { table, columns, order, conditions: Vec::new(), values: Vec::new() }
    }

    /// Adds a condition. Each `?` in it takes one of `values`.
    pub(crate) fn with(
        &mut self,
        condition: impl Into<Cow<'static, str>>,
        values: impl IntoIterator<Item = Value>,
    ) -> &mut Self {
        self.conditions.push(condition.into());
        self.values.extend(values);
        self
    }

    /// Adds the condition that `column` has one of `values`.
    pub(crate) fn within(
        &mut self,
        column: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> &mut Self {
        let values: Vec<_> = values.into_iter().collect();
        let marks = vec!["?"; values.len()].join(", ");
        self.conditions.push(format!("{column} in ({marks})").into());
        self.values.extend(values);
        self
    }

    /// Reads one page.
    pub(crate) fn read_page<T>(
        self,
        connection: &Connection,
        page: PageRequest,
        read: impl Fn(&mut Cells<'_>) -> SqlResult<T>,
    ) -> SqlResult<Page<T>> {
        let mut conditions = self.conditions.join(" and ");
        if conditions.is_empty() {
            conditions.push_str("true");
        }
        let table = self.table;
        let count = format!(
            "select count(*) from (select 1 from {table} where {conditions} limit {})",
            COUNT_CAP + 1
        );
        let total: u32 =
            connection.prepare_cached(&count)?.query_row(params_from_iter(&self.values), |row| row.get(0))?;

        let (order, after) = match self.order {
            Order::OldestFirst => ("asc", "seq > ?"),
            Order::NewestFirst => ("desc", "seq < ?"),
        };
        let mut values = self.values;
        let offset = match page.start {
            PageStart::After(seq) => {
                conditions = format!("{conditions} and {after}");
                values.push(Value::Integer(seq));
                0
            }
            PageStart::Page(number) => i64::from(number.saturating_sub(1)) * i64::from(page.per_page),
        };
        let columns = self.columns;
        // One row more than requested, to know if another page follows.
        let limit = i64::from(page.per_page) + 1;
        let sql = format!(
            "select seq, {columns} from {table} where {conditions} order by seq {order} limit {limit} offset {offset}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query(params_from_iter(&values))?;
        let mut rows = Vec::new();
        let mut last = None;
        let mut next = None;
        while let Some(row) = found.next()? {
            if i64::try_from(rows.len()).is_ok_and(|n| n == limit - 1) {
                next = last;
                break;
            }
            let mut cells = Cells::new(table, row);
            last = Some(cells.get::<i64>()?);
            rows.push(read(&mut cells)?);
        }
        Ok(Page { rows, total: total.min(COUNT_CAP), is_total_capped: total > COUNT_CAP, next })
    }
}

/// Converts a text to a value.
pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// Converts an identifier to a value.
pub(crate) fn bytes(value: &[u8; 16]) -> Value {
    Value::Blob(value.to_vec())
}

/// Returns a pattern for `like … escape '\'` that finds `part` anywhere.
pub(crate) fn containing(part: &str) -> Value {
    let mut pattern = String::from("%");
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Value::Text(pattern)
}
