//! Changes of templates.

use super::components::read_components;
use super::properties::{category, read_ttl};
use crate::check::Fields;
use crate::json::{Object, Value};
use crate::templates::template::{Template, TemplateCategory};

/// Change of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateEdit {
    /// New category.
    pub category: Option<TemplateCategory>,
    /// New components, which replace all old ones, in Meta's form.
    pub components: Option<Value>,
    extras: Object,
}

impl TemplateEdit {
    /// Reads a change of the template `before`. Name and language identify the template and cannot be changed.
    pub fn read(fields: &Fields<'_, '_>, before: &Template) -> Option<Self> {
        for (name, known) in [("name", &before.name), ("language", &before.language)] {
            let item = fields.optional(name);
            if item.string(..).is_some_and(|given| given != known) {
                item.refuse(
                    "cannot be changed: name and language identify the template; create a new template",
                );
            }
        }
        let given = fields.optional("category");
        let new_category = category(&given);
        let is_approved = before.status.is_sendable();
        if is_approved && new_category.as_ref().is_some_and(|category| *category != before.category) {
            given.refuse("cannot be changed once the template is approved");
        }
        let effective = new_category.as_ref().unwrap_or(&before.category);
        let given = fields.optional("components");
        let components = if given.is_present() {
            read_components(&given, Some(effective), before.parameter_format)
        } else {
            None
        };
        let mut extras = Object::new();
        read_ttl(fields, Some(effective), &mut extras);
        if new_category.is_none() && !given.is_present() && extras.is_empty() {
            fields.refuse("needs at least one of `components`, `category` and `message_send_ttl_seconds`");
        }
        Some(Self { category: new_category, components, extras })
    }

    /// Returns the request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Object::new();
        if let Some(category) = &self.category {
            body.insert("category", category.as_str());
        }
        if let Some(components) = &self.components {
            body.insert("components", components.clone());
        }
        for (name, value) in self.extras.iter() {
            body.insert(name, value.clone());
        }
        Value::Object(body)
    }
}
