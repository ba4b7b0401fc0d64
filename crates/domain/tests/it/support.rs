//! Helpers that read messages and templates.

use domain::check::Violation;
use domain::json::Value;
use domain::messages::content::{Content, MessageKind};
use domain::templates::{Template, TemplateMismatch};
use jiff::Timestamp;

/// Time of the tests: 2026-01-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn kind(name: &str) -> MessageKind {
    name.parse().unwrap()
}

/// Reads the object of a message, as in the body of a send request.
pub(crate) fn read(name: &str, object: &str) -> Result<Content, Vec<Violation>> {
    Content::read(kind(name), json(object), &format!("/{name}"), Timestamp::from_second(NOW).unwrap())
}

/// Returns the object in Meta's form, as text.
pub(crate) fn metas_form(name: &str, object: &str) -> String {
    match read(name, object) {
        Ok(content) => content.object().to_string(),
        Err(violations) => panic!("{object}: {violations:?}"),
    }
}

/// Returns the violations, each as `pointer reason`.
pub(crate) fn violations(name: &str, object: &str) -> Vec<String> {
    read(name, object)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|violation| format!("{} {}", violation.pointer, violation.reason))
        .collect()
}

#[track_caller]
pub(crate) fn passes(name: &str, object: &str) {
    assert_eq!(violations(name, object), Vec::<String>::new(), "{object}");
}

#[track_caller]
pub(crate) fn fails(name: &str, object: &str, fault: &str) {
    assert_eq!(violations(name, object), [fault], "{object}");
}

/// Returns a template with components. Its slots have numbers, or names if `format` is `NAMED`.
pub(crate) fn template_of(format: &str, category: &str, components: &str) -> Template {
    Template::from_node(&json(&format!(
        r#"{{"id":"1","name":"a","language":"en","status":"APPROVED","category":"{category}","parameter_format":"{format}","components":{components}}}"#
    )))
    .unwrap()
}

pub(crate) fn utility(components: &str) -> Template {
    template_of("POSITIONAL", "UTILITY", components)
}

pub(crate) fn bind(template: &Template, components: &str) -> Vec<TemplateMismatch> {
    let message = format!(r#"{{"name":"a","language":"en","components":{components}}}"#);
    let content = read("template", &message).unwrap_or_else(|violations| panic!("{message}: {violations:?}"));
    template.bind(&content.template().unwrap(), "/template").err().unwrap_or_default()
}

#[track_caller]
pub(crate) fn fits(template: &Template, components: &str) {
    assert_eq!(bind(template, components), []);
}

/// Returns the mismatches, each as `kind pointer component: reason`.
#[track_caller]
pub(crate) fn differs(template: &Template, components: &str, expected: &[&str]) {
    let mismatches: Vec<String> = bind(template, components)
        .iter()
        .map(|mismatch| format!("{} {} {mismatch}", mismatch.kind.as_str(), mismatch.pointer))
        .collect();
    assert_eq!(mismatches, expected, "{components}");
}

pub(crate) const ORDER_CONFIRMATION: &str = r#"[{"type":"BODY","text":"Hello {{1}}, your order {{2}} is on its way.","example":{"body_text":[["a","b"]]}}]"#;

pub(crate) const FERRY: &str = r#"[
    {"type":"HEADER","format":"DOCUMENT","example":{"header_handle":["4:ZmVycnk="]}},
    {"type":"BODY","text":"Sailing from {{port}} leaves {{minutes}} minutes late today."},
    {"type":"FOOTER","text":"Harbour Line"},
    {"type":"BUTTONS","buttons":[
        {"type":"URL","text":"Track ferry","url":"https://ferry.example/t/{{1}}","example":["https://ferry.example/t/CM-2291"]},
        {"type":"QUICK_REPLY","text":"Stop alerts"}]}]"#;

pub(crate) const FERRY_MESSAGE: &str = r#"[
    {"type":"header","parameters":[{"type":"document","document":{"id":"1402233445566778","filename":"voucher.pdf"}}]},
    {"type":"body","parameters":[
       {"type":"text","parameter_name":"minutes","text":"45"},
       {"type":"text","parameter_name":"port","text":"Oban"}]},
    {"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"CM-2291"}]},
    {"type":"button","sub_type":"quick_reply","index":"1","parameters":[{"type":"payload","payload":"stop"}]}]"#;

pub(crate) fn text_parameters(texts: &[&str]) -> String {
    let parameters: Vec<String> = texts
        .iter()
        .map(|text| json(&format!("{{\"type\":\"text\",\"text\":{text:?}}}")).to_string())
        .collect();
    format!("[{}]", parameters.join(","))
}

pub(crate) fn body(texts: &[&str]) -> String {
    format!(r#"[{{"type":"body","parameters":{}}}]"#, text_parameters(texts))
}

pub(crate) fn card(index: usize, header: &str, text: &str) -> String {
    format!(
        r#"{{"card_index":{index},"components":[{{"type":"header","parameters":[{header}]}},{{"type":"body","parameters":{}}}]}}"#,
        text_parameters(&[text])
    )
}

pub(crate) fn carousel(cards: &[String]) -> String {
    format!(r#"[{{"type":"carousel","cards":[{}]}}]"#, cards.join(","))
}

pub(crate) const IMAGE: &str = r#"{"type":"image","image":{"id":"1"}}"#;
