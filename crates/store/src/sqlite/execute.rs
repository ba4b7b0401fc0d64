//! Execution of statements that write.
//!
//! **Invariant:** the number of changed rows is never ignored silently. Each statement either uses the number, requires
//! one row (`execute_one`), or declares that the number does not matter (`execute_any`).

use rusqlite::{Params, Statement};

use crate::error::{SqlError, SqlResult};

/// Execution of a prepared statement, with a check of the number of changed rows.
pub(crate) trait Execute {
    /// Executes a statement that may change any number of rows.
    fn execute_any(&mut self, parameters: impl Params) -> SqlResult<()>;

    /// Executes a statement that must change exactly one row.
    fn execute_one(&mut self, parameters: impl Params) -> SqlResult<()>;
}

impl Execute for Statement<'_> {
    fn execute_any(&mut self, parameters: impl Params) -> SqlResult<()> {
        self.execute(parameters)?;
        Ok(())
    }

    fn execute_one(&mut self, parameters: impl Params) -> SqlResult<()> {
        match self.execute(parameters)? {
            1 => Ok(()),
            _ => Err(SqlError::Bug("a statement that must change one row changed another number of rows")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_statement_that_must_change_one_row_fails_for_no_row_and_for_two_rows() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("create table t (a); insert into t values (1), (2), (2)").unwrap();
        let mut statement = connection.prepare("update t set a = a where a = ?1").unwrap();
        assert!(statement.execute_one([0]).is_err());
        statement.execute_one([1]).unwrap();
        assert!(statement.execute_one([2]).is_err());
        statement.execute_any([0]).unwrap();
    }
}
