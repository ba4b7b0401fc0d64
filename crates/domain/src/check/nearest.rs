//! Suggestions for mistyped names.

/// Maximum length of a word that is compared. Names that are much longer are not similar.
const LONGEST: usize = 64;

/// Returns the name among `names` that a mistyped `word` most likely means; `None` if no name is similar.
///
/// A name is similar if it differs by at most one edit (a letter added, removed, replaced, or two swapped) for every
/// three letters, and at least one. Of names with dots (`message.read`), the parts that are equal do not count: they say
/// nothing about the part that differs.
#[must_use]
pub fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    similar(word, names.iter().copied()).min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// Returns up to `limit` names that a mistyped `word` may mean, the most likely one first. The names are similar as in
/// [`nearest`].
#[must_use]
pub fn nearest_names<'n>(word: &str, names: impl Iterator<Item = &'n str>, limit: usize) -> Vec<&'n str> {
    let mut found: Vec<_> = similar(word, names).collect();
    found.sort_unstable();
    found.truncate(limit);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Returns the similar names, each with the number of edits.
fn similar<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> impl Iterator<Item = (usize, &'n str)> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    let is_comparable = !word.is_empty() && word.len() <= LONGEST;
    names.filter(move |name| is_comparable && name.len() <= 4 * LONGEST).filter_map(move |name| {
        let letters: Vec<char> = name.to_lowercase().chars().collect();
        // The distance is at least the difference of the lengths.
        if word.len().abs_diff(letters.len()) > (word.len().max(letters.len()) / 3).max(1) {
            return None;
        }
        let edits = distance(&word, &letters);
        let n_compared = word.len().max(letters.len()).saturating_sub(n_equal_parts(&word, &letters));
        (edits <= (n_compared / 3).max(1)).then_some((edits, name))
    })
}

/// Returns the value that a word of another API stands for, if it is one of `names`, or else the nearest name.
#[must_use]
pub fn nearest_of<'n>(word: &str, names: &[&'n str], synonyms: &[(&str, &'n str)]) -> Option<&'n str> {
    let known =
        synonyms.iter().find(|(synonym, name)| synonym.eq_ignore_ascii_case(word) && names.contains(name));
    known.map(|(_, name)| *name).or_else(|| nearest(word, names))
}

/// Returns the number of letters in the equal parts at the beginning of two names, with their dots.
fn n_equal_parts(word: &[char], name: &[char]) -> usize {
    let n_equal = word.iter().zip(name).take_while(|(letter, other)| letter == other).count();
    let last_dot = word.iter().take(n_equal).rposition(|letter| *letter == '.');
    last_dot.map_or(0, |dot| dot + 1)
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
