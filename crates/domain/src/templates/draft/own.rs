//! New templates with components of the business.

use super::components::read_components;
use super::language;
use super::properties::{category, read_extras, read_name};
use crate::check::Fields;
use crate::json::{Object, Value};
use crate::templates::status::TemplateStatus;
use crate::templates::template::{Template, TemplateCategory};
use crate::templates::text::ParameterFormat;

const FORMATS: [&str; 2] = ["POSITIONAL", "NAMED"];

/// A new template with components of the business.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateDraft {
    /// Name, `[a-z0-9_]`.
    pub name: String,
    /// Language code of Meta.
    pub language: String,
    /// Category.
    pub category: TemplateCategory,
    /// Format of the slots.
    pub parameter_format: ParameterFormat,
    /// Components, an array in Meta's form.
    pub components: Value,
    /// Further settings: lifetime, sub-category, link tracking.
    extras: Object,
}

impl TemplateDraft {
    /// Reads a new template and adds all violations. `None` is returned only after a violation.
    pub fn read(fields: &Fields<'_, '_>) -> Option<Self> {
        let name = read_name(&fields.required("name").about("Name of the template."));
        let language = language::read(&fields.required("language"));
        let category = category(&fields.required("category"));
        let format = fields.optional("parameter_format");
        let format = format
            .about("Format of the parameters: `POSITIONAL` (default), such as `{{1}}`, or `NAMED`, such as `{{city}}`.")
            .one_of_any_case(&FORMATS)
            .map_or(Some(ParameterFormat::default()), |word| Some(ParameterFormat::parse(word)))?;
        let components = fields.required("components");
        let components = read_components(&components, category.as_ref(), format);
        let extras = read_extras(fields, category.as_ref());
        Some(Self {
            name: name?,
            language: language?,
            category: category?,
            parameter_format: format,
            components: components?,
            extras,
        })
    }

    /// Returns the request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Object::new();
        body.insert("name", self.name.as_str());
        body.insert("language", self.language.as_str());
        body.insert("category", self.category.as_str());
        body.insert("parameter_format", self.parameter_format.as_str());
        body.insert("components", self.components.clone());
        for (name, value) in self.extras.iter() {
            body.insert(name, value.clone());
        }
        Value::Object(body)
    }

    /// Returns the template with the status and the category that Meta has assigned.
    #[must_use]
    pub fn template(&self, status: TemplateStatus, category: TemplateCategory) -> Template {
        Template {
            name: self.name.clone(),
            language: self.language.clone(),
            status,
            components: Template::components_from(&self.components, self.parameter_format, &category),
            category,
            parameter_format: self.parameter_format,
        }
    }
}
