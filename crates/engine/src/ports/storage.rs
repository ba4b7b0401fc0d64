//! Errors and pages, which all storage ports share.

use std::fmt;

/// What went wrong in a store.
///
/// Opaque: callers ask what kind it is, the rest is for the log.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    doing: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store is down, full, locked or read-only: nothing was written; it may work later.
    Unavailable,
    /// Something with this name or number is there already.
    Conflict,
    /// A row cannot be read: somebody or something has damaged it.
    Corrupt,
    /// A fault of ours.
    Bug,
}

impl StoreError {
    /// An error of this kind, met while `doing` something.
    pub fn new(
        kind: StoreErrorKind,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, doing, source: Some(source.into()) }
    }

    /// What kind of error it is.
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

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows on a page, 1 to 200.
    pub per_page: u32,
    /// Where it starts.
    pub start: PageStart,
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// At the first row of this page, counted from 1.
    Page(u32),
    /// After the row with this position.
    After(i64),
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many there are in all, counted up to [`COUNT_CAP`].
    pub total: u32,
    /// Whether there are more than that.
    pub is_total_capped: bool,
    /// The position of the last row, if more follow.
    pub next: Option<i64>,
}

/// How far rows are counted.
pub const COUNT_CAP: u32 = 10_000;
