//! Import circles: subjects do not import each other in a circle, and neither do files of different folders.
//!
//! The graph is computed from the source of each crate. A file is a module; an arrow leads from a file to the file that
//! holds the module, or the item of the module, that a `use` or a path names. Inline test modules are left out.
//!
//! **Invariant:** a path that cannot be resolved to a file of the same crate draws no arrow.

use super::Finding;
use crate::repository::TextFile;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::FromStr;

/// The crates whose graph is checked: their folder, and the folder below `src` whose subfolders are subjects, if that is
/// not `src` itself.
const CRATES: [(&str, Option<&str>); 7] = [
    ("crates/domain", None),
    ("crates/engine", None),
    ("crates/store", None),
    ("crates/graph", None),
    ("crates/egress", None),
    ("crates/blobs", None),
    ("crates/server", Some("api")),
];

/// Files of one folder that may import each other in a circle: the folder, and the reason.
const CIRCLES_IN_FOLDER: [(&str, &str); 0] = [];

/// One import: the file that is imported, the line of the import, and the path as it is written.
#[derive(Debug, Clone)]
struct Import {
    to: usize,
    line: usize,
    path: String,
}

/// The files of one crate and their imports.
struct Graph<'a> {
    /// The path from the root of the repository, and the module path, of each file.
    files: Vec<(&'a str, Vec<String>)>,
    imports: Vec<Vec<Import>>,
}

/// Checks every crate of [`CRATES`].
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, subjects) in CRATES {
        let graph = Graph::of(files, &format!("{folder}/src/"));
        let source = format!("{folder}/src");
        let subject_of = |path: &str| subject(path, &source, subjects);
        circles_of_subjects(&graph, &subject_of, &mut findings);
        circles_of_files(&graph, &subject_of, &mut findings);
    }
    findings
}

/// Returns the folder of a file's subject; `None` for a file that stands beside the subjects.
fn subject(path: &str, source: &str, subjects: Option<&str>) -> Option<String> {
    let rest = path.strip_prefix(source)?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    let first = parts.next().filter(|part| !part.ends_with(".rs"))?;
    if subjects != Some(first) {
        return Some(format!("{source}/{first}"));
    }
    let second = parts.next().filter(|part| !part.ends_with(".rs"))?;
    Some(format!("{source}/{first}/{second}"))
}

/// No circle between the folders of subjects.
fn circles_of_subjects(
    graph: &Graph<'_>,
    subject_of: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) {
    let subjects: BTreeSet<String> = graph.files.iter().filter_map(|(path, _)| subject_of(path)).collect();
    let subjects: Vec<String> = subjects.into_iter().collect();
    let index = |path: &str| {
        let subject = subject_of(path)?;
        subjects.iter().position(|one| *one == subject)
    };
    let mut arrows = vec![BTreeSet::new(); subjects.len()];
    let mut example = BTreeMap::new();
    for ((path, _), imports) in graph.files.iter().zip(&graph.imports) {
        let Some(from) = index(path) else { continue };
        for import in imports {
            let Some((target, _)) = graph.files.get(import.to) else { continue };
            let Some(to) = index(target) else { continue };
            if from != to
                && let Some(arrows) = arrows.get_mut(from)
            {
                arrows.insert(to);
                example.entry((from, to)).or_insert((*path, import.clone()));
            }
        }
    }
    for circle in circles(&arrows) {
        for (from, to) in steps(&circle) {
            let Some((path, import)) = example.get(&(from, to)) else { continue };
            let names = [from, to].map(|one| subjects.get(one).map_or("", String::as_str));
            let what = format!("{} imports {} ({}), in a circle", names[0], names[1], import.path);
            let fix =
                "move what both need into a subject, or a file beside the subjects, that neither imports";
            findings.push(Finding::new(path, import.line, what, fix));
        }
    }
}

/// No circle between files, but for the exceptions inside one folder.
fn circles_of_files(
    graph: &Graph<'_>,
    subject_of: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) {
    let arrows: Vec<BTreeSet<usize>> =
        graph.imports.iter().map(|imports| imports.iter().map(|import| import.to).collect()).collect();
    let path_of = |file: usize| graph.files.get(file).map_or("", |(path, _)| *path);
    for circle in circles(&arrows) {
        let folders: BTreeSet<Option<String>> =
            circle.iter().map(|file| subject_of(path_of(*file))).collect();
        let excepted = folders.len() == 1
            && folders.iter().flatten().any(|folder| {
                CIRCLES_IN_FOLDER.iter().any(|(excepted, _)| folder == excepted)
                    || circle.iter().all(|file| {
                        CIRCLES_IN_FOLDER.iter().any(|(excepted, _)| path_of(*file).starts_with(excepted))
                    })
            });
        if excepted {
            continue;
        }
        for (from, to) in steps(&circle) {
            let import = graph.imports.get(from).into_iter().flatten().find(|import| import.to == to);
            let Some(import) = import else { continue };
            let what = format!("imports {} ({}), in a circle of files", path_of(to), import.path);
            let fix = "move what both need into a file that neither imports";
            findings.push(Finding::new(path_of(from), import.line, what, fix));
        }
    }
}

/// The steps of a circle: each element with the next, the last with the first.
fn steps(circle: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    circle.iter().copied().zip(circle.iter().copied().cycle().skip(1))
}

/// One shortest circle through each knot of a graph: of each strongly connected component with more than one element.
fn circles(arrows: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for start in 0..arrows.len() {
        if seen.contains(&start) {
            continue;
        }
        let Some(circle) = shortest_circle(arrows, start) else { continue };
        let reached = reachable(arrows, start);
        // Everything that reaches the start and is reached from it is of the same knot, and reported once.
        seen.extend(reached.iter().copied().filter(|one| reachable(arrows, *one).contains(&start)));
        found.push(circle);
    }
    found
}

/// Every element that arrows lead to from `start`.
fn reachable(arrows: &[BTreeSet<usize>], start: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(one) = open.pop() {
        for next in arrows.get(one).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}

/// A shortest way from `start` back to itself over at least one other element.
fn shortest_circle(arrows: &[BTreeSet<usize>], start: usize) -> Option<Vec<usize>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut layer = vec![start];
    while !layer.is_empty() {
        let mut next_layer = Vec::new();
        for one in layer {
            for next in arrows.get(one).into_iter().flatten().copied() {
                if next == start && one != start {
                    let mut circle = vec![one];
                    let mut at = one;
                    while at != start {
                        at = *before.get(&at)?;
                        circle.push(at);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if next != start && !before.contains_key(&next) {
                    before.insert(next, one);
                    next_layer.push(next);
                }
            }
        }
        layer = next_layer;
    }
    None
}

impl<'a> Graph<'a> {
    /// Reads the graph of the files below `source`.
    fn of(files: &'a [TextFile], source: &str) -> Self {
        let files: Vec<&TextFile> = files
            .iter()
            .filter(|file| file.is_rust() && !file.is_test() && file.path.starts_with(source))
            .collect();
        let modules: Vec<(&str, Vec<String>)> =
            files.iter().map(|file| (file.path.as_str(), module_path(&file.path, source))).collect();
        let by_module: BTreeMap<&[String], usize> =
            modules.iter().enumerate().map(|(index, (_, module))| (module.as_slice(), index)).collect();
        let mut imports = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let module = modules.get(index).map_or(&[][..], |(_, module)| module.as_slice());
            let mut found = Vec::new();
            for (path, line) in paths(without_tests(&file.text)) {
                let Some(absolute) = absolute(&path, module, &by_module) else { continue };
                let target = (0..=absolute.len())
                    .rev()
                    .find_map(|n| absolute.get(..n).and_then(|prefix| by_module.get(prefix)));
                if let Some(&to) = target
                    && to != index
                {
                    found.push(Import { to, line, path: path.join("::") });
                }
            }
            imports.push(found);
        }
        Self { files: modules, imports }
    }
}

/// The module path of a file below `source`: `a/b.rs` and `a/b/mod.rs` are both `a::b`.
fn module_path(path: &str, source: &str) -> Vec<String> {
    let rest = path.strip_prefix(source).unwrap_or(path);
    let rest = rest.strip_suffix(".rs").unwrap_or(rest);
    let mut parts: Vec<String> = rest.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The text before the inline test module.
fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod tests {").and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Resolves a path as it is written in `module` to a path from the crate's root; `None` when it leads elsewhere.
fn absolute(
    path: &[String],
    module: &[String],
    by_module: &BTreeMap<&[String], usize>,
) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" | "$crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let mut base = module.to_vec();
            base.pop()?;
            let mut rest = rest;
            while let Some((next, after)) = rest.split_first()
                && next == "super"
            {
                base.pop()?;
                rest = after;
            }
            Some([base.as_slice(), rest].concat())
        }
        // A child module of this file.
        _ => {
            let whole = [module, path].concat();
            let child = whole.get(..module.len().saturating_add(1))?;
            by_module.contains_key(child).then_some(whole)
        }
    }
}

/// Every path of a source with its line: the leaves of `use` trees, and paths with at least two segments in code.
fn paths(text: &str) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    if let Ok(stream) = TokenStream::from_str(text) {
        collect(stream, &mut found);
    }
    found
}

fn collect(stream: TokenStream, found: &mut Vec<(Vec<String>, usize)>) {
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Ident(ident) if ident == "use" => use_tree(&mut tokens, &[], found),
            // `pub(in path)` is a visibility, not an import.
            TokenTree::Ident(ident) if ident == "pub" => {
                let is_visibility = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
                tokens.next_if(is_visibility);
            }
            TokenTree::Ident(ident) => {
                let line = ident.span().start().line;
                let mut path = vec![ident.to_string()];
                while is_separator(&mut tokens) {
                    match tokens.peek() {
                        Some(TokenTree::Ident(next)) => {
                            path.push(next.to_string());
                            tokens.next();
                        }
                        _ => break,
                    }
                }
                if path.len() > 1 {
                    found.push((path, line));
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Takes `::` from the tokens, if it is next.
fn is_separator(tokens: &mut Peekable<impl Iterator<Item = TokenTree> + Clone>) -> bool {
    let mut ahead = tokens.clone();
    let is_colon =
        |token: Option<TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    if is_colon(ahead.next()) && is_colon(ahead.next()) {
        tokens.next();
        tokens.next();
        return true;
    }
    false
}

/// Reads one `use` tree up to its `;` or `,`, and adds its leaves.
fn use_tree(
    tokens: &mut Peekable<impl Iterator<Item = TokenTree> + Clone>,
    prefix: &[String],
    found: &mut Vec<(Vec<String>, usize)>,
) {
    let mut path = prefix.to_vec();
    let mut line = 0;
    let mut is_leaf = true;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "as" => {
                tokens.next();
            }
            TokenTree::Ident(ident) => {
                line = ident.span().start().line;
                if ident != "self" || path.is_empty() {
                    path.push(ident.to_string());
                }
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                is_leaf = false;
                let mut inner = group.stream().into_iter().peekable();
                while inner.peek().is_some() {
                    use_tree(&mut inner, &path, found);
                }
            }
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => break,
            TokenTree::Punct(_) | TokenTree::Literal(_) | TokenTree::Group(_) => {}
        }
    }
    if is_leaf && !path.is_empty() {
        found.push((path, line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<TextFile> = files
            .iter()
            .map(|(path, text)| TextFile {
                path: format!("crates/store/src/{path}"),
                text: (*text).to_owned(),
            })
            .collect();
        let said = |finding: Finding| {
            format!("{}:{}: {}", finding.path.replace("crates/store/src/", ""), finding.line, finding.what)
        };
        check(&files).into_iter().map(said).collect()
    }

    #[test]
    fn subjects_may_import_each_other_in_one_direction() {
        assert!(
            found(&[
                ("lib.rs", "mod a;\nmod b;\n"),
                ("a/mod.rs", "use crate::b::{self, one::B};\n"),
                ("b/mod.rs", "pub mod one;\n"),
                ("b/one.rs", "use super::super::lower::C;\n"),
                ("lower.rs", "pub struct C;\n"),
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_circle_of_subjects_is_found_also_when_no_file_is_in_a_circle() {
        let found = found(&[
            ("a/mod.rs", "mod one;\nmod two;\n"),
            ("a/one.rs", "use crate::b::one::B;\n"),
            ("a/two.rs", "pub struct A;\n"),
            ("b/mod.rs", "mod one;\nmod two;\n"),
            ("b/one.rs", "pub struct B;\n"),
            ("b/two.rs", "fn f() { crate::a::two::A; }\n"),
        ]);
        assert_eq!(
            found,
            [
                "a/one.rs:1: crates/store/src/a imports crates/store/src/b (crate::b::one::B), in a circle",
                "b/two.rs:1: crates/store/src/b imports crates/store/src/a (crate::a::two::A), in a circle",
            ]
        );
    }

    #[test]
    fn a_circle_of_files_is_found_inside_a_folder_and_through_files_beside_the_folders() {
        let inside = found(&[
            ("a/mod.rs", "mod one;\nmod two;\n"),
            ("a/one.rs", "use super::two::Two;\n"),
            ("a/two.rs", "use super::one;\n"),
        ]);
        assert_eq!(inside.len(), 2, "{inside:?}");
        let beside =
            found(&[("a/mod.rs", "use crate::deps::Deps;\n"), ("deps.rs", "use crate::a::State;\n")]);
        assert_eq!(beside.len(), 2, "{beside:?}");
    }

    #[test]
    fn a_parent_that_calls_its_child_which_uses_the_parent_is_a_circle() {
        let found =
            found(&[("a/mod.rs", "mod one;\nfn f() { one::g(); }\n"), ("a/one.rs", "use super::f;\n")]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn tests_and_other_crates_do_not_count() {
        assert!(
            found(&[
                ("a.rs", "use b::C;\n\n#[cfg(test)]\nmod tests {\n    use crate::c::D;\n}\n"),
                ("c.rs", "use crate::a::E;\nuse std::fmt;\n"),
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_visibility_is_not_an_import() {
        assert!(paths("pub(in crate::a) fn f() {}\npub(crate) struct A(u8);\n").is_empty());
    }

    #[test]
    fn names_and_nested_trees_are_resolved() {
        let leaves: Vec<String> = paths("pub use a::{b::{self, C as D}, e::*};\nlet x = f::g::<h::I>();\n")
            .into_iter()
            .map(|(path, line)| format!("{}:{line}", path.join("::")))
            .collect();
        assert_eq!(leaves, ["a::b:1", "a::b::C:1", "a::e:1", "f::g:2", "h::I:2"]);
    }
}
