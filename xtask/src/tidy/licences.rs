//! The licences of everything we build on.

use super::Finding;
use crate::tidy::tree::Metadata;
use std::iter::Peekable;
use std::vec::IntoIter;

/// Licences that ask for no more than their notice.
const ALLOWED: [&str; 11] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
];

/// Crates that may be under MPL-2.0: it binds their own files only, which we do not change. By name, so that
/// each is somebody's decision.
const MPL_BY_NAME: [&str; 0] = [];

/// Holds the licence of each package against the list.
pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let expression = package.license.as_deref().unwrap_or_default();
        let allowed = |licence: &str| {
            ALLOWED.contains(&licence)
                || (licence == "MPL-2.0" && MPL_BY_NAME.contains(&package.name.as_str()))
        };
        if satisfied(expression, &allowed) != Some(true) {
            findings.push(Finding::new(
                "Cargo.lock",
                1,
                format!(
                    "{} {} has the licence `{expression}`, which is not on the list",
                    package.name, package.version
                ),
                "use another crate, or add the licence to xtask/src/tidy/licences.rs after reading it",
            ));
        }
    }
    findings
}

/// Says whether an SPDX expression can be met with allowed licences; nothing if it cannot be read.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    let mut words = words.into_iter().peekable();
    let answer = either(&mut words, allowed)?;
    words.next().is_none().then_some(answer)
}

/// `both (OR both)*`
fn either(words: &mut Peekable<IntoIter<String>>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = both(words, allowed)?;
    while words.next_if(|word| word == "OR").is_some() {
        answer |= both(words, allowed)?;
    }
    Some(answer)
}

/// `one (AND one)*`
fn both(words: &mut Peekable<IntoIter<String>>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = one(words, allowed)?;
    while words.next_if(|word| word == "AND").is_some() {
        answer &= one(words, allowed)?;
    }
    Some(answer)
}

/// A licence, perhaps with an exception (which only ever permits more), or an expression in parentheses.
fn one(words: &mut Peekable<IntoIter<String>>, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let word = words.next()?;
    if word == "(" {
        let answer = either(words, allowed)?;
        return (words.next()? == ")").then_some(answer);
    }
    if words.next_if(|word| word == "WITH").is_some() {
        words.next()?;
    }
    Some(allowed(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expression: &str) -> Option<bool> {
        satisfied(expression, &|licence| ALLOWED.contains(&licence))
    }

    #[test]
    fn expressions_are_read_as_spdx_reads_them() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/GPL-3.0",
            "Apache-2.0 / MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "ISC AND (Apache-2.0 OR ISC) AND MIT",
        ] {
            assert_eq!(met(good), Some(true), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND AGPL-3.0", "MPL-2.0"] {
            assert_eq!(met(bad), Some(false), "{bad}");
        }
        for unreadable in ["", "MIT OR", "(MIT", "MIT MIT", "MIT WITH"] {
            assert_eq!(met(unreadable), None, "{unreadable}");
        }
    }
}
