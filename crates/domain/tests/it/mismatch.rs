//! Mismatches of header and body of a message with its template: all mismatches are reported with their component.

use crate::support::{
    FERRY, FERRY_MESSAGE, ORDER_CONFIRMATION, bind, body, differs, fits, json, template_of, utility,
};

#[test]
fn the_message_of_the_seed_data_fits_its_template() {
    fits(&utility(ORDER_CONFIRMATION), &body(&["John", "ORD-789"]));
    fits(&utility(r#"[{"type":"BODY","text":"Hello world"}]"#), "[]");
    fits(&template_of("NAMED", "UTILITY", FERRY), FERRY_MESSAGE);
}

#[test]
fn components_may_have_any_order_and_components_without_slots_may_be_empty() {
    let message = json(FERRY_MESSAGE);
    let mut components = message.as_array().unwrap().to_vec();
    components.reverse();
    fits(&template_of("NAMED", "UTILITY", FERRY), &domain::json::Value::Array(components).to_string());
    fits(
        &utility(r#"[{"type":"BODY","text":"Hello"}]"#),
        r#"[{"type":"body","parameters":[]},{"type":"header"}]"#,
    );
}

#[test]
fn all_mismatches_are_reported_at_once() {
    let ferry = template_of("NAMED", "UTILITY", FERRY);
    differs(
        &ferry,
        r#"[
            {"type":"body","parameters":[{"type":"text","parameter_name":"prot","text":"Oban"},{"type":"text","parameter_name":"minutes","text":""}]},
            {"type":"header","parameters":[{"type":"image","image":{"id":"1"}}]},
            {"type":"button","sub_type":"quick_reply","index":0,"parameters":[]},
            {"type":"button","sub_type":"url","index":7,"parameters":[]}]"#,
        &[
            "wrong_name /template/components/0/parameters/0/parameter_name body: has no parameter `prot`; did you mean `port`?",
            "invalid /template/components/0/parameters/1/text body: needs a text that is not empty",
            "missing /template/components/0/parameters body: needs a parameter named `port`",
            "wrong_kind /template/components/1/parameters/0 header: needs a parameter of type `document`, this is `image`",
            "wrong_kind /template/components/2/sub_type button 0: is a `url` button, not `quick_reply`",
            "extra /template/components/3 button 7: the template has 2 buttons, numbered from 0",
        ],
    );
}

#[test]
fn positional_parameters_are_counted() {
    let order = utility(ORDER_CONFIRMATION);
    differs(
        &order,
        &body(&["John"]),
        &["missing /template/components/0/parameters/1 body: needs 2 parameters, has 1: {{2}} is missing"],
    );
    differs(
        &order,
        &body(&["John", "ORD", "x", "y"]),
        &[
            "extra /template/components/0/parameters/2 body: takes 2 parameters, has 4",
            "extra /template/components/0/parameters/3 body: takes 2 parameters, has 4",
        ],
    );
    differs(&order, "[]", &["missing /template/components body: needs a `body` component with 2 parameters"]);
    differs(
        &utility(r#"[{"type":"BODY","text":"Hi"}]"#),
        &body(&["x"]),
        &["extra /template/components/0/parameters/0 body: takes no parameters, has 1"],
    );
    differs(
        &order,
        r#"[{"type":"body","parameters":[{"type":"image","image":{"id":"1"}},{"type":"currency","currency":{"fallback_value":"€5","code":"EUR","amount_1000":5000}}]}]"#,
        &[
            "wrong_kind /template/components/0/parameters/0 body: needs a parameter of type `text`, this is `image`",
        ],
    );
    differs(
        &order,
        r#"[{"type":"body","parameters":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"type":"body"}]"#,
        &["extra /template/components/1 body: is given twice"],
    );
}

#[test]
fn named_parameters_are_matched_by_name() {
    let named = template_of("NAMED", "UTILITY", r#"[{"type":"BODY","text":"From {{port}} in {{minutes}}"}]"#);
    let parameters = |list: &str| format!(r#"[{{"type":"body","parameters":[{list}]}}]"#);
    let at = "/template/components/0/parameters";
    fits(
        &named,
        &parameters(
            r#"{"type":"text","parameter_name":"minutes","text":"1"},{"type":"text","parameter_name":"port","text":"2"}"#,
        ),
    );
    differs(
        &named,
        &parameters(
            r#"{"type":"text","parameter_name":"prot","text":"1"},{"type":"text","parameter_name":"minutes","text":"2"}"#,
        ),
        &[
            &format!("wrong_name {at}/0/parameter_name body: has no parameter `prot`; did you mean `port`?"),
            &format!("missing {at} body: needs a parameter named `port`"),
        ],
    );
    differs(
        &named,
        &parameters(r#"{"type":"text","text":"1"}"#),
        &[
            &format!(
                "wrong_name {at}/0/parameter_name body: needs `parameter_name`: this template's parameters are `port`, `minutes`"
            ),
            &format!("missing {at} body: needs a parameter named `port`"),
            &format!("missing {at} body: needs a parameter named `minutes`"),
        ],
    );
    differs(
        &named,
        &parameters(
            r#"{"type":"text","parameter_name":"port","text":"1"},{"type":"text","parameter_name":"port","text":"1"},{"type":"text","parameter_name":"minutes","text":"1"},{"type":"text","parameter_name":"zzzzzz","text":"1"}"#,
        ),
        &[
            &format!("extra {at}/1 body: is given the parameter `port` twice"),
            &format!(
                "wrong_name {at}/3/parameter_name body: has no parameter `zzzzzz`; known are `port`, `minutes`"
            ),
        ],
    );
    differs(
        &named,
        "[]",
        &[
            "missing /template/components body: needs a `body` component with the parameters `port`, `minutes`",
        ],
    );
}

#[test]
fn the_text_of_a_parameter_is_one_line_and_not_empty() {
    let order = utility(ORDER_CONFIRMATION);
    for (text, reason) in [
        ("", "needs a text that is not empty"),
        ("a\nb", "cannot take a text with line breaks or tabs"),
        ("a\r", "cannot take a text with line breaks or tabs"),
        ("a\tb", "cannot take a text with line breaks or tabs"),
        ("a     b", "cannot take a text with more than four spaces in a row"),
    ] {
        differs(
            &order,
            &body(&["x", text]),
            &[&format!("invalid /template/components/0/parameters/1/text body: {reason}")],
        );
    }
    fits(&order, &body(&["a    b", "é"]));
}

#[test]
fn a_body_with_its_parameters_has_a_maximum_length() {
    let alone = utility(r#"[{"type":"BODY","text":"{{1}}"}]"#);
    fits(&alone, &body(&[&"ß".repeat(32_768)]));
    let alone = utility(r#"[{"type":"BODY","text":"ab {{1}}"}]"#);
    fits(&alone, &body(&[&"ß".repeat(32_765)]));
    differs(
        &alone,
        &body(&[&"ß".repeat(32_766)]),
        &[
            "too_long /template/components/0/parameters body: has 32769 characters with its parameters, at most 32768 are allowed",
        ],
    );
    let with_footer = utility(r#"[{"type":"BODY","text":"ab {{1}} {{1}}"},{"type":"FOOTER","text":"f"}]"#);
    fits(&with_footer, &body(&[&"ß".repeat(510)]));
    differs(
        &with_footer,
        &body(&[&"ß".repeat(511)]),
        &[
            "too_long /template/components/0/parameters body: has 1026 characters with its parameters, at most 1024 are allowed",
        ],
    );
    differs(
        &with_footer,
        &body(&[&"x".repeat(1025)]),
        &[
            "too_long /template/components/0/parameters/0/text body: takes parameters of at most 1024 characters, this has 1025",
        ],
    );
}

#[test]
fn each_header_needs_its_own_kind_of_parameter() {
    let values = [
        ("IMAGE", "image", r#"{"id":"1"}"#),
        ("VIDEO", "video", r#"{"id":"1"}"#),
        ("DOCUMENT", "document", r#"{"link":"https://a/b.pdf"}"#),
        ("LOCATION", "location", r#"{"latitude":"1","longitude":"2"}"#),
        ("PRODUCT", "product", r#"{"product_retailer_id":"1","catalog_id":"2"}"#),
    ];
    let parameter = |kind: &str, value: &str| format!(r#"{{"type":"{kind}","{kind}":{value}}}"#);
    let header = |list: &str| format!(r#"[{{"type":"header","parameters":[{list}]}}]"#);
    for (format, kind, value) in values {
        let template =
            utility(&format!(r#"[{{"type":"HEADER","format":"{format}"}},{{"type":"BODY","text":"b"}}]"#));
        let good = parameter(kind, value);
        fits(&template, &header(&good));
        differs(
            &template,
            "[]",
            &[&format!(
                "missing /template/components header: needs a `header` component with one `{kind}` parameter"
            )],
        );
        differs(
            &template,
            &header(""),
            &[&format!("missing /template/components/0/parameters header: needs one `{kind}` parameter")],
        );
        differs(
            &template,
            &header(r#"{"type":"text","text":"x"}"#),
            &[&format!(
                "wrong_kind /template/components/0/parameters/0 header: needs a parameter of type `{kind}`, this is `text`"
            )],
        );
        differs(
            &template,
            &header(&format!("{good},{good}")),
            &[&format!(
                "extra /template/components/0/parameters/1 header: takes one `{kind}` parameter, this is another"
            )],
        );
    }
    let text =
        utility(r#"[{"type":"HEADER","format":"TEXT","text":"Order {{1}}"},{"type":"BODY","text":"b"}]"#);
    fits(&text, &header(r#"{"type":"text","text":"7"}"#));
    differs(
        &text,
        "[]",
        &["missing /template/components header: needs a `header` component with 1 parameter"],
    );
    let fixed = utility(r#"[{"type":"HEADER","format":"TEXT","text":"Order"},{"type":"BODY","text":"b"}]"#);
    fits(&fixed, "[]");
    differs(
        &fixed,
        &header(r#"{"type":"text","text":"7"}"#),
        &["extra /template/components/0/parameters/0 header: takes no parameters, has 1"],
    );
    let none = utility(r#"[{"type":"BODY","text":"b"}]"#);
    differs(
        &none,
        &header(r#"{"type":"text","text":"7"}"#),
        &["extra /template/components/0/parameters header: takes no parameters: the template has no header"],
    );
}

#[test]
fn the_number_of_mismatches_is_limited() {
    let texts = vec!["x"; domain::check::MAX_ELEMENTS];
    assert_eq!(bind(&utility(ORDER_CONFIRMATION), &body(&texts)).len(), domain::check::Violations::MAX);
}
