//! Asking an object for its fields.

use std::cell::{Cell, RefCell};

use super::describe::{describe_choices, quoted};
use super::nearest::nearest;
use super::patch::Patch;
use super::pointer::JsonPointer;
use super::reader::{FieldNames, Fields, Item};
use super::schema::Node;
use super::violation::Violations;
use crate::json::{Object, Value};

impl<'a, 'p> Fields<'a, 'p> {
    /// Starts reading an object that is at `place`.
    pub fn read(object: &'a Object, place: JsonPointer<'p>, found: &'p Violations) -> Self {
        Self { object, place, found, requested: FieldNames::new() }
    }

    /// A field that must be there; without it (or with `null`): "is required", at the missing member.
    pub fn required(&self, name: &'static str) -> Item<'a, '_> {
        let item = self.optional(name);
        self.describe_field(name, true, false);
        if item.value.is_none() {
            item.refuse("is required");
        }
        item
    }

    /// A field that may be there; `null` is absent.
    pub fn optional(&self, name: &'static str) -> Item<'a, '_> {
        let value = self.lookup(name).filter(|value| !value.is_null());
        self.describe_field(name, false, true);
        Item { value, place: self.place.key(name), found: self.found }
    }

    /// A field whose absence and `null` differ: a PUT keeps the one and clears the other.
    pub fn change(&self, name: &'static str) -> Patch<Item<'a, '_>> {
        self.describe_field(name, false, true);
        match self.lookup(name) {
            None if !self.found.is_describing() => Patch::Unchanged,
            Some(Value::Null) => Patch::Clear,
            value @ (Some(_) | None) => {
                Patch::Set(Item { value, place: self.place.key(name), found: self.found })
            }
        }
    }

    /// A field of a change that may be missing, but not `null`, with the reason for `null`: "cannot be cleared".
    pub fn given(&self, name: &'static str, null_reason: &str) -> Item<'a, '_> {
        let change = self.change(name);
        self.describe_field(name, false, false);
        match change {
            Patch::Set(item) => item,
            Patch::Clear => {
                self.found.refuse(&self.place.key(name), null_reason);
                Item { value: None, place: self.place.key(name), found: self.found }
            }
            Patch::Unchanged => Item { value: None, place: self.place.key(name), found: self.found },
        }
    }

    /// A field that this object must not have, with the reason: "is not allowed in a list message".
    pub fn forbidden(&self, name: &'static str, reason: &str) {
        self.forbidden_with(name, || reason.to_owned());
    }

    /// As [`Fields::forbidden`], with a reason that is made only when it is needed.
    pub fn forbidden_with(&self, name: &'static str, reason: impl FnOnce() -> String) {
        if self.found.is_describing() {
            return;
        }
        let item = self.optional(name);
        if item.is_present() {
            item.refuse(reason());
        }
    }

    /// Reads the one field of several that is present. None of them is a violation at the object ("needs exactly one of
    /// `id` or `link`"), two are one at the later.
    pub fn exactly_one<T>(
        &self,
        names: &[&'static str],
        read: impl FnMut(&'static str, Item<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        self.describe_exactly_one(names);
        let one = self.one_of_fields(names, read);
        if one.is_none() {
            self.refuse(format!("needs exactly one of {}", describe_choices(names)));
        }
        one.flatten()
    }

    /// Reads the one field of several that is present, and `main` when none is, which refuses it as missing; two are a
    /// violation at the later.
    pub fn exactly_one_or_main<T>(
        &self,
        names: &[&'static str],
        main: &'static str,
        read: impl FnMut(&'static str, Item<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        self.describe_exactly_one(names);
        let one = self.one_of_fields(names, read);
        if one.is_none() && !self.found.is_describing() {
            let _missing = self.required(main);
        }
        one.flatten()
    }

    /// Reads the one field of several that is present, if any; two are a violation at the later.
    pub fn at_most_one<T>(
        &self,
        names: &[&'static str],
        read: impl FnMut(&'static str, Item<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        self.one_of_fields(names, read).flatten()
    }

    /// Reads the one field of several that is present. The outer `None`: no field is present.
    fn one_of_fields<T>(
        &self,
        names: &[&'static str],
        mut read: impl FnMut(&'static str, Item<'a, '_>) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.found.is_describing() {
            for name in names {
                let _described = read(name, self.optional(name));
            }
            return None;
        }
        let mut one = None;
        for name in names {
            let item = self.optional(name);
            match one {
                _ if !item.is_present() => {}
                None => one = Some((*name, item)),
                Some((first, _)) => item.refuse(format!(
                    "cannot be given together with `{first}`: exactly one of {} is allowed",
                    describe_choices(names)
                )),
            }
        }
        one.map(|(name, item)| read(name, item))
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
        self.describe(Node::close);
        if self.requested.n_present.get() == self.object.len() {
            return;
        }
        let names = self.requested.names();
        for (key, _) in self.object.iter().filter(|(key, _)| !names.contains(key)) {
            if self.found.is_full() {
                return;
            }
            let unknown = quoted(key);
            let reason = match nearest(key, &names) {
                Some(name) => format!("unknown field {unknown}; did you mean `{name}`?"),
                None if names.is_empty() => format!("unknown field {unknown}; this object has no fields"),
                None => format!("unknown field {unknown}; known are {}", describe_choices(&names)),
            };
            self.found.refuse(&self.place.key(key), reason);
        }
    }

    /// Ends the reading of an object that may have fields nobody asked for.
    pub fn finish_open(self) {
        self.describe(Node::open);
        drop(self);
    }

    fn lookup(&self, name: &'static str) -> Option<&'a Value> {
        let value = self.object.get(name);
        if self.requested.note(name) && value.is_some() {
            self.requested.n_present.set(self.requested.n_present.get() + 1);
        }
        value
    }
}

impl FieldNames {
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
        if self.first.iter().take(n_first).any(|known| known.get() == name) {
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
