//! Durations as arguments: `90s`, `15m`, `24h`, `2d`.

use jiff::SignedDuration;

/// Parses a duration.
///
/// # Errors
/// If the text is not a duration.
pub(super) fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let invalid = || "must be a number followed by s, m, h or d, such as 24h or 2d".to_owned();
    let text = text.trim();
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let unit = text.chars().next_back().ok_or_else(invalid)?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(invalid()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    let number: u32 = number.parse().map_err(|_| invalid())?;
    Ok(SignedDuration::from_secs(i64::from(number).saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, seconds) in [("0", 0), ("90s", 90), ("15m", 900), ("24h", 86_400), (" 2d ", 172_800)] {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "24", "-1h", "1.5h", "2w", "٣d", "1 d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
