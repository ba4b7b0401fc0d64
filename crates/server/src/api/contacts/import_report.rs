//! Result of an import of contacts.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::contacts::contact::ImportColumn;
use domain::json::{Object, Value};
use engine::ports::UpsertContactResult;

use crate::api::contacts::csv;
use crate::api::contacts::outcome::{done, word};
use crate::api::error::Code;

/// Rows of the file of errors.
const MAX_ERRORS: usize = 1_000;

/// A column's name, and what is wrong in it.
pub(super) type RowError = (String, String);

/// What an import has done so far.
#[derive(Default)]
pub(super) struct ImportReport {
    n_created: i64,
    n_updated: i64,
    n_unchanged: i64,
    n_failed: i64,
    /// The last line that was looked at.
    last_line: u64,
    /// Lines, columns and reasons.
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

    pub(super) fn add(&mut self, line: u64, end: UpsertContactResult) {
        let count = match word(&end) {
            "created" => &mut self.n_created,
            "updated" => &mut self.n_updated,
            "unchanged" => &mut self.n_unchanged,
            _ => {
                let taken = ImportColumn::UserId.name();
                let fault = match done(end) {
                    Ok(_) => return,
                    Err(error) if error.code() == Code::ContactExists => {
                        (taken, "belongs to a different contact than the phone number".to_owned())
                    }
                    Err(error) => (String::new(), error.message().to_owned()),
                };
                return self.fail(line, vec![fault]);
            }
        };
        *count = count.saturating_add(1);
        self.last_line = self.last_line.max(line);
    }

    pub(super) fn fail(&mut self, line: u64, faults: Vec<RowError>) {
        self.n_failed = self.n_failed.saturating_add(1);
        self.last_line = self.last_line.max(line);
        for (column, reason) in faults {
            if self.errors.len() < MAX_ERRORS {
                self.errors.push((line, column, reason));
            } else {
                self.is_truncated = true;
            }
        }
    }

    pub(super) fn show(&mut self, is_dry_run: bool) -> Value {
        let mut shown = Object::new();
        shown.insert("dry_run", is_dry_run);
        shown.insert("created", self.n_created);
        shown.insert("updated", self.n_updated);
        shown.insert("unchanged", self.n_unchanged);
        shown.insert("failed", self.n_failed);
        shown.insert("last_line", i64::try_from(self.last_line).unwrap_or(i64::MAX));
        shown.insert(
            "errors_csv",
            if self.errors.is_empty() { Value::Null } else { self.errors_csv().into() },
        );
        shown.insert("errors_truncated", self.is_truncated);
        Value::Object(shown)
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
