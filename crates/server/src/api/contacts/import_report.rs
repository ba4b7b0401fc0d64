//! Result of an import of contacts.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::contacts::contact::ImportColumn;
use domain::json::{Object, Value};
use engine::ports::UpsertContactResult;

use crate::api::contacts::csv;
use crate::api::contacts::outcome::{result_status, stored_contact};
use crate::api::error::Code;

/// Maximum number of rows of `errors_csv`.
const MAX_ERRORS: usize = 1_000;

/// Name of a column, and reason of the error.
pub(super) type RowError = (String, String);

/// Result of an import until now.
#[derive(Default)]
pub(super) struct ImportReport {
    n_created: i64,
    n_updated: i64,
    n_unchanged: i64,
    n_failed: i64,
    /// Number of the last line that was read.
    last_line: u64,
    /// Line numbers, columns and reasons.
    errors: Vec<(u64, String, String)>,
    is_truncated: bool,
}

impl ImportReport {
    pub(super) fn n_rows(&self) -> i64 {
        self.n_created
            .saturating_add(self.n_updated)
            .saturating_add(self.n_unchanged)
            .saturating_add(self.n_failed)
    }

    pub(super) fn add(&mut self, line: u64, result: UpsertContactResult) {
        let count = match result_status(&result) {
            "created" => &mut self.n_created,
            "updated" => &mut self.n_updated,
            "unchanged" => &mut self.n_unchanged,
            _ => {
                let column = ImportColumn::UserId.name();
                let error = match stored_contact(result) {
                    Ok(_) => return,
                    Err(error) if error.code() == Code::ContactExists => {
                        (column, "belongs to a different contact than the phone number".to_owned())
                    }
                    Err(error) => (String::new(), error.message().to_owned()),
                };
                return self.fail(line, vec![error]);
            }
        };
        *count = count.saturating_add(1);
        self.last_line = self.last_line.max(line);
    }

    pub(super) fn fail(&mut self, line: u64, errors: Vec<RowError>) {
        self.n_failed = self.n_failed.saturating_add(1);
        self.last_line = self.last_line.max(line);
        for (column, reason) in errors {
            if self.errors.len() < MAX_ERRORS {
                self.errors.push((line, column, reason));
            } else {
                self.is_truncated = true;
            }
        }
    }

    pub(super) fn serialize(&mut self, is_dry_run: bool) -> Value {
        let mut json = Object::new();
        json.insert("dry_run", is_dry_run);
        json.insert("created", self.n_created);
        json.insert("updated", self.n_updated);
        json.insert("unchanged", self.n_unchanged);
        json.insert("failed", self.n_failed);
        json.insert("last_line", i64::try_from(self.last_line).unwrap_or(i64::MAX));
        json.insert(
            "errors_csv",
            if self.errors.is_empty() { Value::Null } else { self.errors_csv().into() },
        );
        json.insert("errors_truncated", self.is_truncated);
        Value::Object(json)
    }

    fn errors_csv(&mut self) -> String {
        self.errors.sort();
        let mut csv = "line,column,reason\n".to_owned();
        for (line, column, reason) in &self.errors {
            csv::write_raw(&mut csv, &line.to_string());
            csv::write_cell(&mut csv, column);
            csv::write_cell(&mut csv, reason);
            csv.push('\n');
        }
        csv
    }
}

/// Returns the named schema of the result.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let count = || Schema::integer(0..);
    let import = Schema::object([
        required("dry_run", Schema::boolean()),
        required("created", count()),
        required("updated", count()),
        required("unchanged", count()),
        required("failed", count()),
        required("last_line", Schema::integer(0..).about("Number of the last line that was read.")),
        required(
            "errors_csv",
            Schema::string(1..)
                .or_null()
                .about(&format!("Lines, columns and reasons, as CSV; at most {MAX_ERRORS} rows.")),
        ),
        required(
            "errors_truncated",
            Schema::boolean().about("`true`: `errors_csv` does not contain all errors."),
        ),
    ]);
    vec![("ContactImport", import)]
}
