//! Parsing and rendering of templates.

use domain::templates::{
    ParameterFormat, Template, TemplateButtonKind, TemplateCategory, TemplateComponents, TemplateHeader,
    TemplateStatus,
};

use crate::support::{
    FERRY, FERRY_MESSAGE, IMAGE, ORDER_CONFIRMATION, body, card, carousel, json, read, template_of, utility,
};

#[test]
fn the_slots_of_a_description_are_found() {
    let ferry = template_of("NAMED", "UTILITY", FERRY);
    let TemplateComponents { header, body, footer, buttons, .. } = &ferry.components;
    assert_eq!(*header, Some(TemplateHeader::Document));
    assert_eq!(body.as_ref().unwrap().slots, ["port", "minutes"]);
    assert_eq!(footer.as_deref(), Some("Harbour Line"));
    assert!(matches!(&buttons[0].kind, TemplateButtonKind::Url(url) if url.slots == ["1"]));
    assert_eq!(buttons[1].kind, TemplateButtonKind::QuickReply);
    let slots = |text: &str| {
        let components = json(&format!(r#"[{{"type":"body","text":"{text}"}}]"#));
        let format = ParameterFormat::Positional;
        Template::components_from(&components, format, &TemplateCategory::Marketing).body.unwrap().slots
    };
    assert_eq!(slots("{{2}} and {{1}} and {{2}}, {{10}}"), ["1", "2", "10"]);
    assert_eq!(slots("{{port}} {{}} {{ 1 }} {{{2}}} {{3"), ["1", "2"]);
}

#[test]
fn an_element_without_its_identifier_is_rejected() {
    let violations = Template::from_node(&json(r#"{"name":"a","status":5}"#)).unwrap_err();
    let pointers: Vec<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
    assert_eq!(pointers, ["/language", "/status", "/category"]);
}

#[test]
fn statuses_and_categories_are_parsed_from_metas_texts() {
    for word in [
        "APPROVED",
        "PENDING",
        "REJECTED",
        "PAUSED",
        "DISABLED",
        "IN_APPEAL",
        "PENDING_DELETION",
        "DELETED",
        "LIMIT_EXCEEDED",
        "ARCHIVED",
        "UNARCHIVED",
        "FLAGGED",
        "REINSTATED",
        "LOCKED",
        "SOMETHING_NEW",
    ] {
        let status = TemplateStatus::parse(word);
        assert_eq!(status.as_str(), word);
        assert_eq!(
            status.is_sendable(),
            ["APPROVED", "FLAGGED", "REINSTATED", "UNARCHIVED"].contains(&word),
            "{word}"
        );
        assert!(!status.explanation().is_empty());
    }
    assert_eq!(TemplateStatus::parse("paused"), TemplateStatus::Paused);
    for word in ["AUTHENTICATION", "MARKETING", "UTILITY", "OTHER"] {
        assert_eq!(TemplateCategory::parse(word).as_str(), word);
    }
    assert_eq!(ParameterFormat::parse("named").as_str(), "NAMED");
    assert_eq!(ParameterFormat::parse("POSITIONAL").as_str(), "POSITIONAL");
}

#[test]
fn a_rendered_template_is_the_text_that_the_customer_sees() {
    let ferry = template_of("NAMED", "UTILITY", FERRY);
    let content =
        read("template", &format!(r#"{{"name":"a","language":"en","components":{FERRY_MESSAGE}}}"#)).unwrap();
    assert_eq!(
        ferry.render(&content.template().unwrap()).to_string(),
        "[document]\nSailing from Oban leaves 45 minutes late today.\nHarbour Line\n[Track ferry]\n[Stop alerts]"
    );
    let order = utility(ORDER_CONFIRMATION);
    let content =
        read("template", &format!(r#"{{"name":"a","language":"en","components":{}}}"#, body(&["John"])))
            .unwrap();
    assert_eq!(
        order.render(&content.template().unwrap()).body,
        "Hello John, your order {{2}} is on its way."
    );
    let definition =
        r#"{"components":[{"type":"HEADER","format":"IMAGE"},{"type":"BODY","text":"For {{1}}"}]}"#;
    let cards = utility(&format!(
        r#"[{{"type":"BODY","text":"b"}},{{"type":"CAROUSEL","cards":[{definition},{definition}]}}]"#
    ));
    let message = carousel(&[card(1, IMAGE, "you"), card(0, IMAGE, "me")]);
    let content =
        read("template", &format!(r#"{{"name":"a","language":"en","components":{message}}}"#)).unwrap();
    assert_eq!(
        cards.render(&content.template().unwrap()).to_string(),
        "b\n---\n[image]\nFor me\n---\n[image]\nFor you"
    );
}
