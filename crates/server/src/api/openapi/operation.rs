//! Descriptions of operations, which stand beside their handlers.

use domain::check::RequestSchema;
use domain::json::{Object, Value};

use crate::api::error::Code;
use crate::api::openapi::schema::{Property, Schema, optional, required};
use crate::api::pagination::{MAX_PER_PAGE, PER_PAGE};

/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";
/// Media type of a form with a file.
pub(crate) const FORM: &str = "multipart/form-data";
/// Media type of CSV.
pub(crate) const CSV: &str = "text/csv";
/// Media type of a file of any type.
pub(crate) const ANY_TYPE: &str = "*/*";
/// Maximum length of `{id}` in a path: names and ids, also of Meta, are shorter.
const MAX_ID: usize = 512;

/// Description of one operation. The document adds security, common headers and common errors.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Name of the handler, which is the `operationId`.
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<RequestBody>,
    /// Successful responses.
    pub(crate) responses: Vec<OperationResponse>,
    /// Error codes besides those that every operation has.
    pub(crate) codes: Vec<Code>,
    /// Named schemas that the body and the parameters refer to.
    pub(crate) definitions: Object,
}

/// Description of a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `path`, `query` or `header`.
    pub(crate) location: &'static str,
    pub(crate) description: String,
    pub(crate) is_required: bool,
    pub(crate) schema: Schema,
    pub(crate) example: Option<Value>,
}

/// Description of a request body.
#[derive(Clone, Debug)]
pub(crate) struct RequestBody {
    pub(crate) media_type: &'static str,
    pub(crate) is_required: bool,
    pub(crate) schema: Schema,
    /// Names of the examples, and their JSON.
    pub(crate) examples: Vec<(&'static str, &'static str)>,
    /// Second media type that the operation accepts.
    pub(crate) alternative: Option<AlternativeBody>,
}

/// Description of a request body in a second media type.
#[derive(Clone, Debug)]
pub(crate) struct AlternativeBody {
    pub(crate) media_type: &'static str,
    pub(crate) schema: Schema,
    pub(crate) example: &'static str,
}

/// Description of a successful response.
#[derive(Clone, Debug)]
pub(crate) struct OperationResponse {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    /// Media type and schema of the body, if the response has a body.
    pub(crate) content: Option<(&'static str, Schema)>,
    /// Example of the whole body.
    pub(crate) example: Option<Value>,
    pub(crate) headers: Vec<ResponseHeader>,
}

/// Description of a header of a response.
#[derive(Clone, Debug)]
pub(crate) struct ResponseHeader {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: Schema,
}

/// Returns the value of a JSON text.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

impl Operation {
    /// An operation with the name of its handler, a summary and a description.
    pub(crate) fn new(name: &'static str, summary: &'static str, description: &'static str) -> Self {
        Self {
            name,
            summary,
            description,
            parameters: Vec::new(),
            body: None,
            responses: Vec::new(),
            codes: Vec::new(),
            definitions: Object::new(),
        }
    }

    /// Adds the parameter `{id}` of the path.
    pub(crate) fn id(mut self, description: &str, example: &str) -> Self {
        self.parameters.push(Parameter {
            name: "id".to_owned(),
            location: "path",
            description: description.to_owned(),
            is_required: true,
            schema: Schema::string(1..=MAX_ID),
            example: Some(example.into()),
        });
        self
    }

    /// Adds a required query parameter.
    pub(crate) fn required_query(
        mut self,
        name: &'static str,
        description: &str,
        schema: Schema,
        example: &str,
    ) -> Self {
        self.parameters.push(Parameter {
            name: name.to_owned(),
            location: "query",
            description: description.to_owned(),
            is_required: true,
            schema,
            example: Some(example.into()),
        });
        self
    }

    /// Adds a header of the request.
    pub(crate) fn header(mut self, name: &'static str, description: &str, schema: Schema) -> Self {
        self.parameters.push(Parameter {
            name: name.to_owned(),
            location: "header",
            description: description.to_owned(),
            is_required: false,
            schema,
            example: None,
        });
        self
    }

    /// Adds query parameters, as their reader describes them.
    pub(crate) fn query(mut self, query: RequestSchema) -> Self {
        self.define(query.definitions);
        let Value::Object(mut query) = query.schema else { return self };
        let required = query.remove("required").unwrap_or_default();
        let is_required = |name: &str| {
            required.as_array().unwrap_or_default().iter().any(|required| required.as_str() == Some(name))
        };
        let Some(Value::Object(parameters)) = query.remove("properties") else { return self };
        for (name, schema) in parameters {
            let Value::Object(mut schema) = schema else { continue };
            let description = schema.remove("description").and_then(|text| text.as_str().map(str::to_owned));
            self.parameters.push(Parameter {
                location: "query",
                description: description.unwrap_or_default(),
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

    fn request_body(
        mut self,
        media_type: &'static str,
        is_required: bool,
        body: RequestSchema,
        examples: &[(&'static str, &'static str)],
    ) -> Self {
        self.define(body.definitions);
        self.body = Some(RequestBody {
            media_type,
            is_required,
            schema: Schema::from(body.schema),
            examples: examples.to_vec(),
            alternative: None,
        });
        self
    }

    /// Sets a JSON body, as its reader describes it, with names and JSON of examples.
    pub(crate) fn body<const N: usize>(
        self,
        body: RequestSchema,
        examples: [(&'static str, &'static str); N],
    ) -> Self {
        self.request_body(JSON, true, body, &examples)
    }

    /// Sets a JSON body that may be missing, as its reader describes it.
    pub(crate) fn optional_body(self, body: RequestSchema, example: &'static str) -> Self {
        self.request_body(JSON, false, body, &[("example", example)])
    }

    /// Sets a body that may be missing, or an object without fields.
    pub(crate) fn empty_body(self) -> Self {
        self.optional_body(RequestSchema::of(|_| ()), "{}")
    }

    /// Sets a form, as the reader of its parts describes it.
    pub(crate) fn form(self, form: RequestSchema) -> Self {
        self.request_body(FORM, true, form, &[])
    }

    /// Adds a second media type of the body.
    pub(crate) fn alternative_body(
        mut self,
        media_type: &'static str,
        schema: Schema,
        example: &'static str,
    ) -> Self {
        if let Some(body) = &mut self.body {
            body.alternative = Some(AlternativeBody { media_type, schema, example });
        }
        self
    }

    /// Adds a response `{"status":"success","data":…}`; the example is the JSON of the data.
    pub(crate) fn responds(
        self,
        status: u16,
        description: &'static str,
        data: Schema,
        example: &str,
    ) -> Self {
        let mut body = Object::new();
        body.insert("status", "success");
        body.insert("data", json(example));
        self.response(OperationResponse {
            status,
            description,
            content: Some((JSON, success(data))),
            example: Some(body.into()),
            headers: Vec::new(),
        })
    }

    /// Adds a response without a body.
    pub(crate) fn responds_empty(self, status: u16, description: &'static str) -> Self {
        self.response(OperationResponse {
            status,
            description,
            content: None,
            example: None,
            headers: Vec::new(),
        })
    }

    /// Adds a response whose body is not JSON.
    pub(crate) fn responds_raw(
        self,
        status: u16,
        description: &'static str,
        media_type: &'static str,
        schema: Schema,
    ) -> Self {
        self.response(OperationResponse {
            status,
            description,
            content: Some((media_type, schema)),
            example: None,
            headers: Vec::new(),
        })
    }

    /// Adds any other response.
    pub(crate) fn response(mut self, response: OperationResponse) -> Self {
        self.responses.push(response);
        self
    }

    /// Sets the example of the response that was added last.
    pub(crate) fn response_example(mut self, example: impl Into<Value>) -> Self {
        if let Some(response) = self.responses.last_mut() {
            response.example = Some(example.into());
        }
        self
    }

    /// Adds a header to the response that was added last.
    pub(crate) fn response_header(
        mut self,
        name: &'static str,
        description: &'static str,
        schema: Schema,
    ) -> Self {
        if let Some(response) = self.responses.last_mut() {
            response.headers.push(ResponseHeader { name, description, schema });
        }
        self
    }

    /// Adds a response with one page of a list: the name of the list, and the name of the schema and an example of a row.
    pub(crate) fn responds_page(self, rows: &'static str, row: &'static str, example: &str) -> Self {
        let mut data = Object::new();
        data.insert(rows, vec![json(example)]);
        data.insert("total", 1);
        data.insert("page", 1);
        data.insert("per_page", PER_PAGE);
        data.insert("next_cursor", Value::Null);
        let data = serde_json::to_string(&data).unwrap_or_default();
        self.responds(200, "One page of the list.", Schema::object(page_properties(rows, row)), &data)
            .errors([Code::QueryTooExpensive])
    }

    /// Adds error codes besides those that every operation has.
    pub(crate) fn errors(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.codes.extend(codes);
        self
    }
}

fn page_properties(rows: &'static str, row: &'static str) -> [Property; 6] {
    [
        required(rows, Schema::array(Schema::reference(row), ..)),
        required("total", Schema::integer(0..).about("Number of rows, at most 10,000.")),
        optional("total_capped", Schema::boolean().about("`true`: there are more rows than `total`.")),
        required(
            "page",
            Schema::integer(1..).or_null().about("Page number. `null` if the request had a cursor."),
        ),
        required("per_page", Schema::integer(1..=MAX_PER_PAGE)),
        required(
            "next_cursor",
            Schema::string(1..).or_null().about("Cursor of the next page. `null` on the last page."),
        ),
    ]
}

/// Schema of `{"status":"success","data":…}`.
fn success(data: Schema) -> Schema {
    Schema::object([required("status", Schema::constant("success")), required("data", data)])
}
