//! Limits of values whose reader sets no others: no request has a text, a list or an object without a maximum.

/// Maximum length of a string whose reader sets no other maximum, in Unicode characters.
pub const MAX_STRING: usize = 4096;
/// Maximum number of elements of an array whose reader sets no other maximum.
pub const MAX_ELEMENTS: usize = 1000;
/// Maximum number of members of an object that may have any fields.
pub const MAX_MEMBERS: usize = 1000;
/// Maximum number of values within an object that may have any fields, at any depth.
pub const MAX_VALUES: usize = 10_000;
/// Maximum length of an object that is written as JSON text, in Unicode characters.
pub const MAX_JSON_TEXT: usize = 65_536;
/// Maximum length of a number that is written as a string.
pub(super) const MAX_NUMBER_TEXT: usize = 64;
