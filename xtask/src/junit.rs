//! The report of nextest: names, results and durations of the tests.
//!
//! The parser supports only the XML that nextest writes. A report with other XML contains no tests, and a run without
//! tests fails.

/// One test of the report.
#[derive(Debug, PartialEq)]
pub(crate) struct Test {
    /// Names of its binary and of the test.
    pub(crate) name: String,
    /// Duration in seconds.
    pub(crate) seconds: f64,
    /// `true` if the test passed.
    pub(crate) passed: bool,
}

/// Parses the tests of a report.
pub(crate) fn tests(xml: &str) -> Vec<Test> {
    xml.split("<testcase ").skip(1).filter_map(test).collect()
}

/// Parses one element: the text from its name to the next element.
fn test(element: &str) -> Option<Test> {
    let (tag, rest) = element.split_once('>')?;
    let name = format!("{} {}", attribute(tag, "classname")?, attribute(tag, "name")?);
    let seconds = attribute(tag, "time")?.parse().ok()?;
    let passed = !rest.contains("<failure") && !rest.contains("<error");
    Some(Test { name, seconds, passed })
}

/// Returns the value of an attribute.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = format!(" {tag}");
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = after.split_once('"')?;
    Some(value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_nextest_is_parsed() {
        let xml = r#"<testsuites name="nextest-run" tests="2" failures="1">
            <testsuite name="store::it" tests="2">
                <testcase name="claims::a_claim_ends" classname="store::it" timestamp="2026-01-01T00:00:00Z" time="1.250">
                </testcase>
                <testcase name="a_b" classname="store::it" time="0.004">
                    <failure message="&lt;boom&gt;" type="test failure">text</failure>
                </testcase>
            </testsuite></testsuites>"#;
        let expected = [
            Test { name: "store::it claims::a_claim_ends".to_owned(), seconds: 1.25, passed: true },
            Test { name: "store::it a_b".to_owned(), seconds: 0.004, passed: false },
        ];
        assert_eq!(tests(xml), expected);
    }
}
