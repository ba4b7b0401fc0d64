use crate::check::{Fields, Item, RequestSchema, Variant};

fn schema(read: impl FnOnce(&Fields<'_, '_>)) -> String {
    serde_json::to_string(&RequestSchema::of(read).schema).unwrap()
}

#[test]
fn a_reader_describes_names_types_and_limits() {
    let described = schema(|fields| {
        fields.required("title").about("Title of the button.").string(1..=20);
        fields.optional("n").integer(0..);
        fields.optional("style").one_of(&["plain", "bold"]);
        fields.given("fixed", "cannot be cleared").boolean();
        fields.forbidden("old", "is not allowed");
    });
    assert_eq!(
        described,
        concat!(
            r#"{"type":"object","properties":{"#,
            r#""title":{"type":"string","minLength":1,"maxLength":20,"description":"Title of the button."},"#,
            r#""n":{"type":["integer","null"],"minimum":0},"#,
            r#""style":{"type":["string","null"],"enum":["plain","bold",null]},"#,
            r#""fixed":{"type":"boolean"}},"#,
            r#""required":["title"],"additionalProperties":false}"#
        )
    );
}

#[test]
fn elements_and_shared_objects_are_described_once() {
    fn row(item: Item<'_, '_>) {
        if let Some(row) = item.object() {
            row.required("id").string(1..);
            row.finish();
        }
    }
    let described = RequestSchema::of(|fields| {
        for name in ["rows", "more"] {
            if let Some(rows) = fields.optional(name).array(1..=3) {
                for item in rows.iter() {
                    item.shared("Row", row);
                }
            }
        }
    });
    assert_eq!(
        serde_json::to_string(&described.schema).unwrap(),
        concat!(
            r##"{"type":"object","properties":{"rows":{"type":["array","null"],"minItems":1,"maxItems":3,"##,
            r##""items":{"$ref":"#/components/schemas/Row"}},"##,
            r##""more":{"type":["array","null"],"minItems":1,"maxItems":3,"items":{"$ref":"#/components/schemas/Row"}}},"##,
            r##""additionalProperties":false}"##
        )
    );
    let names: Vec<&str> = described.definitions.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Row"]);
}

#[test]
fn an_object_of_several_kinds_is_a_choice_of_named_schemas() {
    const KINDS: [Variant<bool>; 2] = [("text", "TextHeader", true), ("image", "ImageHeader", false)];
    let described = RequestSchema::of_value(|item| {
        if let Some(fields) = item.object() {
            fields.variants("type", &KINDS, |fields, kind, is_text| {
                let value = fields.required(kind);
                if is_text {
                    value.string(..=60);
                } else {
                    value.open_object();
                }
            });
        }
    });
    assert_eq!(
        serde_json::to_string(&described.schema).unwrap(),
        concat!(
            r##"{"oneOf":[{"$ref":"#/components/schemas/TextHeader"},{"$ref":"#/components/schemas/ImageHeader"}],"##,
            r##""discriminator":{"propertyName":"type","mapping":{"text":"#/components/schemas/TextHeader","##,
            r##""image":"#/components/schemas/ImageHeader"}}}"##
        )
    );
    let text = described.definitions.get("TextHeader").map(|schema| serde_json::to_string(schema).unwrap());
    assert_eq!(
        text.unwrap(),
        concat!(
            r#"{"type":"object","properties":{"type":{"type":"string","const":"text"},"#,
            r#""text":{"type":"string","maxLength":60}},"required":["type","text"],"additionalProperties":false}"#
        )
    );
}

#[test]
fn a_number_in_a_query_is_described_as_a_number() {
    let read = |fields: &Fields<'_, '_>| fields.optional("page").default_of(1).integer_or_text(1..=9);
    let described = serde_json::to_string(&RequestSchema::of_query(read).schema).unwrap();
    assert_eq!(
        described,
        concat!(
            r#"{"type":"object","properties":{"page":{"type":"integer","default":1,"minimum":1,"maximum":9}},"#,
            r#""additionalProperties":false}"#
        )
    );
}
