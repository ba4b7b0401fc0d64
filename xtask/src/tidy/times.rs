//! Times have one text form: only `domain::time` writes it.
//!
//! A variable that contains a time is named for it (STYLE.md), so a time that another line writes is found by its name.

use super::Finding;
use crate::repository::TextFile;

/// Names of variables that contain a time, besides names that end in `_at`, `_until` or `_since`.
const TIMES: [&str; 6] = ["at", "now", "until", "since", "newest", "deadline"];

/// Files that write another form, which a protocol demands.
const ALLOWED: [&str; 1] = ["crates/domain/src/time.rs"];

/// Runs the rule over the sources of the gateway.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let is_gateway = file.path.starts_with("crates/")
            && file.path.contains("/src/")
            && !file.path.starts_with("crates/sim/");
        if !file.is_rust() || file.is_test() || !is_gateway || ALLOWED.contains(&file.path.as_str()) {
            continue;
        }
        let tests_start = file.tests_start();
        for (number, line) in file.lines().filter(|(number, _)| *number < tests_start) {
            if let Some(found) = written_time(line) {
                let fix = "write the time with `domain::time::rfc3339`";
                findings.push(Finding::new(&file.path, number, format!("`{found}` writes a time"), fix));
            }
        }
    }
    findings
}

/// Returns the part of a line that writes a time.
fn written_time(line: &str) -> Option<String> {
    if line.trim_start().starts_with("//") {
        return None;
    }
    if line.contains(".strftime(") {
        return Some(".strftime(".to_owned());
    }
    // The present time as an argument of a format string.
    if line.contains("!(\"") && line.contains(".now(),") && !line.contains("rfc3339(") {
        return Some(".now()".to_owned());
    }
    for (end, _) in line.match_indices(".to_string()") {
        let name = last_name(line.get(..end)?);
        if is_time(name) {
            return Some(format!("{name}.to_string()"));
        }
    }
    for (start, brace) in line.match_indices(['{', '%']) {
        let rest = line.get(start.saturating_add(brace.len())..)?;
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = rest.get(..length)?;
        let closes = rest.get(length..)?.starts_with(['}', ':']);
        if is_time(name) && (brace == "%" || closes) {
            return Some(format!("{brace}{name}"));
        }
    }
    None
}

/// Returns the name at the end of a text.
fn last_name(text: &str) -> &str {
    let start =
        text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at.saturating_add(1));
    text.get(start..).unwrap_or_default()
}

fn is_time(name: &str) -> bool {
    TIMES.contains(&name) || ["_at", "_until", "_since"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_time_is_found_by_the_name_of_its_variable() {
        for line in [
            r#"json.insert("at", message.at.to_string());"#,
            r#"("expires_at", key.expires_at.to_string().into()),"#,
            r#"format!("expired at {at}")"#,
            r#"format!("since {since:?}")"#,
            "tracing::warn!(backup_at = %backup_at);",
            r#"format!("{}  {}", self.clock.now(), event.kind)"#,
            r#"at.strftime("%Y-%m-%d").to_string()"#,
        ] {
            assert!(written_time(line).is_some(), "{line}");
        }
        for line in [
            "rfc3339(key.created_at)",
            r#"format!("{}", rfc3339(clock.now()))"#,
            r#"format!("{atlas} {format}")"#,
            "key.id.to_string()",
            "let Self { at, .. } = self;",
            "/// Written as {at}.",
        ] {
            assert_eq!(written_time(line), None, "{line}");
        }
    }
}
