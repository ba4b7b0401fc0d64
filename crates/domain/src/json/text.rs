//! Text of a value: compact, or canonical.

use std::fmt;

use super::value::{Object, Value, whole_of};

impl fmt::Display for Value {
    /// Writes compact JSON with the members in their order.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, self, Order::AsIs)
    }
}

impl fmt::Display for Object {
    /// Writes compact JSON with the members in their order.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_object(formatter, self, Order::AsIs)
    }
}

impl Value {
    /// Returns compact JSON with the members sorted by key and whole floats written as whole numbers: equal texts mean
    /// the same JSON. An idempotency record has the digest of this text.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = write(&mut text, self, Order::Sorted);
        text
    }
}

impl Object {
    /// Returns the text of [`Value::canonical`].
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = write_object(&mut text, self, Order::Sorted);
        text
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    AsIs,
    Sorted,
}

fn write(out: &mut impl fmt::Write, value: &Value, order: Order) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Float(number) => match whole_of(*number) {
            Some(whole) if order == Order::Sorted => write!(out, "{whole}"),
            _ if !number.is_finite() => out.write_str("null"),
            // `Display` writes 1e300 with three hundred zeros and drops the `.0` of a whole float; `Debug` does not.
            _ => write!(out, "{number:?}"),
        },
        Value::String(text) => write_string(out, text),
        Value::Array(elements) => {
            out.write_char('[')?;
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                write(out, element, order)?;
            }
            out.write_char(']')
        }
        Value::Object(object) => write_object(out, object, order),
    }
}

fn write_object(out: &mut impl fmt::Write, object: &Object, order: Order) -> fmt::Result {
    let members = match order {
        Order::AsIs => object.iter().collect(),
        Order::Sorted => object.sorted(),
    };
    out.write_char('{')?;
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_string(out, name)?;
        out.write_char(':')?;
        write(out, value, order)?;
    }
    out.write_char('}')
}

fn write_string(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{0}'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(character))?,
            _ => out.write_char(character)?,
        }
    }
    out.write_char('"')
}
