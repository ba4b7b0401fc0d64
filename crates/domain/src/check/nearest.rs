//! Suggestions for mistyped names.

/// Maximum length of a word that is compared; no known name is longer.
const LONGEST: usize = 64;

/// Returns the name among `names` that a mistyped `word` most likely means; `None` if no name is similar.
///
/// A name is similar if it differs by at most one edit (a letter added, removed, replaced, or two swapped) for every
/// three letters, and at least one.
#[must_use]
pub fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    names
        .iter()
        .map(|name| (distance(&word, &name.to_lowercase().chars().collect::<Vec<_>>()), *name))
        .filter(|(edits, name)| *edits <= (word.len().max(name.len()) / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// Returns the number of edits between two words (optimal string alignment).
fn distance(from: &[char], to: &[char]) -> usize {
    // Rows of the table: the row before the last, the last and the current row.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let cell = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&last, column) + usize::from(letter != other))
                .min(cell(&last, column + 1) + 1)
                .min(cell(&current, column) + 1);
            if let Some(left) = column.checked_sub(1)
                && to.get(left) == Some(letter)
                && previous == Some(other)
            {
                best = best.min(cell(&before, left) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}
