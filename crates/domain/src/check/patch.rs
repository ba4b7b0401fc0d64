//! Changes of fields.

/// Change of a field in a partial update: an absent field stays unchanged, `null` clears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field was not given.
    #[default]
    Unchanged,
    /// The field was `null`.
    Clear,
    /// The field has a value.
    Set(T),
}

impl<T> Patch<T> {
    /// Checks the new value: `patch.and_then(|item| item.string(1..=60))`. A value with a violation becomes
    /// `Unchanged`.
    pub fn and_then<U>(self, check: impl FnOnce(T) -> Option<U>) -> Patch<U> {
        match self {
            Self::Unchanged => Patch::Unchanged,
            Self::Clear => Patch::Clear,
            Self::Set(value) => check(value).map_or(Patch::Unchanged, Patch::Set),
        }
    }
}
