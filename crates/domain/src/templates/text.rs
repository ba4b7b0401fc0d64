//! Text with slots: `{{1}}` or `{{name}}`.

/// Format of the slots in a template's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterFormat {
    /// `{{1}}`, `{{2}}`: filled by the order of the parameters.
    #[default]
    Positional,
    /// `{{port}}`: filled by `parameter_name`.
    Named,
}

impl ParameterFormat {
    /// Parses Meta's value, in any case. Any value except `NAMED` is positional, as is a template without the field.
    #[must_use]
    pub const fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("NAMED") { Self::Named } else { Self::Positional }
    }

    /// Returns Meta's spelling of the format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Positional => "POSITIONAL",
            Self::Named => "NAMED",
        }
    }
}

/// Text with slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateText {
    /// Text in Meta's form, with `{{…}}`.
    pub raw: String,
    /// Slots: numbers in ascending order, or names in order of appearance; each once.
    pub slots: Vec<String>,
    segments: Vec<Segment>,
    /// Number of characters outside of slots.
    n_fixed: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    /// Index of a slot.
    Slot(usize),
}

impl TemplateText {
    /// Finds the slots. In a positional template only numbers are slots, in a named one also names.
    pub(crate) fn parse(raw: &str, format: ParameterFormat) -> Self {
        let mut text = Self { raw: raw.to_owned(), ..Self::default() };
        let mut found: Vec<(usize, usize, &str)> = Vec::new();
        let mut from = 0;
        while let Some(start) = raw.get(from..).and_then(|rest| rest.find("{{")).map(|start| start + from) {
            let inner = start + 2;
            let Some(length) = raw.get(inner..).and_then(|rest| rest.find("}}")) else { break };
            let name = raw.get(inner..inner + length).unwrap_or_default().trim();
            if is_slot(name, format) {
                found.push((start, inner + length + 2, name));
                from = inner + length + 2;
            } else {
                // In `{{{1}}` and `{{ {{1}}` a slot may begin after the first bracket.
                from = start + 1;
            }
        }
        for (_, _, name) in &found {
            if !text.slots.iter().any(|slot| slot == name) {
                text.slots.push((*name).to_owned());
            }
        }
        if format == ParameterFormat::Positional {
            text.slots.sort_by_key(|slot| slot.parse::<u32>().unwrap_or(u32::MAX));
        }
        let mut end_of_last = 0;
        for (start, end, name) in found {
            text.push_fixed(raw.get(end_of_last..start).unwrap_or_default());
            let index = text.slots.iter().position(|slot| slot == name).unwrap_or_default();
            text.segments.push(Segment::Slot(index));
            end_of_last = end;
        }
        text.push_fixed(raw.get(end_of_last..).unwrap_or_default());
        text
    }

    fn push_fixed(&mut self, fixed: &str) {
        if !fixed.is_empty() {
            self.n_fixed += fixed.chars().count();
            self.segments.push(Segment::Fixed(fixed.to_owned()));
        }
    }

    /// Returns the length of the text in characters if each slot has a value of the given length (0 for an unfilled
    /// slot).
    pub(crate) fn length_with(&self, length_of: impl Fn(usize) -> usize) -> usize {
        self.segments.iter().fold(self.n_fixed, |sum, piece| match piece {
            Segment::Fixed(_) => sum,
            Segment::Slot(index) => sum.saturating_add(length_of(*index)),
        })
    }

    /// Returns the text with its slots filled; an unfilled slot stays as it is written.
    pub(crate) fn fill<'v>(&self, value_of: impl Fn(usize, &str) -> Option<&'v str>) -> String {
        let mut filled = String::with_capacity(self.raw.len());
        for piece in &self.segments {
            match piece {
                Segment::Fixed(fixed) => filled.push_str(fixed),
                Segment::Slot(index) => {
                    let name = self.slots.get(*index).map_or("", String::as_str);
                    match value_of(*index, name) {
                        Some(value) => filled.push_str(value),
                        None => {
                            filled.push_str("{{");
                            filled.push_str(name);
                            filled.push_str("}}");
                        }
                    }
                }
            }
        }
        filled
    }
}

fn is_slot(name: &str, format: ParameterFormat) -> bool {
    match format {
        ParameterFormat::Positional => {
            (1..=4).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit())
        }
        ParameterFormat::Named => {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        }
    }
}
