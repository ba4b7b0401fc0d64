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

/// Part of the rows of a list, read through an index of its own. A list with sources has the rows of all its sources, each
/// row once.
pub(crate) struct ListSource {
    /// Text after `from`: the table of the list, and the index or the table that finds its rows.
    pub(crate) from: &'static str,
    /// Column that is equal to `seq` of the table and has the order of the source.
    pub(crate) position: &'static str,
    /// Condition on the rows of the source. Each `?` in it takes one of `values`.
    pub(crate) condition: Cow<'static, str>,
    pub(crate) values: Vec<Value>,
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
    /// Parts of the rows; empty if one scan of the table finds all rows.
    pub(crate) sources: Vec<ListSource>,
}

impl ListQuery {
    /// Creates a list of all rows of `table`. The table must have a column `seq`.
    pub(crate) fn new(table: &'static str, columns: &'static str, order: Order) -> Self {
        Self { table, columns, order, conditions: Vec::new(), values: Vec::new(), sources: Vec::new() }
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
        let total = self.count(connection)?;
        let (table, columns) = (self.table, self.columns);
        let order = self.direction();
        let (after, offset) = match page.start {
            PageStart::After(seq) => (Some(seq), 0),
            PageStart::Page(number) => (None, i64::from(number.saturating_sub(1)) * i64::from(page.per_page)),
        };
        // One row more than requested, to know if another page follows.
        let limit = i64::from(page.per_page) + 1;
        let end = format!("order by seq {order} limit {limit} offset {offset}");
        let (sql, values) = if self.sources.is_empty() {
            let (conditions, values) = self.conditions_of(None, after);
            (format!("select seq, {columns} from {table} where {conditions} {end}"), values)
        } else {
            let (positions, values) = self.positions(after);
            let sql = format!(
                "select seq, {columns} from {table} where seq in ({positions} {end}) order by seq {order}"
            );
            (sql, values)
        };
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

    /// Counts the rows, up to one more than [`COUNT_CAP`].
    fn count(&self, connection: &Connection) -> SqlResult<u32> {
        let (rows, values) = if self.sources.is_empty() {
            let (conditions, values) = self.conditions_of(None, None);
            (format!("select 1 from {} where {conditions}", self.table), values)
        } else {
            let (positions, values) = self.positions(None);
            (format!("{positions} order by seq {}", self.direction()), values)
        };
        let sql = format!("select count(*) from ({rows} limit {})", COUNT_CAP + 1);
        Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(&values), |row| row.get(0))?)
    }

    fn direction(&self) -> &'static str {
        match self.order {
            Order::OldestFirst => "asc",
            Order::NewestFirst => "desc",
        }
    }

    /// Returns a query of the positions of all sources. SQLite merges the sources, which are in order, and drops repeated
    /// positions on the way.
    fn positions(&self, after: Option<i64>) -> (String, Vec<Value>) {
        let mut parts = Vec::new();
        let mut values = Vec::new();
        for source in &self.sources {
            let (conditions, source_values) = self.conditions_of(Some(source), after);
            let ListSource { from, position, .. } = source;
            parts.push(format!("select {position} as seq from {from} where {conditions}"));
            values.extend(source_values);
        }
        (parts.join(" union "), values)
    }

    /// Returns the conditions on the rows of a source, or of the whole list, after a position.
    fn conditions_of(&self, source: Option<&ListSource>, after: Option<i64>) -> (String, Vec<Value>) {
        let mut conditions: Vec<&str> = self.conditions.iter().map(AsRef::as_ref).collect();
        let mut values = self.values.clone();
        let position = source.map_or("seq", |source| source.position);
        if let Some(source) = source {
            conditions.push(&source.condition);
            values.extend(source.values.iter().cloned());
        }
        let comparison = match self.order {
            Order::OldestFirst => format!("{position} > ?"),
            Order::NewestFirst => format!("{position} < ?"),
        };
        if let Some(after) = after {
            conditions.push(&comparison);
            values.push(Value::Integer(after));
        }
        let text = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
        (text, values)
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
