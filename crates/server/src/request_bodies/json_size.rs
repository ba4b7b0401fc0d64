//! Number of values of a JSON text, counted while the text arrives.

/// Counts the values and names of a JSON text from above: the separators outside of strings.
#[derive(Debug, Default)]
pub(super) struct JsonSize {
    is_in_string: bool,
    is_escaped: bool,
}

impl JsonSize {
    /// Returns the number of values and names in the next bytes of the text.
    pub(super) fn count(&mut self, bytes: &[u8]) -> u64 {
        let mut n = 0_u64;
        for byte in bytes {
            if self.is_in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.is_in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.is_in_string = true,
                    b',' | b':' | b'[' | b'{' => n += 1,
                    _ => {}
                }
            }
        }
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_outside_of_strings_are_counted_in_pieces_of_any_size() {
        for (text, n) in [
            ("", 0),
            ("{}", 1),
            (r#"{"a":1,"b":[1,2,3]}"#, 7),
            (r#"{"text":"[,,{:\",:"}"#, 2),
            (r#"["\\",","]"#, 2),
        ] {
            for size in 1..=text.len().max(1) {
                let mut json = JsonSize::default();
                let counted: u64 = text.as_bytes().chunks(size).map(|piece| json.count(piece)).sum();
                assert_eq!(counted, n, "{text} in pieces of {size}");
            }
        }
    }
}
