//! Suggestions for misspelled words.

/// The word that `text` misspells: other letter case, or a few letters.
pub(super) fn nearest<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let near = |word: &&'a str| (distance(&lower, &word.to_lowercase()), *word);
    let (slips, word) = words.iter().map(near).min_by_key(|(slips, _)| *slips)?;
    (slips * 4 <= word.chars().count()).then_some(word)
}

/// Letters to add, drop or change (Levenshtein), of the first 64: a policy can contain texts of any length.
fn distance(a: &str, b: &str) -> usize {
    let start = |text: &str| text.chars().take(64).collect::<String>();
    strsim::levenshtein(&start(a), &start(b))
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
