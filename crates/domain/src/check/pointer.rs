//! JSON pointers that are built on the stack.

use crate::json::pointer::push_token;

/// JSON pointer into the caller's JSON, as a chain of steps on the stack.
#[derive(Clone, Copy, Debug)]
pub struct JsonPointer<'p> {
    pub(super) parent: Option<&'p Self>,
    pub(super) step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'p> {
    /// A pointer in text form, already escaped.
    Base(&'p str),
    Key(&'p str),
    Index(usize),
}

impl<'p> JsonPointer<'p> {
    /// Returns the pointer to the whole document: `""`.
    #[must_use]
    pub const fn root() -> Self {
        Self::from_pointer("")
    }

    /// Creates a pointer from its text form.
    #[must_use]
    pub const fn from_pointer(pointer: &'p str) -> Self {
        Self { parent: None, step: Step::Base(pointer) }
    }

    /// Returns the pointer to the member `key`.
    #[must_use]
    pub const fn key(&'p self, key: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// Returns the pointer to the element `index`.
    #[must_use]
    pub const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// Returns the text form (RFC 6901).
    #[must_use]
    pub fn text(&self) -> String {
        let mut pointer = String::new();
        self.write(&mut pointer);
        pointer
    }

    fn write(&self, pointer: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(pointer);
        }
        match self.step {
            Step::Base(base) => pointer.push_str(base),
            Step::Key(key) => push_token(pointer, key),
            Step::Index(index) => push_token(pointer, &index.to_string()),
        }
    }
}
