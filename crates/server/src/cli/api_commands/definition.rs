//! Types of the table of commands.

use clap::{Arg, ArgAction};
use http::Method;

/// Commands of one resource.
#[derive(Debug)]
pub(super) struct CommandGroup {
    /// Name of the group, such as `webhooks`.
    pub(super) name: &'static str,
    /// Help text.
    pub(super) about: &'static str,
    /// Commands.
    pub(super) commands: &'static [ApiCommand],
}

/// A command.
#[derive(Debug)]
pub(super) struct ApiCommand {
    /// Name, such as `list`.
    pub(super) name: &'static str,
    /// Help text.
    pub(super) about: &'static str,
    /// Arguments.
    pub(super) parameters: &'static [ApiParameter],
    /// Effect.
    pub(super) effect: CommandEffect,
}

impl ApiCommand {
    /// Returns `true` if the command prints a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(&self.effect, CommandEffect::Call(call) if matches!(call.format, ResultFormat::Rows { .. }))
    }

    /// Returns the arguments that are sent in the query.
    pub(super) fn parameters_in_query(&self) -> Vec<&'static ApiParameter> {
        self.parameters_in(ParameterLocation::is_query)
    }

    /// Returns the arguments that are sent in the body.
    pub(super) fn parameters_in_body(&self) -> Vec<&'static ApiParameter> {
        self.parameters_in(ParameterLocation::is_body)
    }

    fn parameters_in(&self, is_there: fn(&ParameterLocation) -> bool) -> Vec<&'static ApiParameter> {
        self.parameters.iter().filter(|parameter| is_there(&parameter.location)).collect()
    }
}

/// Effect of a command.
#[derive(Debug)]
pub(super) enum CommandEffect {
    /// Calls the API.
    Call(ApiCall),
    /// Follows the event log.
    FollowEvents,
}

/// A call of the API.
#[derive(Debug)]
pub(super) struct ApiCall {
    /// Method.
    pub(super) method: Method,
    /// Path with `{id}`.
    pub(super) path: &'static str,
    /// Format of the result.
    pub(super) format: ResultFormat,
}

/// Format of a result for people.
#[derive(Debug)]
pub(super) enum ResultFormat {
    /// A table of all pages.
    Rows {
        /// Member of `data` with the rows.
        member: &'static str,
        /// Columns.
        columns: &'static [TableColumn],
        /// Query parameter that continues after the previous page.
        continues: &'static str,
    },
    /// The members of `data`.
    Members,
    /// The members of `data`; the exit code is 0 only if `status` has this value.
    MembersIf(&'static str),
    /// A sentence.
    Sentence(&'static str),
    /// The response as it is.
    Text,
}

/// A column of a table: heading and JSON pointer into a row.
#[derive(Debug)]
pub(super) struct TableColumn(pub(super) &'static str, pub(super) &'static str);

/// An argument of a command.
#[derive(Debug)]
pub(super) struct ApiParameter {
    /// Name of the option, or of the positional argument.
    pub(super) name: &'static str,
    /// Name of the field or query parameter of the API.
    pub(super) field: &'static str,
    value_name: &'static str,
    help: &'static str,
    /// Place in the request.
    pub(super) location: ParameterLocation,
    /// Kind of the value.
    pub(super) kind: ParameterKind,
    is_required: bool,
}

/// Place of an argument in the request.
#[derive(Debug)]
pub(super) enum ParameterLocation {
    /// `{id}` of the path, with the way to find the ID if the value is none.
    Path(Option<&'static IdLookup>),
    /// The query.
    Query,
    /// The JSON body.
    Body,
    /// The file whose content is the body.
    File,
}

impl ParameterLocation {
    fn is_query(&self) -> bool {
        matches!(self, Self::Query)
    }

    fn is_body(&self) -> bool {
        matches!(self, Self::Body)
    }
}

/// A list in which an object is found by something else than its ID.
#[derive(Debug)]
pub(super) struct IdLookup {
    /// Path of the list.
    pub(super) path: &'static str,
    /// Query parameter that filters the list.
    pub(super) filter: &'static str,
    /// Member of `data` with the rows.
    pub(super) member: &'static str,
    /// Member of a row that must be equal to the value; `None` if the filter is exact.
    pub(super) equals: Option<&'static str>,
    /// Description of the object, such as "webhook with the name".
    pub(super) what: &'static str,
}

/// Kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParameterKind {
    /// Text.
    Text,
    /// A switch without a value.
    Flag,
    /// `true` or `false`.
    Boolean,
    /// Several texts, separated by commas.
    List,
    /// `NAME=VALUE`; can be repeated.
    Pairs,
    /// A time, or a duration before now.
    PastTime,
    /// A time, or a duration from now.
    FutureTime,
}

impl ApiParameter {
    /// Defines an argument without a dash.
    pub(super) const fn path(value_name: &'static str, help: &'static str) -> Self {
        Self::new("id", value_name, help, ParameterLocation::Path(None)).required()
    }

    /// Defines an option that is sent in the query.
    pub(super) const fn query(name: &'static str, value_name: &'static str, help: &'static str) -> Self {
        Self::new(name, value_name, help, ParameterLocation::Query)
    }

    /// Defines an option that is sent in the body.
    pub(super) const fn body(name: &'static str, value_name: &'static str, help: &'static str) -> Self {
        Self::new(name, value_name, help, ParameterLocation::Body)
    }

    /// Defines the file whose content is the body.
    pub(super) const fn file(help: &'static str) -> Self {
        Self::new("file", "FILE", help, ParameterLocation::File).required()
    }

    const fn new(
        name: &'static str,
        value_name: &'static str,
        help: &'static str,
        location: ParameterLocation,
    ) -> Self {
        Self { name, field: name, value_name, help, location, kind: ParameterKind::Text, is_required: false }
    }

    /// Finds the ID by another property.
    pub(super) const fn found_by(mut self, lookup: &'static IdLookup) -> Self {
        self.location = ParameterLocation::Path(Some(lookup));
        self
    }

    /// Sets the name in the API.
    pub(super) const fn named(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }

    /// Sets the kind.
    pub(super) const fn of_kind(mut self, kind: ParameterKind) -> Self {
        self.kind = kind;
        self
    }

    /// Makes the argument required.
    pub(super) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Returns `true` if the argument has no value.
    pub(super) fn is_flag(&self) -> bool {
        self.kind == ParameterKind::Flag
    }

    /// Returns the argument for clap.
    pub(super) fn to_arg(&self) -> Arg {
        let arg = Arg::new(self.name).help(self.help).required(self.is_required);
        let is_positional = matches!(self.location, ParameterLocation::Path(_) | ParameterLocation::File);
        let arg = if is_positional { arg } else { arg.long(self.name) };
        match self.kind {
            ParameterKind::Flag => arg.action(ArgAction::SetTrue),
            ParameterKind::Boolean => arg.value_name("true|false").value_parser(["true", "false"]),
            ParameterKind::List => {
                arg.value_name(self.value_name).value_delimiter(',').action(ArgAction::Append)
            }
            ParameterKind::Pairs => arg.value_name(self.value_name).action(ArgAction::Append),
            ParameterKind::Text | ParameterKind::PastTime | ParameterKind::FutureTime => {
                arg.value_name(self.value_name).allow_hyphen_values(!is_positional)
            }
        }
    }
}

/// Defines a GET request.
pub(super) const fn get(path: &'static str, format: ResultFormat) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::GET, path, format })
}

/// Defines a POST request.
pub(super) const fn post(path: &'static str, format: ResultFormat) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::POST, path, format })
}

/// Defines a PUT request.
pub(super) const fn put(path: &'static str, format: ResultFormat) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::PUT, path, format })
}

/// Defines a DELETE request with the sentence that is printed.
pub(super) const fn delete(path: &'static str, done: &'static str) -> CommandEffect {
    CommandEffect::Call(ApiCall { method: Method::DELETE, path, format: ResultFormat::Sentence(done) })
}

/// Defines a list of pages.
pub(super) const fn rows(member: &'static str, columns: &'static [TableColumn]) -> ResultFormat {
    ResultFormat::Rows { member, columns, continues: "cursor" }
}
