//! Parameters of texts.

use super::binding::{Binding, ComponentName, Target, text};
use crate::check::{JsonPointer, nearest};
use crate::json::Value;
use crate::templates::mismatch::TemplateMismatchKind;
use crate::templates::render::shown;
use crate::templates::text::{ParameterFormat, TemplateText};

/// Maximum length of the code of an authentication template.
const MAX_CODE: usize = 15;
/// Maximum length of a filled body, and of one parameter, if the template has other parts.
const MAX_BODY: usize = 1024;
/// Maximum length of a filled body, and of one parameter, if the template has no other parts.
const MAX_BODY_ALONE: usize = 32_768;

impl Binding {
    /// Checks the parameters of a header or body against its slots.
    pub(crate) fn text(
        &mut self,
        slots: &TemplateText,
        given: &[Value],
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        match self.format {
            ParameterFormat::Positional => self.by_order(slots, given, pointer, name),
            ParameterFormat::Named => self.by_name(slots, given, pointer, name),
        }
    }

    fn by_order(
        &mut self,
        slots: &TemplateText,
        given: &[Value],
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        let n_slots = slots.slots.len();
        for (index, parameter) in given.iter().enumerate() {
            if self.is_full() {
                return;
            }
            let element = pointer.index(index);
            if index < n_slots {
                self.value(parameter, &element, name);
            } else {
                let reason = format!("takes {}, has {}", count(n_slots), given.len());
                self.add(&element, name, TemplateMismatchKind::Extra, reason);
            }
        }
        for (index, slot) in slots.slots.iter().enumerate().skip(given.len()) {
            let reason = format!("needs {}, has {}: {{{{{slot}}}}} is missing", count(n_slots), given.len());
            self.add(&pointer.index(index), name, TemplateMismatchKind::Missing, reason);
        }
    }

    fn by_name(
        &mut self,
        slots: &TemplateText,
        given: &[Value],
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
    ) {
        let mut slots_given = vec![false; slots.slots.len()];
        for (index, parameter) in given.iter().enumerate() {
            if self.is_full() {
                return;
            }
            let element = pointer.index(index);
            let given_name = text(parameter, "parameter_name");
            if slots.slots.is_empty() {
                self.add(&element, name, TemplateMismatchKind::Extra, "takes no parameters");
            } else if given_name.is_empty() {
                let reason =
                    format!("needs `parameter_name`: this template's parameters are {}", names(slots));
                self.add(&element.key("parameter_name"), name, TemplateMismatchKind::WrongName, reason);
            } else if let Some(slot) = slots.slots.iter().position(|slot| slot == given_name) {
                if slots_given.get_mut(slot).is_some_and(|is_given| std::mem::replace(is_given, true)) {
                    let reason = format!("is given the parameter `{given_name}` twice");
                    self.add(&element, name, TemplateMismatchKind::Extra, reason);
                } else {
                    self.value(parameter, &element, name);
                }
            } else {
                let known: Vec<&str> = slots.slots.iter().map(String::as_str).collect();
                let guess = match nearest(given_name, &known) {
                    Some(guess) => format!("did you mean `{guess}`?"),
                    None => format!("known are {}", names(slots)),
                };
                let reason = format!("has no parameter `{given_name}`; {guess}");
                self.add(&element.key("parameter_name"), name, TemplateMismatchKind::WrongName, reason);
            }
        }
        for (slot, is_given) in slots.slots.iter().zip(slots_given) {
            if !is_given {
                let reason = format!("needs a parameter named `{slot}`");
                self.add(pointer, name, TemplateMismatchKind::Missing, reason);
            }
        }
    }

    /// Checks one parameter of a text: a text, a currency or a date.
    fn value(&mut self, parameter: &Value, pointer: &JsonPointer<'_>, name: ComponentName<'_>) {
        match text(parameter, "type") {
            "currency" | "date_time" => {}
            "text" => {
                self.plain_text(text(parameter, "text"), &pointer.key("text"), name);
            }
            kind => {
                let reason = format!("needs a parameter of type `text`, this is `{kind}`");
                self.add(pointer, name, TemplateMismatchKind::WrongKind, reason);
            }
        }
    }

    /// Checks the rules whose violation Meta refuses with 131008 or 132018.
    pub(crate) fn plain_text(&mut self, value: &str, pointer: &JsonPointer<'_>, name: ComponentName<'_>) {
        if value.is_empty() {
            self.add(pointer, name, TemplateMismatchKind::Invalid, "needs a text that is not empty");
        } else if value.contains(['\n', '\r', '\t']) {
            self.add(
                pointer,
                name,
                TemplateMismatchKind::Invalid,
                "cannot take a text with line breaks or tabs",
            );
        } else if value.contains("     ") {
            let reason = "cannot take a text with more than four spaces in a row";
            self.add(pointer, name, TemplateMismatchKind::Invalid, reason);
        }
        if self.is_code && is_longer(value, MAX_CODE) {
            let reason =
                format!("takes a code of at most {MAX_CODE} characters, this has {}", value.chars().count());
            self.add(pointer, name, TemplateMismatchKind::TooLong, reason);
        }
    }

    /// Checks the length of a body whose parameters fit.
    pub(crate) fn body_length(
        &mut self,
        body: &TemplateText,
        given: &[Value],
        is_alone: bool,
        Target { pointer, name }: Target<'_>,
    ) {
        let most = if is_alone { MAX_BODY_ALONE } else { MAX_BODY };
        let mut has_long = false;
        for (index, parameter) in given.iter().enumerate() {
            let value = text(parameter, "text");
            if is_longer(value, most) {
                has_long = true;
                let reason = format!(
                    "takes parameters of at most {most} characters, this has {}",
                    value.chars().count()
                );
                self.add(&pointer.index(index).key("text"), name, TemplateMismatchKind::TooLong, reason);
            }
        }
        if has_long {
            return;
        }
        let length = body.length_with(|slot| {
            let parameter = match self.format {
                ParameterFormat::Positional => given.get(slot),
                ParameterFormat::Named => given.iter().find(|parameter| {
                    body.slots.get(slot).is_some_and(|slot| text(parameter, "parameter_name") == slot)
                }),
            };
            parameter.and_then(shown).map_or(0, |value| value.chars().count())
        });
        if length > most {
            let reason = format!("has {length} characters with its parameters, at most {most} are allowed");
            self.add(pointer, name, TemplateMismatchKind::TooLong, reason);
        }
    }
}

fn is_longer(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().count() > most
}

/// Describes the parameters of a missing component: "2 parameters", "the parameters `port` and `minutes`".
pub(crate) fn describe_slots(slots: &TemplateText, format: ParameterFormat) -> String {
    match format {
        ParameterFormat::Positional => count(slots.slots.len()),
        ParameterFormat::Named if slots.slots.len() == 1 => format!("the parameter {}", names(slots)),
        ParameterFormat::Named => format!("the parameters {}", names(slots)),
    }
}

fn count(n_parameters: usize) -> String {
    match n_parameters {
        0 => "no parameters".to_owned(),
        1 => "1 parameter".to_owned(),
        _ => format!("{n_parameters} parameters"),
    }
}

fn names(slots: &TemplateText) -> String {
    let names: Vec<String> = slots.slots.iter().map(|slot| format!("`{slot}`")).collect();
    names.join(", ")
}
