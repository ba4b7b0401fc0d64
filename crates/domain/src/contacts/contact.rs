//! Fields of contacts and changes of them.
//!
//! **Invariant:** a [`ContactChange`] that was read respects every limit of this file, from JSON and from a row of an
//! imported table.

use crate::check::{Fields, Item, Patch};
use crate::contacts::bsuid::Bsuid;
use crate::contacts::phone::PhoneNumber;
use crate::json::{Object, Value};

/// Maximum length of a name in characters.
pub const MAX_NAME: usize = 200;
/// Maximum number of tags of a contact.
pub const MAX_TAGS: usize = 50;
/// Maximum length of a tag in characters.
pub const MAX_TAG: usize = 50;
/// Maximum length of a stage in characters.
pub const MAX_STAGE: usize = 50;
/// Maximum length of an e-mail address in characters (RFC 5321).
pub const MAX_EMAIL: usize = 254;
/// Maximum number of custom fields of a contact.
pub const MAX_CUSTOM_FIELDS: usize = 50;
/// Maximum length of the name of a custom field in characters.
pub const MAX_CUSTOM_KEY: usize = 64;
/// Maximum length of a text in a custom field in characters.
pub const MAX_CUSTOM_VALUE: usize = 1_000;
/// Separator of tags in a cell of a table; no tag has this character.
pub const TAG_SEPARATOR: char = '|';

/// Change of a contact. A field that was not given is unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactChange {
    /// Phone number.
    pub phone_number: Patch<PhoneNumber>,
    /// Business-scoped user id.
    pub user_id: Patch<Bsuid>,
    /// Display name.
    pub name: Patch<String>,
    /// Labels by which contacts are grouped.
    pub tags: Patch<Vec<String>>,
    /// Stage in the application's process.
    pub stage: Patch<String>,
    /// E-mail address.
    pub email: Patch<String>,
    /// Further fields of the application: names with strings, numbers or booleans.
    pub custom_fields: Patch<CustomFields>,
    /// `true` if the contact has opted out of marketing.
    pub opted_out: Patch<bool>,
}

/// New values of custom fields.
#[derive(Clone, Debug, PartialEq)]
pub enum CustomFields {
    /// All custom fields: other fields are deleted.
    All(Object),
    /// Some custom fields as texts: other fields stay. A text that equals the current value as text does not change
    /// the type of the value.
    Some(Vec<(String, String)>),
}

impl Default for ContactChange {
    /// Returns a change without changed fields.
    fn default() -> Self {
        Self {
            phone_number: Patch::Unchanged,
            user_id: Patch::Unchanged,
            name: Patch::Unchanged,
            tags: Patch::Unchanged,
            stage: Patch::Unchanged,
            email: Patch::Unchanged,
            custom_fields: Patch::Unchanged,
            opted_out: Patch::Unchanged,
        }
    }
}

/// Pattern of an e-mail address.
const EMAIL: &str = r"^[^@\s<>,;]+@[^@\s<>,;.]+(\.[^@\s<>,;.]+)+$";

/// Documentation of `custom_fields`.
const CUSTOM: &str = "Further data of your own: names with texts, numbers or booleans.";

/// JSON Schema of `custom_fields`.
fn custom_schema() -> Value {
    let number = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let object = |members: Vec<(&str, Value)>| -> Value {
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Object>().into()
    };
    let text = object(vec![("type", "string".into()), ("maxLength", number(MAX_CUSTOM_VALUE))]);
    let kinds = ["number", "boolean", "null"].map(Value::from);
    let other = object(vec![("type", Value::Array(kinds.into()))]);
    let value = object(vec![("anyOf", Value::Array(vec![text, other]))]);
    let name = object(vec![
        ("type", "string".into()),
        ("minLength", Value::Int(1)),
        ("maxLength", number(MAX_CUSTOM_KEY)),
    ]);
    object(vec![
        ("type", "object".into()),
        ("additionalProperties", value),
        ("maxProperties", number(MAX_CUSTOM_FIELDS)),
        ("propertyNames", name),
    ])
}

/// Read-only fields.
const READ_ONLY: [&str; 5] = ["id", "created_at", "last_inbound_at", "opted_out_at", "opted_out_reason"];

impl ContactChange {
    /// Reads a new contact from the fields of a JSON object.
    pub fn read_new(fields: &Fields<'_, '_>) -> Self {
        fields.describe_at_least_one(&["phone_number", "user_id"]);
        let change = Self::read(fields);
        change.check_new(fields);
        change
    }

    /// Reads a change from the fields of a JSON object.
    pub fn read(fields: &Fields<'_, '_>) -> Self {
        let text = |name, max_length, about| {
            fields.change(name).and_then(|item| read_text(&item.about(about).pattern(r"\S"), max_length))
        };
        let change = Self {
            phone_number: fields.change("phone_number").and_then(|item| {
                let item = item.about("Phone number in international format.").example("+447700900124");
                read_number(&item.keyword("minLength", 1))
            }),
            user_id: fields.change("user_id").and_then(|item| {
                let item = item.about("Meta's business-scoped user ID.").example("GB.77120394857261034");
                let item = item.pattern(r"^[^.\s]+\.\S+$");
                read_user(&item.keyword("maxLength", i64::try_from(Bsuid::MAX).unwrap_or(i64::MAX)))
            }),
            name: text("name", MAX_NAME, "Name of the contact. Not blank."),
            tags: fields.change("tags").and_then(|item| {
                read_tags(&item.about("Tags, with which you group contacts. No tag contains `|`."))
            }),
            stage: text("stage", MAX_STAGE, "Stage of the contact in your process. Not blank."),
            email: fields.change("email").and_then(|item| {
                let item = item.about("E-mail address.").pattern(EMAIL);
                let item = item.keyword("maxLength", i64::try_from(MAX_EMAIL).unwrap_or(i64::MAX));
                let email = item.string(1..)?;
                is_valid(&item, check_email(email)).then(|| email.to_owned())
            }),
            custom_fields: fields.change("custom_fields").and_then(|item| {
                read_custom(&item.about(CUSTOM).written_as(custom_schema)).map(CustomFields::All)
            }),
            opted_out: fields.change("opted_out").and_then(|item| {
                item.about("`true`: the contact receives no marketing templates.").boolean()
            }),
        };
        for name in READ_ONLY {
            fields.forbidden(name, "is read-only");
        }
        change
    }

    /// Adds violations for the fields that a new contact needs.
    pub fn check_new(&self, fields: &Fields<'_, '_>) {
        let is_named = |name| fields.object().get(name).is_some_and(|value| !value.is_null());
        if !is_named("phone_number") && !is_named("user_id") && !fields.is_described() {
            fields.required("phone_number").string(..);
        }
    }

    /// Adds one cell of a table to the change. An empty cell leaves the field unchanged.
    ///
    /// # Errors
    /// Returns the violated rule, to be read after the name of the column.
    pub fn set_cell(&mut self, column: &ImportColumn, cell: &str) -> Result<(), String> {
        let untrimmed = cell;
        let cell = cell.trim();
        if cell.is_empty() {
            return Ok(());
        }
        match column {
            ImportColumn::PhoneNumber => {
                let number = PhoneNumber::parse(cell).map_err(|error| error.to_string())?;
                self.phone_number = Patch::Set(number);
            }
            ImportColumn::UserId => {
                self.user_id = Patch::Set(Bsuid::parse(cell).map_err(|error| error.to_string())?);
            }
            ImportColumn::Name => {
                check_length(cell, MAX_NAME)?;
                self.name = Patch::Set(cell.to_owned());
            }
            // An export has the column, so that a table of contacts is complete. Only WhatsApp changes a user name.
            ImportColumn::Username => {}
            ImportColumn::Email => {
                check_email(cell)?;
                self.email = Patch::Set(cell.to_owned());
            }
            ImportColumn::Stage => {
                check_length(cell, MAX_STAGE)?;
                self.stage = Patch::Set(cell.to_owned());
            }
            ImportColumn::Tags => self.tags = Patch::Set(split_tags(cell)?),
            ImportColumn::OptedOut => {
                self.opted_out = Patch::Set(match cell.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "1" => true,
                    "false" | "no" | "0" => false,
                    _ => return Err("must be `true` or `false`".to_owned()),
                });
            }
            ImportColumn::Custom(key) => {
                check_length(untrimmed, MAX_CUSTOM_VALUE)?;
                let one = (key.clone(), untrimmed.to_owned());
                match &mut self.custom_fields {
                    Patch::Set(CustomFields::Some(texts)) => texts.push(one),
                    Patch::Set(CustomFields::All(_)) | Patch::Unchanged | Patch::Clear => {
                        self.custom_fields = Patch::Set(CustomFields::Some(vec![one]));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Column of an imported table of contacts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportColumn {
    /// `phone_number`
    PhoneNumber,
    /// `user_id`
    UserId,
    /// `name`
    Name,
    /// `username`: written by an export, ignored by an import.
    Username,
    /// `email`
    Email,
    /// `tags`: separated by `|` or, without one, by commas.
    Tags,
    /// `stage`
    Stage,
    /// `opted_out`
    OptedOut,
    /// `custom.<key>`
    Custom(String),
}

/// Columns with fixed names.
pub const COLUMNS: [(&str, ImportColumn); 8] = [
    ("phone_number", ImportColumn::PhoneNumber),
    ("user_id", ImportColumn::UserId),
    ("name", ImportColumn::Name),
    ("username", ImportColumn::Username),
    ("email", ImportColumn::Email),
    ("tags", ImportColumn::Tags),
    ("stage", ImportColumn::Stage),
    ("opted_out", ImportColumn::OptedOut),
];

/// Prefix of the columns for custom fields.
pub const CUSTOM_PREFIX: &str = "custom.";

impl ImportColumn {
    /// Parses the name of a column.
    ///
    /// # Errors
    /// Returns the violated rule, to be read after the name.
    pub fn parse(name: &str) -> Result<Self, String> {
        if let Some(key) = name.strip_prefix(CUSTOM_PREFIX) {
            check_length(key, MAX_CUSTOM_KEY)?;
            return Ok(Self::Custom(key.to_owned()));
        }
        let lower = name.to_ascii_lowercase();
        if let Some((_, column)) = COLUMNS.iter().find(|(known, _)| *known == lower) {
            return Ok(column.clone());
        }
        let names = COLUMNS.map(|(name, _)| name);
        Err(match crate::check::nearest(&lower, &names) {
            Some(near) => format!("is not a known column; did you mean `{near}`?"),
            None => format!("is not a known column; known are {} and `custom.<key>`", names.join(", ")),
        })
    }

    /// Returns the name of the column.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Custom(key) => format!("{CUSTOM_PREFIX}{key}"),
            Self::PhoneNumber
            | Self::UserId
            | Self::Name
            | Self::Username
            | Self::Email
            | Self::Tags
            | Self::Stage
            | Self::OptedOut => {
                let known = COLUMNS.iter().find(|(_, column)| column == self);
                known.map_or_else(String::new, |(name, _)| (*name).to_owned())
            }
        }
    }
}

/// Returns the value of a custom field as the text of a cell.
#[must_use]
pub fn custom_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Array(_)
        | Value::Object(_) => value.canonical(),
    }
}

/// Returns the text of a cell with these tags.
#[must_use]
pub fn join_tags(tags: &[String]) -> String {
    let mut text = tags.join("|");
    if tags.len() == 1 && text.contains(',') {
        // Without the separator, the comma would split the tag.
        text.push(TAG_SEPARATOR);
    }
    text
}

fn split_tags(cell: &str) -> Result<Vec<String>, String> {
    let separator = if cell.contains(TAG_SEPARATOR) { TAG_SEPARATOR } else { ',' };
    let mut tags: Vec<String> = Vec::new();
    for tag in cell.split(separator).map(str::trim).filter(|tag| !tag.is_empty()) {
        check_length(tag, MAX_TAG).map_err(|reason| format!("has a tag that {reason}"))?;
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    if tags.len() > MAX_TAGS {
        return Err(format!("must have at most {MAX_TAGS} tags, has {}", tags.len()));
    }
    Ok(tags)
}

/// Returns `true` if the check succeeded, or else adds its violation.
fn is_valid(item: &Item<'_, '_>, checked: Result<(), String>) -> bool {
    match checked {
        Ok(()) => true,
        Err(reason) => {
            item.refuse(reason);
            false
        }
    }
}

/// Returns a text without leading and trailing whitespace.
fn read_text(item: &Item<'_, '_>, max_length: usize) -> Option<String> {
    let text = item.string(1..=max_length)?.trim();
    if text.is_empty() {
        item.refuse("must not be blank");
        return None;
    }
    Some(text.to_owned())
}

fn read_number(item: &Item<'_, '_>) -> Option<PhoneNumber> {
    match PhoneNumber::parse(item.string(..)?) {
        Ok(number) => Some(number),
        Err(error) => {
            item.refuse(error.to_string());
            None
        }
    }
}

fn read_user(item: &Item<'_, '_>) -> Option<Bsuid> {
    match Bsuid::parse(item.string(..)?) {
        Ok(user) => Some(user),
        Err(error) => {
            item.refuse(error.to_string());
            None
        }
    }
}

fn read_tags(item: &Item<'_, '_>) -> Option<Vec<String>> {
    let items = item.array(..=MAX_TAGS)?;
    let mut tags: Vec<String> = Vec::new();
    for item in items.iter() {
        let item = item.pattern(r"^[^\s|]([^|]*[^\s|])?$");
        let Some(tag) = item.string(1..=MAX_TAG) else { continue };
        if tag.trim() != tag || tag.contains(TAG_SEPARATOR) {
            item.refuse("must not begin or end with a space, and must not contain `|`");
        } else if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    Some(tags)
}

fn read_custom(item: &Item<'_, '_>) -> Option<Object> {
    let given = item.open_object()?;
    if given.len() > MAX_CUSTOM_FIELDS {
        item.refuse(format!("must have at most {MAX_CUSTOM_FIELDS} members, has {}", given.len()));
        return None;
    }
    let mut custom = Object::new();
    let fields = item.object()?;
    for (key, value) in given.iter() {
        let refuse = |reason: String| fields.violations().refuse(&fields.pointer().key(key), reason);
        if let Err(reason) = check_length(key, MAX_CUSTOM_KEY) {
            refuse(format!("has a name that {reason}"));
        }
        match value {
            Value::Null => continue,
            Value::String(text) => {
                let n_characters = text.chars().count();
                if n_characters > MAX_CUSTOM_VALUE {
                    refuse(format!("must be at most {MAX_CUSTOM_VALUE} characters, is {n_characters}"));
                }
            }
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
            Value::Array(_) | Value::Object(_) => {
                refuse(format!("must be a string, a number or a boolean, is {}", value.kind_name()));
            }
        }
        custom.insert(key, value.clone());
    }
    fields.finish_open();
    Some(custom)
}

fn check_length(text: &str, max_length: usize) -> Result<(), String> {
    let n_characters = text.chars().count();
    if (1..=max_length).contains(&n_characters) {
        return Ok(());
    }
    Err(format!("must be 1 to {max_length} characters, is {n_characters}"))
}

/// Checks the form of an e-mail address; the mailbox may not exist.
fn check_email(text: &str) -> Result<(), String> {
    let reason = || Err("must be an e-mail address, such as maya@example.com".to_owned());
    if text.chars().count() > MAX_EMAIL {
        return Err(format!("must be at most {MAX_EMAIL} characters"));
    }
    let Some((local, host)) = text.rsplit_once('@') else { return reason() };
    let is_host = host.contains('.') && !host.split('.').any(str::is_empty);
    let is_clean =
        !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';'));
    if local.is_empty() || local.contains('@') || !is_host || !is_clean { reason() } else { Ok(()) }
}

#[cfg(test)]
mod tests;
