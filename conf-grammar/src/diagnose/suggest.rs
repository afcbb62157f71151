//! Guesses what a misspelt word was meant to be.

/// Words longer than this are no misspelt keyword.
const WORD_MAX: usize = 48;
/// Words shorter than this abbreviate nothing.
const ABBREVIATION_MIN: usize = 3;

/// Returns the candidate that `word` was probably meant to be.
///
/// A candidate fits when it is equal without regard to case, `_` and `-`, or when the edit distance
/// is at most a third of the word's length (but one edit is always allowed). Capitals never count. Of two
/// at the same distance the one that only lacks letters in `word` is taken. If none fits so, the only one
/// that `word` abbreviates does.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_MAX || word.len() < 2 {
        return None;
    }
    let bare = bare(word);
    let allowed = (word.len() / 3).max(1);
    let mut best: Option<((usize, bool), &str)> = None;
    let candidates: Vec<&str> = candidates.into_iter().collect();
    for &candidate in &candidates {
        let distance = if self::bare(candidate) == bare {
            0
        } else {
            distance(word, candidate)
        };
        let rank = (distance, !lacks_letters(word, candidate));
        if distance <= allowed && best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate).or_else(|| {
        let mut meant = candidates
            .into_iter()
            .filter(|candidate| abbreviates(word, candidate));
        let first = meant.next()?;
        meant.all(|other| other == first).then_some(first)
    })
}

/// Whether `word` is the beginning of `candidate`, or begins like it and has half of its letters in order.
fn abbreviates(word: &str, candidate: &str) -> bool {
    let begins_with = |text: &str| {
        let head = candidate.get(..text.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(text))
    };
    let first = word.get(..1).unwrap_or(word);
    let has_half = word.len().saturating_mul(2) >= candidate.len() && lacks_letters(word, candidate);
    word.len() >= ABBREVIATION_MIN && (begins_with(word) || (begins_with(first) && has_half))
}

fn bare(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether `word` is `candidate` without some of its letters.
fn lacks_letters(word: &str, candidate: &str) -> bool {
    let mut rest = candidate.chars();
    word.chars()
        .all(|letter| rest.any(|other| other.eq_ignore_ascii_case(&letter)))
}

/// Damerau-Levenshtein distance without regard to case (restricted: no substring is edited twice).
fn distance(from: &str, to: &str) -> usize {
    let letters = |word: &str| word.chars().map(|c| c.to_ascii_lowercase()).collect();
    let from: Vec<char> = letters(from);
    let to: Vec<char> = letters(to);
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let substituted = last[j] + usize::from(a != b);
            let mut least = substituted.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == to[j - 1] && from[i - 1] == b {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_a_swap_of_neighbours_once() {
        assert_eq!(distance("HashSzie", "HashSize"), 1);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn case_dashes_and_underscores_do_not_count() {
        assert_eq!(closest("FT-FW", ["ALARM", "FTFW"]), Some("FTFW"));
        assert_eq!(closest("lock_file", ["LogFile", "LockFile"]), Some("LockFile"));
    }

    #[test]
    fn a_slip_in_capitals_is_compared_with_small_letters() {
        assert_eq!(closest("TPC", ["udp", "tcp"]), Some("tcp"));
        assert_eq!(closest("hashsizze", ["HashLimit", "HashSize"]), Some("HashSize"));
    }

    #[test]
    fn a_left_out_letter_is_likelier_than_a_wrong_one() {
        assert_eq!(closest("LokFile", ["LogFile", "LockFile"]), Some("LockFile"));
    }

    #[test]
    fn an_abbreviation_is_understood_where_it_has_one_meaning() {
        let clauses = ["HashSize", "HashLimit", "Options", "Interface", "Protocol"];
        assert_eq!(closest("Opts", clauses), Some("Options"));
        assert_eq!(closest("proto", clauses), Some("Protocol"));
        assert_eq!(closest("Iface", clauses), Some("Interface"));
        assert_eq!(closest("Hash", clauses), None);
        assert_eq!(closest("Op", clauses), None);
    }

    #[test]
    fn a_word_too_far_from_all_gets_no_suggestion() {
        assert_eq!(closest("Replication", ["General", "Sync"]), None);
        assert_eq!(closest(&"x".repeat(1 << 20), ["General"]), None);
    }
}
