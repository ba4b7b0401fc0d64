//! What the document says of one route.

use domain::json::{Object, Value};

use super::schema::{Field, Schema, boolean, integer, list, may, named, need, shown, text};
use crate::api::error::Code;
use crate::api::pagination::{MAX_PAGE, MAX_PER_PAGE, PER_PAGE};

/// The type of a body and of most answers.
pub(crate) const JSON: &str = "application/json";
/// A form with a file.
pub(crate) const FORM: &str = "multipart/form-data";
/// A table.
pub(crate) const TABLE: &str = "text/csv";

/// One route, described. What every route has (the caller's key, the errors that can always be) is added from the list
/// of routes.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The name of the handler.
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) about: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) codes: Vec<Code>,
}

/// A parameter.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// `path`, `query` or `header`.
    pub(crate) place: &'static str,
    pub(crate) about: String,
    pub(crate) is_required: bool,
    pub(crate) schema: Schema,
    pub(crate) example: Option<Value>,
}

/// What a caller sends.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) media_type: &'static str,
    pub(crate) is_required: bool,
    pub(crate) schema: Schema,
    /// Name and JSON text.
    pub(crate) examples: Vec<(&'static str, &'static str)>,
    /// Another type that is taken, and an example of it.
    pub(crate) other: Option<(&'static str, Schema, &'static str)>,
}

/// What a caller gets when all is well.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    /// Media type and schema, if the answer has a body.
    pub(crate) content: Option<(&'static str, Schema)>,
    /// The whole body.
    pub(crate) example: Option<Value>,
    pub(crate) headers: Vec<(&'static str, &'static str, Schema)>,
}

/// JSON text of an example.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

impl Operation {
    /// The handler's name, a line, and some sentences.
    pub(crate) fn new(name: &'static str, summary: &'static str, about: &'static str) -> Self {
        Self {
            name,
            summary,
            about,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            codes: Vec::new(),
        }
    }

    fn parameter(
        mut self,
        place: &'static str,
        (name, about): (&'static str, impl Into<String>),
        schema: Schema,
        example: Option<Value>,
    ) -> Self {
        let is_required = place == "path";
        self.parameters.push(Parameter { name, place, about: about.into(), is_required, schema, example });
        self
    }

    /// The `{id}` of the path.
    pub(crate) fn id(self, about: &str, example: &str) -> Self {
        self.parameter("path", ("id", about), text(1..), Some(example.into()))
    }

    /// A query parameter.
    pub(crate) fn query(self, name: &'static str, about: &str, schema: Schema) -> Self {
        self.parameter("query", (name, about), schema, None)
    }

    /// A query parameter that must be there.
    pub(crate) fn must_query(
        mut self,
        name: &'static str,
        about: &str,
        schema: Schema,
        example: &str,
    ) -> Self {
        let (about, example) = (about.to_owned(), Some(example.into()));
        self.parameters.push(Parameter { name, place: "query", about, is_required: true, schema, example });
        self
    }

    /// A header of the request.
    pub(crate) fn header(self, name: &'static str, about: &str, schema: Schema) -> Self {
        self.parameter("header", (name, about), schema, None)
    }

    /// A query parameter that looks for a text.
    pub(crate) fn search(self, about: &str, most: usize) -> Self {
        self.query("search", about, text(1..=most))
    }

    /// A JSON body. The examples are names and JSON texts.
    pub(crate) fn takes<const N: usize>(
        mut self,
        schema: Schema,
        examples: [(&'static str, &'static str); N],
    ) -> Self {
        self.body = Some(Body {
            media_type: JSON,
            is_required: true,
            schema,
            examples: examples.to_vec(),
            other: None,
        });
        self
    }

    /// A JSON body that may be left out.
    pub(crate) fn may_take(mut self, fields: impl IntoIterator<Item = Field>, example: &'static str) -> Self {
        let schema = super::schema::body(fields);
        let examples = vec![("example", example)];
        self.body = Some(Body { media_type: JSON, is_required: false, schema, examples, other: None });
        self
    }

    /// A body of nothing, or of an empty object.
    pub(crate) fn takes_nothing(self) -> Self {
        self.may_take([], "{}")
    }

    /// A form.
    pub(crate) fn takes_form(mut self, schema: Schema) -> Self {
        self.body =
            Some(Body { media_type: FORM, is_required: true, schema, examples: Vec::new(), other: None });
        self
    }

    /// The body may also be of this type.
    pub(crate) fn or_takes(
        mut self,
        media_type: &'static str,
        schema: Schema,
        example: &'static str,
    ) -> Self {
        if let Some(body) = &mut self.body {
            body.other = Some((media_type, schema, example));
        }
        self
    }

    /// An answer `{"status":"success","data":…}`; the example is the data.
    pub(crate) fn gives(self, status: u16, about: &'static str, data: Schema, example: &str) -> Self {
        let mut body = Object::new();
        body.insert("status", "success");
        body.insert("data", json(example));
        self.answer(Answer {
            status,
            about,
            content: Some((JSON, success(data))),
            example: Some(body.into()),
            headers: Vec::new(),
        })
    }

    /// 204.
    pub(crate) fn gives_nothing(self, about: &'static str) -> Self {
        self.answer(Answer { status: 204, about, content: None, example: None, headers: Vec::new() })
    }

    /// Any other answer.
    pub(crate) fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// A header of the last answer.
    pub(crate) fn with_header(mut self, name: &'static str, about: &'static str, schema: Schema) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, about, schema));
        }
        self
    }

    /// A page of a list: the rows are under `rows`, each is a `row`.
    pub(crate) fn lists(self, rows: &'static str, row: &'static str, example: &str) -> Self {
        let page = "The page, from 1. Not together with `cursor`.";
        let cursor = "`next_cursor` of the page before. Follows a large list without gaps or repeats.";
        let mut data = Object::new();
        data.insert(rows, vec![json(example)]);
        data.insert("total", 1);
        data.insert("page", 1);
        data.insert("per_page", PER_PAGE);
        data.insert("next_cursor", Value::Null);
        let text_of_data = serde_json::to_string(&data).unwrap_or_default();
        self.query("page", page, integer(1..=MAX_PAGE).default_of(1))
            .query("per_page", "Rows on a page.", integer(1..=MAX_PER_PAGE).default_of(PER_PAGE))
            .query("cursor", cursor, text(1..))
            .gives(
                200,
                "A page of the list.",
                shown([
                    need(rows, list(named(row), ..)),
                    need("total", integer(0..).about("How many there are; never more than 10,000.")),
                    may("total_capped", boolean().about("`true` when there are more than `total`.")),
                    need("page", integer(1..).or_null().about("The page; null when a cursor was followed.")),
                    need("per_page", integer(1..=MAX_PER_PAGE)),
                    need("next_cursor", text(1..).or_null().about("Null on the last page.")),
                ]),
                &text_of_data,
            )
    }

    /// What can go wrong beside what can always go wrong.
    pub(crate) fn fails(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.codes.extend(codes);
        self
    }
}

/// `{"status":"success","data":…}`.
fn success(data: Schema) -> Schema {
    shown([need("status", super::schema::only("success")), need("data", data)])
}
