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
    /// Reads a change of the template `before`. Name and language identify the template and cannot be changed. Without a
    /// template the reader can only be described.
    pub fn read(fields: &Fields<'_, '_>, before: Option<&Template>) -> Option<Self> {
        fields.describe_at_least_one(&["components", "category", "message_send_ttl_seconds"]);
        let name = before.map(|before| &before.name);
        let language = before.map(|before| &before.language);
        for (field, known) in [("name", name), ("language", language)] {
            let item =
                fields.optional(field).about("Cannot be changed. Accepted only with its present value.");
            if item.string(..).is_some_and(|given| known.is_none_or(|known| given != known)) {
                item.refuse(
                    "cannot be changed: name and language identify the template; create a new template",
                );
            }
        }
        let category_item =
            fields.optional("category").about("The category of an approved template cannot be changed.");
        let new_category = category(&category_item);
        let is_approved = before.is_some_and(|before| before.status.is_sendable());
        let old_category = before.map(|before| &before.category);
        if is_approved && new_category.is_some() && new_category.as_ref() != old_category {
            category_item.refuse("cannot be changed once the template is approved");
        }
        let resulting_category = new_category.as_ref().or(old_category);
        let item = fields.optional("components");
        let components = if item.is_present() || fields.is_described() {
            let format = before.map(|before| before.parameter_format).unwrap_or_default();
            read_components(&item, resulting_category, format)
        } else {
            None
        };
        let mut extras = Object::new();
        read_ttl(fields, resulting_category, &mut extras);
        if new_category.is_none() && !item.is_present() && extras.is_empty() {
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
