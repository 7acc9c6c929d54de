//! What was probably meant.

/// The word that `text` is a slip of: other letter case, or a few letters.
pub(super) fn nearest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let near = |word: &&'a str| (distance(&lower, &word.to_lowercase()), *word);
    let (slips, word) = words.iter().map(near).min_by_key(|(slips, _)| *slips)?;
    (slips * 4 <= word.chars().count()).then_some(word)
}

/// How many letters to add, drop, change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_another_word_is_not() {
        let words = ["Statement", "Effect", "Principal", "sts:TagSession"];
        for (text, meant) in [
            ("Statements", Some("Statement")),
            ("effect", Some("Effect")),
            ("Principle", Some("Principal")),
            ("sts:TagSesion", Some("sts:TagSession")),
            ("Description", None),
            ("sts:AssumeRole", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, &words), meant, "{text}");
        }
    }
}
