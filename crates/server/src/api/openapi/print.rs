//! Formats JSON for people: a value that fits on one line is written on one line.

use domain::json::Value;

/// Maximum length of a line, in characters.
const WIDTH: usize = 140;

/// Returns the value as text that ends with a line break.
pub(crate) fn printed(value: &Value) -> String {
    let mut text = String::new();
    print(value, 0, 0, &mut text);
    text.push('\n');
    text
}

/// Writes a value. `n_before` is the number of characters before the value on the same line.
fn print(value: &Value, depth: usize, n_before: usize, text: &mut String) {
    let line = written(value);
    let fits = n_before.saturating_add(line.chars().count()) < WIDTH;
    match value {
        Value::Array(elements) if !fits => {
            let each = elements.iter().map(|element| (String::new(), element));
            print_members(['[', ']'], each, depth, text);
        }
        Value::Object(members) if !fits => {
            let each = members.iter().map(|(name, member)| (written(&name.into()) + ": ", member));
            print_members(['{', '}'], each, depth, text);
        }
        Value::Array(_)
        | Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_) => text.push_str(&line),
    }
}

/// Writes the members of an array or an object, one per line.
fn print_members<'v>(
    [open, close]: [char; 2],
    each: impl Iterator<Item = (String, &'v Value)>,
    depth: usize,
    text: &mut String,
) {
    let depth_inside = depth.saturating_add(1);
    let indent = "  ".repeat(depth_inside);
    text.push(open);
    let mut is_first = true;
    for (name, value) in each {
        text.push_str(if is_first { "\n" } else { ",\n" });
        is_first = false;
        text.push_str(&indent);
        text.push_str(&name);
        print(value, depth_inside, indent.len().saturating_add(name.chars().count()), text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

fn written(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_are_written_on_one_line() {
        let long = "x".repeat(WIDTH);
        let value: Value =
            serde_json::from_str(&format!(r#"{{"a":[1,{{"b":null}}],"c":["{long}",{{}},[]],"d":{{}}}}"#))
                .expect("JSON");
        let text = printed(&value);
        assert_eq!(
            text,
            format!(
                "{{\n  \"a\": [1,{{\"b\":null}}],\n  \"c\": [\n    \"{long}\",\n    {{}},\n    []\n  ],\n  \"d\": {{}}\n}}\n"
            )
        );
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }
}
