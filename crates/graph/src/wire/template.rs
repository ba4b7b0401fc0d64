//! The list of templates.

use std::borrow::Cow;

use domain::templates::{Template, TemplateCategory, TemplateStatus};
use engine::ports::{CreatedTemplate, ListedTemplate, TemplatePage};

use crate::json_reader::Json;
use crate::value;

/// Requested fields.
pub(crate) const FIELDS: &str =
    "id,name,language,category,status,parameter_format,components,quality_score,rejected_reason";

/// Number of templates per page: Meta's maximum.
pub(crate) const PER_PAGE: &str = "100";

/// Reads one page. A template that cannot be decoded is left out with a warning, so that it does not block the
/// others.
pub(crate) fn page(response: Json<'_>) -> Option<TemplatePage> {
    let data = response.get("data").filter(|data| data.is_array())?;
    let (mut templates, mut has_unreadable) = (Vec::new(), false);
    for node in data.elements() {
        match listed(node) {
            Ok(template) => templates.push(template),
            Err(reason) => {
                has_unreadable = true;
                let field = |name| node.get(name).and_then(Json::scalar).unwrap_or_default();
                tracing::warn!(
                    template.meta_id = %field("id"),
                    template.name = %field("name"),
                    template.language = %field("language"),
                    reason,
                    "left out a template that cannot be read"
                );
            }
        }
    }
    let after = super::node::next_page(response)?;
    Some(TemplatePage { templates, after, has_unreadable })
}

fn listed(node: Json<'_>) -> Result<ListedTemplate, String> {
    let value = value::read(node).ok_or("it is nested too deeply")?;
    let template = Template::from_node(&value).map_err(|violations| format!("{violations:?}"))?;
    let field = |name| node.get(name).and_then(Json::scalar).map(Cow::into_owned);
    let components = node.get("components").filter(|components| components.is_array());
    Ok(ListedTemplate {
        meta_id: field("id").ok_or("it has no id")?,
        template,
        components: components.map_or("[]", Json::text).to_owned(),
        quality: node.get("quality_score").and_then(score),
        rejected_reason: field("rejected_reason").filter(|reason| !reason.eq_ignore_ascii_case("NONE")),
    })
}

/// Reads `{"score":"GREEN","date":…}`, or a plain string.
fn score(quality: Json<'_>) -> Option<String> {
    let value = if quality.is_object() { quality.get("score")?.scalar() } else { quality.scalar() };
    value.map(|value| value.to_ascii_uppercase())
}

/// Reads the response to a template that was submitted.
pub(crate) fn submitted(response: Json<'_>) -> Option<CreatedTemplate> {
    let field = |name| response.get(name).and_then(Json::scalar);
    Some(CreatedTemplate {
        meta_id: field("id")?.into_owned(),
        status: field("status").map_or(TemplateStatus::Pending, |value| TemplateStatus::parse(&value)),
        category: field("category").map(|value| TemplateCategory::parse(&value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<TemplatePage> {
        page(Json::parse(json.as_bytes()).expect("JSON"))
    }

    const NODE: &str = r#"{"name":"ferry_delay","parameter_format":"NAMED","components":[ {"type":"BODY","text":"Hi {{name}}"} ],
        "language":"en_GB","status":"APPROVED","category":"UTILITY","id":"707001122334455",
        "quality_score":{"score":"green","date":1767261605},"rejected_reason":"NONE"}"#;

    #[test]
    fn a_template_is_read_with_its_original_components() {
        let page = read(&format!(
            r#"{{"data":[{NODE}],"paging":{{"cursors":{{"before":"b","after":"a1"}},"next":"https://graph.facebook.com/x"}}}}"#
        ))
        .expect("a page");
        let listed = &page.templates[0];
        assert_eq!(listed.meta_id, "707001122334455");
        assert_eq!(listed.template.name, "ferry_delay");
        assert_eq!(listed.template.status, TemplateStatus::Approved);
        assert_eq!(listed.components, r#"[ {"type":"BODY","text":"Hi {{name}}"} ]"#);
        assert_eq!(listed.quality.as_deref(), Some("GREEN"));
        assert_eq!(listed.rejected_reason, None);
        assert_eq!(page.after.as_deref(), Some("a1"));
        assert!(!page.has_unreadable);
    }

    #[test]
    fn the_last_page_has_cursors_but_no_next() {
        let page = read(r#"{"data":[],"paging":{"cursors":{"before":"b","after":"a1"}}}"#).expect("a page");
        assert_eq!(page.after, None);
        assert_eq!(read(r#"{"data":[]}"#).expect("a page").after, None);
    }

    #[test]
    fn an_invalid_template_does_not_affect_the_others() {
        let page = read(&format!(r#"{{"data":[17,{{"id":"1"}},{NODE},{{"name":7}}]}}"#)).expect("a page");
        assert_eq!((page.templates.len(), page.has_unreadable), (1, true));
    }

    #[test]
    fn a_response_with_another_shape_is_not_a_page() {
        assert!(read(r#"{"data":{}}"#).is_none());
        assert!(read(r#"{"data":[],"paging":{"next":"https://graph.facebook.com/x"}}"#).is_none());
        assert!(read("[]").is_none());
    }
}
