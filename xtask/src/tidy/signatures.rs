//! Signatures of functions: a parameter is not a tuple that only avoids the limit of the number of arguments.
//!
//! **Invariant:** only functions outside of tests are checked; closures and patterns in bodies are not.

use super::Finding;
use crate::repository::TextFile;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::str::FromStr;

/// Runs the rule over every source file of the crates.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if !file.is_rust() || file.is_test() || file.package().is_none() {
            continue;
        }
        let Ok(stream) = TokenStream::from_str(&file.text) else { continue };
        let mut lines = Vec::new();
        tuple_parameters(stream, &mut lines);
        let tests_start = file.tests_start();
        for line in lines.into_iter().filter(|line| *line < tests_start) {
            let what = "a parameter is a tuple that is taken apart";
            let fix = "use a struct with a name, such as `Scope`, or parameters of their own";
            findings.push(Finding::new(&file.path, line, what, fix));
        }
    }
    findings
}

/// Collects the lines of the parameters, in every function of a stream, whose pattern is a tuple.
fn tuple_parameters(stream: TokenStream, lines: &mut Vec<usize>) {
    let mut is_signature = false;
    // Number of open angle brackets of generic parameters, whose bounds may hold parentheses: `F: Fn(u8)`.
    let mut n_open = 0_u32;
    let mut is_arrow_next = false;
    for token in stream {
        let is_arrow = std::mem::replace(
            &mut is_arrow_next,
            matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '-'),
        );
        match token {
            TokenTree::Ident(ident) if ident == "fn" => (is_signature, n_open) = (true, 0),
            TokenTree::Punct(punct) if is_signature && punct.as_char() == '<' => {
                n_open = n_open.saturating_add(1);
            }
            TokenTree::Punct(punct) if is_signature && punct.as_char() == '>' && !is_arrow => {
                n_open = n_open.saturating_sub(1);
            }
            TokenTree::Group(group)
                if is_signature && n_open == 0 && group.delimiter() == Delimiter::Parenthesis =>
            {
                parameters(group.stream(), lines);
                is_signature = false;
            }
            TokenTree::Group(group) => tuple_parameters(group.stream(), lines),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Collects the lines of the parameters of one function whose pattern is a tuple.
fn parameters(stream: TokenStream, lines: &mut Vec<usize>) {
    let mut is_start = true;
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_type_next = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        if let TokenTree::Group(group) = &token
            && is_start
            && is_type_next
            && group.delimiter() == Delimiter::Parenthesis
        {
            lines.push(group.span_open().start().line);
        }
        is_start = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        let file = TextFile { path: "crates/store/src/a.rs".to_owned(), text: text.to_owned() };
        check(&[file]).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_tuple_parameter_is_found_in_functions_methods_and_traits() {
        assert_eq!(found("fn a((b, c): (u8, u8)) {}\n"), [1]);
        assert_eq!(
            found("impl A {\n    fn b(\n        &self,\n        (c, d): (u8, u8),\n    ) {}\n}\n"),
            [4]
        );
        assert_eq!(found("fn a<F: Fn(u8) -> B<u8>>(\n    (c, d): (u8, u8),\n) {}\n"), [2]);
    }

    #[test]
    fn closures_struct_patterns_and_tests_are_left_alone() {
        let tests = "#[cfg(test)]\nmod tests {\n    fn a((b, c): (u8, u8)) {}\n}\n";
        for text in ["fn a(B(c): B) { d.map(|(e, f): (u8, u8)| e); }\n", "fn a(b: (u8, u8)) {}\n", tests] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
