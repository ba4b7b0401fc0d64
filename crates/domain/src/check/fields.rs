//! Reading of the fields of an object.

use std::cell::{Cell, RefCell};

use super::describe::{describe_choices, quoted};
use super::nearest::nearest;
use super::patch::Patch;
use super::pointer::JsonPointer;
use super::reader::{FieldNames, Fields, Item, excess};
use super::schema::node::Node;
use super::violation::Violations;
use crate::json::{Object, Value};

impl<'a, 'p> Fields<'a, 'p> {
    /// Starts the reading of an object at `pointer`.
    pub fn read(object: &'a Object, pointer: JsonPointer<'p>, found: &'p Violations) -> Self {
        Self { object, pointer, found, requested: FieldNames::new() }
    }

    /// Returns a required field. Without the field, or with `null`, the missing member has the violation "is required".
    pub fn required(&self, name: &'static str) -> Item<'a, '_> {
        let item = self.optional(name);
        self.describe_field(name, true, false);
        if item.value.is_none() {
            item.refuse("is required");
        }
        item
    }

    /// Returns an optional field; `null` is absent.
    pub fn optional(&self, name: &'static str) -> Item<'a, '_> {
        let value = self.lookup(name).filter(|value| !value.is_null());
        self.describe_field(name, false, true);
        Item { value, pointer: self.pointer.key(name), found: self.found }
    }

    /// Returns a field of a change: an absent field stays unchanged, `null` clears the field.
    pub fn change(&self, name: &'static str) -> Patch<Item<'a, '_>> {
        self.describe_field(name, false, true);
        match self.lookup(name) {
            None if !self.found.is_describing() => Patch::Unchanged,
            Some(Value::Null) => Patch::Clear,
            value @ (Some(_) | None) => {
                Patch::Set(Item { value, pointer: self.pointer.key(name), found: self.found })
            }
        }
    }

    /// Returns a field of a change that may be absent, but not `null`. The reason is the violation for `null`: "cannot be
    /// cleared".
    pub fn given(&self, name: &'static str, null_reason: &str) -> Item<'a, '_> {
        let change = self.change(name);
        self.describe_field(name, false, false);
        match change {
            Patch::Set(item) => item,
            Patch::Clear => {
                self.found.refuse(&self.pointer.key(name), null_reason);
                Item { value: None, pointer: self.pointer.key(name), found: self.found }
            }
            Patch::Unchanged => Item { value: None, pointer: self.pointer.key(name), found: self.found },
        }
    }

    /// Adds a violation if the object has the field: "is not allowed in a list message".
    pub fn forbidden(&self, name: &'static str, reason: &str) {
        self.forbidden_with(name, || reason.to_owned());
    }

    /// Does the same as [`Fields::forbidden`], with a reason that is created only if it is needed.
    pub fn forbidden_with(&self, name: &'static str, reason: impl FnOnce() -> String) {
        if self.found.is_describing() {
            return;
        }
        let item = self.optional(name);
        if item.is_present() {
            item.refuse(reason());
        }
    }

    /// Reads the one field of several that is present. If no field is present, the object has a violation ("needs exactly
    /// one of `id` or `link`"). If two fields are present, the later field has a violation.
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

    /// Reads the one field of several that is present. If no field is present, `main` is required. If two fields are
    /// present, the later field has a violation.
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

    /// Reads the one field of several that is present, if any. If two fields are present, the later field has a violation.
    pub fn at_most_one<T>(
        &self,
        names: &[&'static str],
        read: impl FnMut(&'static str, Item<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        self.one_of_fields(names, read).flatten()
    }

    /// Reads the one field of several that is present. Returns `None` if no field is present.
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
        let mut present = None;
        for name in names {
            let item = self.optional(name);
            match present {
                _ if !item.is_present() => {}
                None => present = Some((*name, item)),
                Some((first, _)) => item.refuse(format!(
                    "cannot be given together with `{first}`: exactly one of {} is allowed",
                    describe_choices(names)
                )),
            }
        }
        present.map(|(name, item)| read(name, item))
    }

    /// Adds a violation at the object.
    pub fn refuse(&self, reason: impl Into<String>) {
        self.found.refuse(&self.pointer, reason);
    }

    /// Returns the object.
    pub const fn object(&self) -> &'a Object {
        self.object
    }

    /// Returns the pointer to the object.
    pub const fn pointer(&self) -> &JsonPointer<'p> {
        &self.pointer
    }

    /// Returns the list of violations.
    pub const fn violations(&self) -> &'p Violations {
        self.found
    }

    /// Ends the reading. Every field that was not requested is unknown: its violation names the most similar known field.
    /// The first violation without a similar field lists all known fields.
    pub fn finish(self) {
        self.describe(Node::close);
        if self.requested.n_present.get() == self.object.len() {
            return;
        }
        let names = self.requested.names();
        let mut is_listed = false;
        for (key, _) in self.object.iter().filter(|(key, _)| !names.contains(key)) {
            if self.found.is_full() {
                return;
            }
            let unknown = quoted(key);
            let reason = match nearest(key, &names) {
                Some(name) => format!("unknown field {unknown}; did you mean `{name}`?"),
                None if names.is_empty() => format!("unknown field {unknown}; this object has no fields"),
                None if is_listed => format!("unknown field {unknown}"),
                None => {
                    is_listed = true;
                    format!("unknown field {unknown}; known are {}", describe_choices(&names))
                }
            };
            self.found.refuse(&self.pointer.key(key), reason);
        }
    }

    /// Ends the reading of an object that may have other fields.
    /// It has at most [`MAX_MEMBERS`](super::limits::MAX_MEMBERS) fields, and at most
    /// [`MAX_VALUES`](super::limits::MAX_VALUES) values within them.
    pub fn finish_open(self) {
        self.describe(Node::open);
        if let Some(reason) = excess(self.object) {
            self.refuse(reason);
        }
    }

    fn lookup(&self, name: &'static str) -> Option<&'a Value> {
        let value = self.object.get(name);
        if self.requested.insert(name) && value.is_some() {
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

    /// Adds a name. Returns `false` if the name was requested before.
    fn insert(&self, name: &'static str) -> bool {
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
