//! Relative links in the Markdown files lead somewhere.

use super::Finding;
use crate::repository::TextFile;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Follows the relative links of every Markdown file, to files and to headings.
pub(super) fn check(root: &Path, files: &[TextFile]) -> Vec<Finding> {
    let documents: Vec<&TextFile> = files.iter().filter(|file| file.path.ends_with(".md")).collect();
    let mut findings = Vec::new();
    for file in &documents {
        for (line, target) in links(&file.text) {
            if let Some(what) = broken(root, &documents, file, &target) {
                findings.push(Finding::new(&file.path, line, what, "mend the link, or say it without one"));
            }
        }
    }
    findings
}

/// Says what is wrong with a link, if anything is.
fn broken(root: &Path, documents: &[&TextFile], from: &TextFile, target: &str) -> Option<String> {
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:") || target.starts_with('/');
    if target.is_empty() || is_elsewhere {
        return None;
    }
    let (file, heading) =
        target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let path = if file.is_empty() {
        PathBuf::from(&from.path)
    } else {
        let folder = Path::new(&from.path).parent().unwrap_or(Path::new(""));
        let Some(path) = plain(&folder.join(file)) else {
            return Some(format!("the link to {target} leaves the repository"));
        };
        path
    };
    if !root.join(&path).exists() {
        return Some(format!("the link to {target} leads nowhere"));
    }
    let heading = heading?;
    let document = documents.iter().find(|document| Path::new(&document.path) == path)?;
    (!anchors(&document.text).iter().any(|anchor| anchor == heading))
        .then(|| format!("the link to {target} names a heading that is not there"))
}

/// The path without `.` and `..`; nothing if it leaves the root.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

/// The targets of inline links with their lines, what stands in code left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, next)) = after.split_once(')') else { break };
            let target = target.split_whitespace().next().unwrap_or_default();
            links.push((number, target.trim_matches(['<', '>']).to_owned()));
            rest = next;
        }
    }
    links
}

/// The lines outside fenced code, what stands between backticks blanked.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence {
            let plain: Vec<&str> = line.split('`').step_by(2).collect();
            lines.push((index.saturating_add(1), plain.join("")));
        }
    }
    lines
}

/// The anchors that the headings of a document get: lower case, blanks as hyphens, other signs dropped.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence || !line.starts_with('#') {
            continue;
        }
        let title = line.trim_start_matches('#').trim();
        let anchor: String = title
            .chars()
            .filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'))
            .map(|sign| if sign == ' ' { '-' } else { sign.to_ascii_lowercase() })
            .collect();
        let count = seen.entry(anchor.clone()).or_insert(0);
        anchors.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count = count.saturating_add(1);
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_from_prose() {
        let text = "See [a](a.md) and [b](b.md#part \"t\").\n```\n[c](c.md)\n```\nNot `[d](d.md)`, but ![e](<e.png>).\n";
        let expected = [(1, "a.md".to_owned()), (1, "b.md#part".to_owned()), (5, "e.png".to_owned())];
        assert_eq!(links(text), expected);
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# The `send` API, v1\n## Limits\n```\n# not this\n```\n## Limits\n";
        assert_eq!(anchors(text), ["the-send-api-v1", "limits", "limits-1"]);
    }

    #[test]
    fn broken_links_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        for name in ["docs/a.md", "docs/b.md"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let good =
            "[b](b.md) [b](./b.md#b) [w](https://example.com/x) [m](mailto:a@example.com) [self](#a)\n# A\n";
        let files = [file("docs/a.md", good), file("docs/b.md", "# B\n")];
        assert_eq!(check(folder.path(), &files), []);
        let bad = "[b](c.md)\n[b](b.md#c)\n[b](../../b.md)\n[self](#nowhere)\n";
        let files = [file("docs/a.md", bad), file("docs/b.md", "# B\n")];
        assert_eq!(check(folder.path(), &files).len(), 4);
    }
}
