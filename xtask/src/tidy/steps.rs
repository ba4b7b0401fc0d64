//! Work that must be done in several places: `New message kind (1 of 4): …`.
//!
//! Each place carries its number, and all of a family must be there. The name before the number is the family.

use super::Finding;
use crate::repository::TextFile;
use std::collections::BTreeMap;

/// One numbered place.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    family: String,
    number: usize,
    of: usize,
}

/// Every family of steps is complete.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut families: BTreeMap<String, Vec<(Step, &str, usize)>> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.is_rust() || file.path.ends_with(".sql") || file.path.ends_with(".toml"))
    {
        for (line, text) in file.lines() {
            if let Some(step) = parse(text) {
                families.entry(step.family.clone()).or_default().push((step, &file.path, line));
            }
        }
    }
    let mut findings = Vec::new();
    for (family, steps) in &families {
        let of = steps.iter().map(|(step, _, _)| step.of).max().unwrap_or(0);
        let Some((_, path, line)) = steps.first() else { continue };
        for number in 1..=of {
            if !steps.iter().any(|(step, _, _)| step.number == number) {
                let what = format!("step {number} of {of} of \"{family}\" is nowhere");
                findings.push(Finding::new(path, *line, what, "mark the place, or number the others anew"));
            }
        }
        for (step, path, line) in steps {
            if step.of != of || step.number > of || step.number == 0 {
                let what =
                    format!("step {} of {} of \"{family}\", which has {of} steps", step.number, step.of);
                findings.push(Finding::new(path, *line, what, "number all places of the family alike"));
            }
        }
    }
    findings
}

/// Reads `// <family> (<number> of <of>): …`; anything else is nothing, documentation comments too.
fn parse(line: &str) -> Option<Step> {
    let line = line.trim_start();
    let text = line
        .strip_prefix("//")
        .filter(|rest| !rest.starts_with(['/', '!']))
        .or_else(|| line.strip_prefix("--"))
        .or_else(|| line.strip_prefix('#'))?;
    let (family, rest) = text.split_once(" (")?;
    let (numbers, _) = rest.split_once("):")?;
    let (number, of) = numbers.split_once(" of ")?;
    let family = family.trim().to_owned();
    Some(Step { family, number: number.parse().ok()?, of: of.parse().ok()? })
        .filter(|step| !step.family.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_step_is_read_from_a_comment() {
        let step = Step { family: "New kind".to_owned(), number: 2, of: 4 };
        assert_eq!(parse("    // New kind (2 of 4): its wire form."), Some(step));
        assert_eq!(parse("// one of two (see below): yes"), None);
        assert_eq!(parse("let x = 1; (1 of 2): y"), None);
    }

    #[test]
    fn a_family_must_be_complete() {
        let one = file("crates/domain/src/a.rs", "// New kind (1 of 2): here.\n");
        let two = file("crates/store/sql/b.sql", "-- New kind (2 of 2): there.\n");
        let odd = file("crates/store/src/c.rs", "// New kind (3 of 3): there.\n");
        assert!(check(&[one.clone(), two.clone()]).is_empty());
        assert_eq!(check(std::slice::from_ref(&one)).len(), 1);
        assert_eq!(check(&[one, two, odd]).len(), 2);
    }
}
