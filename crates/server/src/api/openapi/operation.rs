//! Descriptions of operations.

use domain::check::RequestSchema;
use domain::json::{Object, Value};

use super::schema::{Field, Schema, boolean, integer, list, may, named, need, shown, text};
use crate::api::error::Code;
use crate::api::pagination::{MAX_PER_PAGE, PER_PAGE};

/// Media type of bodies and of most responses.
pub(crate) const JSON: &str = "application/json";
/// Media type of a form with a file.
pub(crate) const FORM: &str = "multipart/form-data";
/// Media type of a table.
pub(crate) const TABLE: &str = "text/csv";

/// Description of one operation. Security and common errors are added from the list of routes.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Name of the handler.
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) about: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) codes: Vec<Code>,
    /// Named schemas that the body and the parameters refer to.
    pub(crate) definitions: Object,
}

/// Description of a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `path`, `query` or `header`.
    pub(crate) place: &'static str,
    pub(crate) about: String,
    pub(crate) is_required: bool,
    pub(crate) schema: Schema,
    pub(crate) example: Option<Value>,
}

/// Description of a request body.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) media_type: &'static str,
    pub(crate) is_required: bool,
    pub(crate) schema: Schema,
    /// Names and JSON texts.
    pub(crate) examples: Vec<(&'static str, &'static str)>,
    /// Another accepted media type, with its schema and an example.
    pub(crate) other: Option<(&'static str, Schema, &'static str)>,
}

/// Description of a successful response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    /// Media type and schema, if the response has a body.
    pub(crate) content: Option<(&'static str, Schema)>,
    /// The whole body.
    pub(crate) example: Option<Value>,
    pub(crate) headers: Vec<(&'static str, &'static str, Schema)>,
}

/// Value of a JSON text.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

impl Operation {
    /// An operation with the name of its handler, a summary and a description.
    pub(crate) fn new(name: &'static str, summary: &'static str, about: &'static str) -> Self {
        Self {
            name,
            summary,
            about,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            codes: Vec::new(),
            definitions: Object::new(),
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
        self.parameters.push(Parameter {
            name: name.to_owned(),
            place,
            about: about.into(),
            is_required,
            schema,
            example,
        });
        self
    }

    /// The parameter `{id}` of the path.
    pub(crate) fn id(self, about: &str, example: &str) -> Self {
        self.parameter("path", ("id", about), text(1..), Some(example.into()))
    }

    /// A required query parameter.
    pub(crate) fn must_query(
        mut self,
        name: &'static str,
        about: &str,
        schema: Schema,
        example: &str,
    ) -> Self {
        let (about, example) = (about.to_owned(), Some(example.into()));
        let name = name.to_owned();
        self.parameters.push(Parameter { name, place: "query", about, is_required: true, schema, example });
        self
    }

    /// A header of the request.
    pub(crate) fn header(self, name: &'static str, about: &str, schema: Schema) -> Self {
        self.parameter("header", (name, about), schema, None)
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

    /// A JSON body, as its reader describes it.
    pub(crate) fn reads<const N: usize>(
        mut self,
        body: RequestSchema,
        examples: [(&'static str, &'static str); N],
    ) -> Self {
        self.define(body.definitions);
        self.takes(Schema::from(body.schema), examples)
    }

    /// A JSON body that may be missing, as its reader describes it.
    pub(crate) fn may_read(mut self, body: RequestSchema, example: &'static str) -> Self {
        self.define(body.definitions);
        let examples = vec![("example", example)];
        let schema = Schema::from(body.schema);
        self.body = Some(Body { media_type: JSON, is_required: false, schema, examples, other: None });
        self
    }

    /// Query parameters, as their reader describes them.
    pub(crate) fn reads_query(mut self, query: RequestSchema) -> Self {
        self.define(query.definitions);
        let Value::Object(mut query) = query.schema else { return self };
        let required = query.remove("required").unwrap_or_default();
        let is_required = |name: &str| {
            required.as_array().unwrap_or_default().iter().any(|required| required.as_str() == Some(name))
        };
        let Some(Value::Object(parameters)) = query.remove("properties") else { return self };
        for (name, schema) in parameters {
            let Value::Object(mut schema) = schema else { continue };
            let about = schema.remove("description").and_then(|about| about.as_str().map(str::to_owned));
            self.parameters.push(Parameter {
                place: "query",
                about: about.unwrap_or_default(),
                is_required: is_required(&name),
                schema: Schema::from(Value::Object(schema)),
                example: None,
                name,
            });
        }
        self
    }

    fn define(&mut self, definitions: Object) {
        for (name, schema) in definitions {
            self.definitions.insert(&name, schema);
        }
    }

    /// A JSON body that may be left out.
    pub(crate) fn may_take(mut self, fields: impl IntoIterator<Item = Field>, example: &'static str) -> Self {
        let schema = super::schema::body(fields);
        let examples = vec![("example", example)];
        self.body = Some(Body { media_type: JSON, is_required: false, schema, examples, other: None });
        self
    }

    /// No body, or an empty object.
    pub(crate) fn takes_nothing(self) -> Self {
        self.may_take([], "{}")
    }

    /// A form.
    pub(crate) fn takes_form(mut self, schema: Schema) -> Self {
        self.body =
            Some(Body { media_type: FORM, is_required: true, schema, examples: Vec::new(), other: None });
        self
    }

    /// Another accepted media type of the body.
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

    /// A response `{"status":"success","data":…}`; the example is the data.
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

    /// A response 204.
    pub(crate) fn gives_nothing(self, about: &'static str) -> Self {
        self.answer(Answer { status: 204, about, content: None, example: None, headers: Vec::new() })
    }

    /// Any other response.
    pub(crate) fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// A header of the response that was added last.
    pub(crate) fn with_header(mut self, name: &'static str, about: &'static str, schema: Schema) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, about, schema));
        }
        self
    }

    /// A page of a list: `rows` is the name of the member with the rows, `row` the schema of a row.
    pub(crate) fn lists(self, rows: &'static str, row: &'static str, example: &str) -> Self {
        let mut data = Object::new();
        data.insert(rows, vec![json(example)]);
        data.insert("total", 1);
        data.insert("page", 1);
        data.insert("per_page", PER_PAGE);
        data.insert("next_cursor", Value::Null);
        let text_of_data = serde_json::to_string(&data).unwrap_or_default();
        self.gives(
            200,
            "One page of the list.",
            shown([
                need(rows, list(named(row), ..)),
                need("total", integer(0..).about("Number of rows, at most 10,000.")),
                may("total_capped", boolean().about("`true`: there are more rows than `total`.")),
                need(
                    "page",
                    integer(1..).or_null().about("Page number. `null` if the request had a cursor."),
                ),
                need("per_page", integer(1..=MAX_PER_PAGE)),
                need(
                    "next_cursor",
                    text(1..).or_null().about(
                        "Cursor of the next page. `null` on the last \
                     page.",
                    ),
                ),
            ]),
            &text_of_data,
        )
    }

    /// Error codes besides those that every operation has.
    pub(crate) fn fails(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.codes.extend(codes);
        self
    }
}

/// `{"status":"success","data":…}`.
fn success(data: Schema) -> Schema {
    shown([need("status", super::schema::only("success")), need("data", data)])
}
