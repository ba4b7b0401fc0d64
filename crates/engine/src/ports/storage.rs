//! Errors, pages and cursors, which all storage ports share.

use std::fmt;

use domain::id::WorkspaceId;

/// Error of a store. Callers use its kind; the text and the source are for the log.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    doing: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store is down, full, locked or read-only. Nothing was written; a later call may succeed.
    Unavailable,
    /// A read of a list passed its budget. The same read with a filter that selects fewer rows may succeed.
    TooExpensive,
    /// Another row has the name or number that must be unique.
    Conflict,
    /// A row is damaged.
    Corrupt,
    /// Programming error.
    Bug,
}

impl StoreError {
    /// Creates an error. `doing` is the action that failed, such as "reading a message".
    pub fn new(
        kind: StoreErrorKind,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, doing, source: Some(source.into()) }
    }

    /// Returns the kind.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = source.as_ref();
            source
        })
    }
}

/// Request for a page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Number of rows on a page, 1 to 200.
    pub per_page: u32,
    /// Start of the page.
    pub start: PageStart,
}

/// Start of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// Page number, from 1.
    Page(u32),
    /// Position of the row before the page.
    After(i64),
}

/// Order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// Newest rows first.
    #[default]
    NewestFirst,
    /// Oldest rows first.
    OldestFirst,
}

/// Page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Rows of the page.
    pub rows: Vec<T>,
    /// Number of rows of the list, counted up to [`COUNT_CAP`].
    pub total: u32,
    /// `true` if the list has more than [`COUNT_CAP`] rows.
    pub is_total_capped: bool,
    /// Position of the last row, if more rows follow.
    pub next: Option<i64>,
}

/// Maximum number of rows that are counted for the total.
pub const COUNT_CAP: u32 = 10_000;

/// Cursors of lists: positions that callers can return, but neither read nor change.
pub trait Cursors: Send + Sync {
    /// Encrypts the position of a row for a list of a workspace. Equal positions have equal cursors.
    ///
    /// # Errors
    /// The position cannot be encrypted.
    fn seal_cursor(&self, workspace: WorkspaceId, list: &str, position: i64) -> Result<Vec<u8>, StoreError>;

    /// Returns the position of a cursor; `None` unless [`Cursors::seal_cursor`] created the cursor for the same list of
    /// the same workspace, with the present or the old key.
    fn open_cursor(&self, workspace: WorkspaceId, list: &str, cursor: &[u8]) -> Option<i64>;
}
