//! JSON pointers (RFC 6901) into a value.

use super::value::{NulCharacter, Value};

/// Appends `/` and one reference token, escaped (`~` as `~0`, `/` as `~1`).
pub(crate) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for character in token.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(character),
        }
    }
}

fn tokens(pointer: &str) -> Option<impl Iterator<Item = String>> {
    let rest = pointer.strip_prefix('/');
    if rest.is_none() && !pointer.is_empty() {
        return None;
    }
    let parts = rest.map(|rest| rest.split('/')).into_iter().flatten();
    Some(parts.map(|token| token.replace("~1", "/").replace("~0", "~")))
}

impl Value {
    /// Returns the value at a JSON pointer (RFC 6901; `""` is the value itself); `None` if there is no such value.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Self> {
        tokens(pointer)?.try_fold(self, |value, token| match value {
            Self::Object(object) => object.get(&token),
            Self::Array(elements) => elements.get(token.parse::<usize>().ok()?),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::String(_) => None,
        })
    }

    /// Returns the value at a JSON pointer for changes.
    pub fn at_mut(&mut self, pointer: &str) -> Option<&mut Self> {
        tokens(pointer)?.try_fold(self, |value, token| match value {
            Self::Object(object) => object.get_mut(&token),
            Self::Array(elements) => elements.get_mut(token.parse::<usize>().ok()?),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::String(_) => None,
        })
    }

    /// Returns the first string or key, in document order, that has the character U+0000.
    #[must_use]
    pub fn find_nul(&self) -> Option<NulCharacter> {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => None,
            Self::String(text) => {
                text.contains('\0').then(|| NulCharacter { pointer: String::new(), in_key: false })
            }
            Self::Array(elements) => elements
                .iter()
                .enumerate()
                .find_map(|(index, element)| element.find_nul().map(|nul| nul.below(&index.to_string()))),
            Self::Object(object) => object.iter().find_map(|(name, value)| {
                if name.contains('\0') {
                    return Some(NulCharacter { pointer: String::new(), in_key: true });
                }
                value.find_nul().map(|nul| nul.below(name))
            }),
        }
    }
}

impl NulCharacter {
    fn below(self, token: &str) -> Self {
        let mut pointer = String::new();
        push_token(&mut pointer, token);
        pointer.push_str(&self.pointer);
        Self { pointer, in_key: self.in_key }
    }
}
