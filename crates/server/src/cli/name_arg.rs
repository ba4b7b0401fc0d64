//! Names as arguments.

/// Maximum length of a name in characters.
const MAX_NAME_LENGTH: usize = 100;

/// Parses a name and removes spaces at its ends.
///
/// # Errors
/// If the name is empty, too long or contains control characters.
pub(super) fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX_NAME_LENGTH {
        return Err(format!("must be 1 to {MAX_NAME_LENGTH} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}
