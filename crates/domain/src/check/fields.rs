//! Asking an object for its fields.

use std::cell::{Cell, RefCell};

use super::range::{choice_words, quoted};
use super::{Asked, Fields, Item, JsonPointer, Patch, Violations, nearest};
use crate::json::{Object, Value};

impl<'a, 'p> Fields<'a, 'p> {
    /// Starts reading an object that is at `place`.
    pub fn read(object: &'a Object, place: JsonPointer<'p>, found: &'p Violations) -> Self {
        Self { object, place, found, asked: Asked::new() }
    }

    /// A field that must be there; without it (or with `null`): "is required", at the missing member.
    pub fn required(&self, name: &'static str) -> Item<'a, '_> {
        let item = self.optional(name);
        if item.value.is_none() {
            item.refuse("is required");
        }
        item
    }

    /// A field that may be there; `null` is absent.
    pub fn optional(&self, name: &'static str) -> Item<'a, '_> {
        let value = self.ask(name).filter(|value| !value.is_null());
        Item { value, place: self.place.key(name), found: self.found }
    }

    /// A field whose absence and `null` differ: a PUT keeps the one and clears the other.
    pub fn change(&self, name: &'static str) -> Patch<Item<'a, '_>> {
        match self.ask(name) {
            None => Patch::Keep,
            Some(Value::Null) => Patch::Clear,
            value @ Some(_) => Patch::Set(Item { value, place: self.place.key(name), found: self.found }),
        }
    }

    /// A field that this object must not have, with the reason: "is not allowed in a list message".
    pub fn forbidden(&self, name: &'static str, reason: &str) {
        let item = self.optional(name);
        if item.is_present() {
            item.refuse(reason);
        }
    }

    /// The one field of several that is there. None of them is a violation at the object ("needs exactly one of `id` or
    /// `link`"), two are one at the later.
    pub fn exactly_one(&self, names: &[&'static str]) -> Option<(&'static str, Item<'a, '_>)> {
        let one = self.at_most_one(names);
        if one.is_none() {
            self.refuse(format!("needs exactly one of {}", choice_words(names)));
        }
        one
    }

    /// The one field of several that is there, if any; two are a violation at the later.
    pub fn at_most_one(&self, names: &[&'static str]) -> Option<(&'static str, Item<'a, '_>)> {
        let mut one = None;
        for name in names {
            let item = self.optional(name);
            match one {
                _ if !item.is_present() => {}
                None => one = Some((*name, item)),
                Some((first, _)) => item.refuse(format!(
                    "cannot be given together with `{first}`: exactly one of {} is allowed",
                    choice_words(names)
                )),
            }
        }
        one
    }

    /// Notes a violation of the object as a whole.
    pub fn refuse(&self, reason: impl Into<String>) {
        self.found.refuse(&self.place, reason);
    }

    /// The object itself.
    pub const fn object(&self) -> &'a Object {
        self.object
    }

    /// Where the object is.
    pub const fn place(&self) -> &JsonPointer<'p> {
        &self.place
    }

    /// Where the violations go.
    pub const fn violations(&self) -> &'p Violations {
        self.found
    }

    /// Ends the reading: every field that was not asked for is unknown, and the reason names the nearest that is known,
    /// or all of them.
    pub fn finish(self) {
        if self.asked.n_present.get() == self.object.len() {
            return;
        }
        let names = self.asked.names();
        for (key, _) in self.object.iter().filter(|(key, _)| !names.contains(key)) {
            if self.found.is_full() {
                return;
            }
            let unknown = quoted(key);
            let reason = match nearest(key, &names) {
                Some(name) => format!("unknown field {unknown}; did you mean `{name}`?"),
                None if names.is_empty() => format!("unknown field {unknown}; this object has no fields"),
                None => format!("unknown field {unknown}; known are {}", choice_words(&names)),
            };
            self.found.refuse(&self.place.key(key), reason);
        }
    }

    /// Ends the reading of an object that may have fields nobody asked for.
    pub fn finish_open(self) {
        drop(self);
    }

    fn ask(&self, name: &'static str) -> Option<&'a Value> {
        let value = self.object.get(name);
        if self.asked.note(name) && value.is_some() {
            self.asked.n_present.set(self.asked.n_present.get() + 1);
        }
        value
    }
}

impl Asked {
    fn new() -> Self {
        Self {
            n_present: Cell::new(0),
            n_first: Cell::new(0),
            first: [const { Cell::new("") }; 16],
            rest: RefCell::new(Vec::new()),
        }
    }

    /// Remembers a name; false when it was asked for before.
    fn note(&self, name: &'static str) -> bool {
        let n_first = self.n_first.get();
        if self.first.iter().take(n_first).any(|asked| asked.get() == name) {
            return false;
        }
        if let Some(free) = self.first.get(n_first) {
            free.set(name);
            self.n_first.set(n_first + 1);
            return true;
        }
        let mut rest = self.rest.borrow_mut();
        if rest.contains(&name) {
            return false;
        }
        rest.push(name);
        true
    }

    fn names(&self) -> Vec<&'static str> {
        let first = self.first.iter().take(self.n_first.get()).map(Cell::get);
        first.chain(self.rest.borrow().iter().copied()).collect()
    }
}
