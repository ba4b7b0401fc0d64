//! Templates that shall be created or changed at Meta: its rules, checked before it is asked (reference F.2, F.3).
//!
//! **Invariant:** what passes here is brought to one form: words of enumerations in upper case, samples as lists.
//!
//! **Invariant:** only what the reference is sure of is refused. The rest is for Meta's review to judge.

mod button;
mod component;
mod language;
mod library;
mod slots;

pub use library::{LibraryDraft, NewTemplate};

use super::{ParameterFormat, Template, TemplateCategory, TemplateStatus};
use crate::check::{Fields, Item, Items};
use crate::json::{Object, Value};

/// The longest name.
const MAX_NAME: usize = 512;
/// How many components there are at most: one of each type.
const MAX_COMPONENTS: usize = 10;

const CATEGORIES: [&str; 3] = ["AUTHENTICATION", "MARKETING", "UTILITY"];
const FORMATS: [&str; 2] = ["POSITIONAL", "NAMED"];

/// A template to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateDraft {
    /// Its name, `[a-z0-9_]`.
    pub name: String,
    /// Its language code, one of Meta's.
    pub language: String,
    /// What it is for.
    pub category: TemplateCategory,
    /// Whether its slots have numbers or names.
    pub parameter_format: ParameterFormat,
    /// Its components, an array in Meta's form.
    pub components: Value,
    /// What else the caller asks for: lifetime, sub-category, link tracking.
    extras: Object,
}

impl TemplateDraft {
    /// Reads a draft out of the caller's fields, with every violation. `None` comes with at least one.
    pub fn read(fields: &Fields<'_, '_>) -> Option<Self> {
        let name = read_name(&fields.required("name"));
        let language = language::read(&fields.required("language"));
        let category = category(&fields.required("category"));
        let format = fields.optional("parameter_format");
        let format = format
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

    /// The request body.
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

    /// The template that it becomes, in the state and category that Meta has given it.
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

/// What shall change of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateEdit {
    /// Another category.
    pub category: Option<TemplateCategory>,
    /// Other components, all of them, in Meta's form.
    pub components: Option<Value>,
    extras: Object,
}

impl TemplateEdit {
    /// Reads a change of `before`. Name and language say which template it is, and stay.
    pub fn read(fields: &Fields<'_, '_>, before: &Template) -> Option<Self> {
        for (name, known) in [("name", &before.name), ("language", &before.language)] {
            let item = fields.optional(name);
            if item.string(..).is_some_and(|given| given != known) {
                item.refuse("cannot be changed: it says which template this is; create another one");
            }
        }
        let given = fields.optional("category");
        let wanted = category(&given);
        let is_approved = before.status.is_sendable();
        if is_approved && wanted.as_ref().is_some_and(|wanted| *wanted != before.category) {
            given.refuse("cannot be changed once the template is approved");
        }
        let holds = wanted.as_ref().unwrap_or(&before.category);
        let given = fields.optional("components");
        let components = if given.is_present() {
            read_components(&given, Some(holds), before.parameter_format)
        } else {
            None
        };
        let mut extras = Object::new();
        read_ttl(fields, Some(holds), &mut extras);
        if wanted.is_none() && !given.is_present() && extras.is_empty() {
            fields
                .refuse("needs something to change: `components`, `category` or `message_send_ttl_seconds`");
        }
        Some(Self { category: wanted, components, extras })
    }

    /// The request body.
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

impl TemplateStatus {
    /// Whether Meta takes changes of a template in this state (reference F.2). Only what is known not to is not.
    #[must_use]
    pub const fn is_editable(&self) -> bool {
        match self {
            Self::Approved
            | Self::Rejected
            | Self::Paused
            | Self::Flagged
            | Self::Reinstated
            | Self::Unarchived
            | Self::Other(_) => true,
            Self::Pending
            | Self::Disabled
            | Self::InAppeal
            | Self::PendingDeletion
            | Self::Deleted
            | Self::LimitExceeded
            | Self::Archived
            | Self::Locked => false,
        }
    }
}

fn category(item: &Item<'_, '_>) -> Option<TemplateCategory> {
    item.one_of_any_case(&CATEGORIES).map(TemplateCategory::parse)
}

fn read_name(item: &Item<'_, '_>) -> Option<String> {
    let text = item.string(1..=MAX_NAME)?;
    let is_name = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_name {
        item.refuse("must consist of lower-case letters, digits and underscores");
    }
    is_name.then(|| text.to_owned())
}

/// What may be asked for besides the content.
fn read_extras(fields: &Fields<'_, '_>, category: Option<&TemplateCategory>) -> Object {
    let mut extras = Object::new();
    read_ttl(fields, category, &mut extras);
    if let Some(word) = fields.optional("sub_category").string(1..=60) {
        extras.insert("sub_category", word.to_ascii_uppercase());
    }
    if let Some(is_off) = fields.optional("cta_url_link_tracking_opted_out").boolean() {
        extras.insert("cta_url_link_tracking_opted_out", is_off);
    }
    // Meta ignores it: it may correct the category of any template.
    let _ignored = fields.optional("allow_category_change").boolean();
    extras
}

/// How long Meta tries to deliver: its bounds depend on what the template is for.
fn read_ttl(fields: &Fields<'_, '_>, category: Option<&TemplateCategory>, extras: &mut Object) {
    let item = fields.optional("message_send_ttl_seconds");
    let Some(seconds) = item.integer(..) else { return };
    let (least, most) = match category {
        Some(TemplateCategory::Authentication) => (30, 900),
        Some(TemplateCategory::Utility) => (30, 43_200),
        Some(TemplateCategory::Marketing | TemplateCategory::Other(_)) => (43_200, 2_592_000),
        None => return,
    };
    if seconds == -1 || (least..=most).contains(&seconds) {
        extras.insert("message_send_ttl_seconds", seconds);
    } else {
        item.refuse(format!("must be -1 or {least} to {most}, is {seconds}"));
    }
}

/// What the rules of a component depend on.
#[derive(Clone, Copy)]
struct Rules<'a> {
    category: &'a TemplateCategory,
    format: ParameterFormat,
    has_offer: bool,
    is_card: bool,
}

impl Rules<'_> {
    fn is_code(&self) -> bool {
        *self.category == TemplateCategory::Authentication
    }
}

/// The components in Meta's form. Without a category only what holds for every one is checked.
fn read_components(
    item: &Item<'_, '_>,
    category: Option<&TemplateCategory>,
    format: ParameterFormat,
) -> Option<Value> {
    let items = item.array(1..=MAX_COMPONENTS)?;
    let kinds = kinds_of(&items);
    let has = |kind: &str| kinds.contains(&kind);
    let category = category.unwrap_or(&TemplateCategory::Utility);
    let rules = Rules { category, format, has_offer: has("LIMITED_TIME_OFFER"), is_card: false };
    if !items.is_empty() && !has("BODY") {
        item.refuse("must hold a component of type BODY");
    }
    if !items.is_empty() && rules.is_code() && !has("BUTTONS") {
        item.refuse("must hold BUTTONS with one OTP button: this is an authentication template");
    }
    let mut read = Vec::new();
    for (index, component) in items.iter().enumerate() {
        let kind = kinds.get(index).copied().unwrap_or_default();
        if !kind.is_empty() && kinds.iter().take(index).any(|other| *other == kind) {
            component.refuse(format!("is the second component of type {kind}: there may be one"));
        }
        read.extend(component::read(&rules, &component));
    }
    Some(Value::Array(read))
}

/// The types of the components as far as they can be read, without judging them.
fn kinds_of(items: &Items<'_, '_>) -> Vec<&'static str> {
    let kind = |item: &Item<'_, '_>| {
        let word = item.value()?.get("type")?.as_str()?;
        component::KINDS.iter().copied().find(|kind| kind.eq_ignore_ascii_case(word))
    };
    items.iter().map(|item| kind(&item).unwrap_or_default()).collect()
}
