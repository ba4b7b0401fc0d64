//! Form of times in responses, deliveries and the output of commands.

/// Checks that each time in a text has the form `2026-05-29T10:30:00.000Z`.
#[track_caller]
pub(crate) fn check_times(text: &str) {
    let is_form = |part: Option<&str>, form: &str| {
        let fits =
            |(byte, wanted): (u8, u8)| if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
        part.is_some_and(|part| part.bytes().zip(form.bytes()).all(fits))
    };
    for (at, _) in text.match_indices('T') {
        let date = at.checked_sub(10).and_then(|start| text.get(start..at));
        if is_form(date, "0000-00-00") && is_form(text.get(at + 1..at + 6), "00:00") {
            let time = text.get(at + 1..at + 14);
            assert!(is_form(time, "00:00:00.000Z"), "{date:?} {time:?} does not have three decimals: {text}");
        }
    }
}
