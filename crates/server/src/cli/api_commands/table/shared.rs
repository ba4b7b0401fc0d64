//! Options of several resources.

use super::super::definition::ApiParameter;

/// Filter by account.
pub(super) const ACCOUNT: ApiParameter = ApiParameter::query("account", "ID|NAME", "Only of this account");
/// Filter by text.
pub(super) const SEARCH: ApiParameter =
    ApiParameter::query("search", "TEXT", "Only rows that contain this text");
