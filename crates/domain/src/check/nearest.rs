//! Suggestions for mistyped names.

/// Words longer than this are not compared: no name of ours comes near.
const LONGEST: usize = 64;

/// The name among `names` that a mistyped `word` most likely meant; `None` when none is near.
///
/// Near is one edit (a letter more, less or other, or two swapped) for every three letters, at least one.
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

/// The number of letters to add, drop or replace, or neighbours to swap (optimal string alignment).
fn distance(from: &[char], to: &[char]) -> usize {
    // Three rows of the table: before the last, last, current.
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
